import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  chiSquareUpper,
  fUpper,
  incompleteBeta,
  incompleteGamma,
  invert,
  logGamma,
  normalCdf,
  tCdf,
  tTwoSided,
} from '../../../src/tools/child/distributions.js';

const functions: Readonly<Record<string, (...args: number[]) => number>> = {
  ...{ logGamma, incompleteBeta, incompleteGamma, normalCdf, tCdf, tTwoSided, chiSquareUpper, fUpper },
};

/** [function, arguments, value to 30 digits]; made by fixtures/distributions_reference.py. */
const reference = JSON.parse(readFileSync(new URL('./fixtures/distributions.json', import.meta.url), 'utf8')) as [
  string,
  number[],
  number,
][];

describe('distributions', () => {
  it.each(reference)('%s(%j) = %s', (name, args, want) => {
    const got = functions[name]!(...args);
    expect(Math.abs(got - want)).toBeLessThanOrEqual(2e-12 * Math.abs(want));
  });

  it.each([0.001, 0.25, 0.5, 0.9, 0.9999])('the quantile at %s undoes the distribution', (p) => {
    expect(normalCdf(invert(normalCdf, p, Number.NEGATIVE_INFINITY))).toBeCloseTo(p, 12);
    const cdf = (x: number) => 1 - chiSquareUpper(x, 3);
    expect(cdf(invert(cdf, p, 0))).toBeCloseTo(p, 12);
  });
});
