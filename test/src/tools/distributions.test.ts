import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { chiSquareUpper, fUpper, tTwoSided } from '../../../src/tools/child/distributions.js';
import { createStatistics } from '../../../src/tools/child/statistics.js';

/** [call of the tool, its value]; made by fixtures/distributions_reference.py. */
const reference = JSON.parse(readFileSync(new URL('./fixtures/distributions.json', import.meta.url), 'utf8')) as [
  string,
  number,
][];
const names = [...new Set(reference.map(([call]) => call.replace(/\(.*/, '')))];
const statistics = createStatistics();
/** Without the words that say which law it was. */
const answer = (call: string): string => String(statistics(call, 1000)).replace(/ \(.*/, '');
/** Behind t_test, chi_square_test and anova, which write six digits. */
const tails: Readonly<Record<string, (...args: number[]) => number>> = { tTwoSided, chiSquareUpper, fUpper };
const value = (name: string, call: string): number =>
  tails[name]?.(...(JSON.parse(`[${call.slice(name.length + 1, -1)}]`) as number[])) ?? Number(answer(call));

describe('the distributions, as the tool writes them', () => {
  it('are all there', () => {
    expect(names).toHaveLength(14);
  });

  it.each(names)('%s', (name) => {
    const off = reference
      .filter(([call]) => call.startsWith(`${name}(`))
      .map(([call, want]) => ({ call, want, got: value(name, call) }))
      // Twelve digits are written.
      .filter(({ want, got }) => !(Math.abs(got - want) <= 6e-12 * Math.abs(want)));
    expect(off).toEqual([]);
  });

  it.each([
    ['normal_cdf(-50)', '0'],
    ['chi_square_cdf(1e6, 2)', '1'],
    ['chi_square_cdf(1e-200, 200)', '0'],
    ['chi_square_cdf(-1, 3)', '0'],
    ['f_cdf(-1, 3, 4)', '0'],
    ['f_cdf(1e308, 3, 4)', '1'],
    ['t_cdf(1e200, 3)', '1'],
    ['t_cdf(0, 3)', '0.5'],
    ['t_quantile(0.5, 3)', '0'],
    ['normal_quantile(0.5)', '0'],
    ['t_quantile(0.75, 1)', '1'],
    ['binomial_cdf(10, 0, 0)', '1'],
    ['binomial_cdf(10, 1, 9)', '0'],
    ['binomial_cdf(10, 0.5, 10)', '1'],
    ['poisson_cdf(5000, 10)', '0'],
    ['poisson_cdf(1, 5000)', '1'],
  ])('%s = %s, at the edges', (call, want) => {
    expect(answer(call)).toBe(want);
  });

  it('refuses what would be computed wrongly', () => {
    expect(() => answer('binomial_cdf(1e7, 0.5, 5e6)')).toThrow(/more than 1000000 trials .* normal_cdf/);
    expect(answer('binomial_cdf(1e6, 0.5, 5e5)')).toMatch(/^0\.5003989/);
  });
});
