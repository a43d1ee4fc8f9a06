import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { residentBytes } from '../../../src/tools/hostProcess.js';

describe('residentBytes', () => {
  it('is in bytes, whatever the size of a page', () => {
    expect(residentBytes('Name:\tnode\nVmPeak:\t 999 kB\nVmRSS:\t   65536 kB\nRssAnon:\t 1 kB\n')).toBe(2 ** 26);
  });

  it('is NaN for a process that has ended, so that it passes no limit', () => {
    expect(residentBytes('Name:\tnode\nState:\tZ (zombie)\n')).toBeNaN();
  });

  it.skipIf(process.platform !== 'linux')('reads what the kernel says of this process', () => {
    const resident = residentBytes(readFileSync('/proc/self/status', 'utf8'));
    expect(resident / process.memoryUsage.rss()).toBeGreaterThan(0.5);
    expect(resident / process.memoryUsage.rss()).toBeLessThan(2);
  });
});
