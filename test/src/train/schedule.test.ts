import { describe, expect, it } from 'vitest';
import { learningRateAt } from '../../../src/train/schedule.js';

describe('learningRateAt', () => {
  it('rises in a line, then falls along a cosine', () => {
    const rates = Array.from({ length: 20 }, (_, step) => learningRateAt(step, 20, 2, 0.2));
    expect(rates.slice(0, 5)).toEqual([0.5, 1, 1.5, 2, 2]);
    expect(rates[12]).toBeCloseTo(1, 12);
    expect(rates.at(-1)).toBeGreaterThan(0);
    for (let i = 5; i < 20; i++) expect(rates[i]).toBeLessThan(rates[i - 1]!);
  });

  it('needs no warm-up', () => {
    expect(learningRateAt(0, 10, 1, 0)).toBe(1);
  });
});
