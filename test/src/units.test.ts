import { describe, expect, it } from 'vitest';
import { byteText, percent } from '../../src/units.js';

describe('numbers in messages', () => {
  it('are megabytes, from a gigabyte on gigabytes, and percent', () => {
    expect([0, 640e6, 999e6, 1e9, 78.4e9].map(byteText)).toEqual([
      '0.0 MB',
      '640.0 MB',
      '999.0 MB',
      '1.0 GB',
      '78.4 GB',
    ]);
    expect([0, 0.417, 1].map(percent)).toEqual(['0.0 %', '41.7 %', '100.0 %']);
  });
});
