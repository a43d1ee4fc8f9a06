import { expect, it } from 'vitest';
import { isBetter, VALIDATION_MEASURES } from '../../../src/train/validation.js';

it('more is better of every measure but of the share below τ, and the same is not better', () => {
  const better = VALIDATION_MEASURES.filter((measure) => isBetter(measure, 0.5, 0.4));
  expect(better).toEqual(['accuracy', 'rarestViable', 'entropyBits']);
  expect(VALIDATION_MEASURES.filter((measure) => isBetter(measure, 0.4, 0.5))).toEqual(['belowTau']);
  expect(VALIDATION_MEASURES.filter((measure) => isBetter(measure, 0.5, 0.5))).toEqual([]);
});
