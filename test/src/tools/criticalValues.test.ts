/** Critical values of the tool `statistics`, against fixtures/critical_reference.py; two readings are both shown. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createStatistics } from '../../../src/tools/child/statistics.js';
import { answering } from './answer.js';

const reference = JSON.parse(readFileSync(new URL('./fixtures/critical.json', import.meta.url), 'utf8')) as [
  string,
  number,
][];
const answer = answering(createStatistics());

describe('critical values', () => {
  it('are those of mpmath', () => {
    expect(reference.length).toBeGreaterThan(140);
    const off = reference
      .map(([call, want]) => ({ call, want, got: answer(call) }))
      .filter(({ got, want }) => !(Math.abs(Number(got.split(' ')[0]) - want) <= 1e-9 * Math.abs(want)));
    expect(off).toEqual([]);
  });

  it.each([
    ['t_critical(0.05, 10)', '1.81246 one-tailed, 2.22814 two-tailed (t, df 10, alpha = 0.05)'],
    ['z_critical(0.95)', '1.64485 one-tailed, 1.95996 two-tailed (standard normal, alpha = 0.05)'],
    ['chi2_critical(0.95, 3)', '7.81473 with 0.95 below it; 0.351846 with 0.95 above it (chi-squared, df 3)'],
    ['chi2_critical(0.05, 3, tails=2)', /^\[0\.215795282624, 9\.3484036045\] .*lower and upper/],
    ['z_{0.025}', /^1\.95996398454 .*upper tail/],
    ['t_{0.05, 10}', /^1\.81246112281 .*upper tail/],
    ['t* for 95% confidence with 9 df', /^2\.2621571628 .*two-tailed/],
    ['t critical value for n = 16, 95% confidence interval', /^2\.13144954556 .*df 15/],
    ['2 * z_critical(0.05, tails=2)', /^3\.91992796908 /],
    ['2 * z_critical(0.05)', /^refused: this result is no number/],
    ['t_critical(0.05, 10, "sideways")', /^refused: tails are one, two, upper or lower/],
    ['t_critical(0.05, 10, tails=2, two_tailed=False)', /^refused: one or two tails/],
    ['t_critical(5, 10)', /^refused: a level between 0 and 1 is missing/],
    // Was 3.81 and 4.23 of a t with loc 2: the 2 is the tails.
    ['t_critical(0.05, 10, 2)', /^2\.22813885199 .*two-tailed/],
    ['t_critical(10, 0.05, 1)', /^1\.81246112281 .*one-tailed/],
    ['z_critical(0.05, 2)', /^1\.95996398454 .*two-tailed/],
    ['t_critical(0.05, 2, 10)', /^refused: what the number 10 stands for/],
    ['t_critical(0.05, 1, 2)', /^refused: what the number 2 stands for/],
    ['t_critical(0.05, 10, 2, tails=2)', /^refused: what the number 2 stands for/],
    ['t_critical(0.05, 10, loc=2)', /^refused: a critical value has no loc/],
    ['z_critical(0.05, 3)', /^refused: what the number 3 stands for/],
    ['z_critical(0.05, mean=100, sd=15)', /^refused: a critical value has no mean/],
    ['t_critical(0.05, 0.9)', /^refused: which of 0\.05 and 0\.9 is the level/],
    // Was of alpha = 0.95.
    ['t critical value at the 95% level, df = 10', /^2\.22813885199 .*two-tailed/],
    ['t critical value at the 95% level of confidence, df = 10', /^2\.22813885199 .*two-tailed/],
    ['t critical value at the 5% level, df = 10', /^1\.81246 one-tailed, 2\.22814 two-tailed/],
    ['t critical value at the 95% significance level, df = 10', /^refused: a significance of 0\.95/],
    ['critical value for F(2,10)', /^refused: cannot read/],
    ['t critical value for 95% confidence, alpha = 0.01, df = 3', /^refused: a level is needed/],
  ])('%s', (call, expected) => {
    if (typeof expected === 'string') expect(answer(call)).toBe(expected);
    else expect(answer(call)).toMatch(expected);
  });
});
