/** The tool `statistics` on calls as people write them, against scipy and numpy; and what it must refuse. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createStatistics } from '../../../src/tools/child/statistics.js';
import { full } from '../full.js';
import { answering } from './answer.js';

/** [call, value]; made by fixtures/statistics_reference.py. */
const reference = JSON.parse(readFileSync(new URL('./fixtures/statistics.json', import.meta.url), 'utf8')) as [
  string,
  number,
][];
const answer = answering(createStatistics());
/** The number that an answer begins with. */
const value = (text: string): number => Number(/^-?[\d.]+(?:e[-+]?\d+)?(?=$|[ \n])/.exec(text)?.[0] ?? Number.NaN);

describe('calls and phrases', () => {
  it('are worth what scipy and numpy say', () => {
    const asked = reference.filter((_, index) => full || index % 4 === 0);
    expect(asked.length).toBeGreaterThan(190);
    const off = asked
      .map(([call, want]) => ({ call, want, got: answer(call) }))
      .filter(({ want, got }) => !(Math.abs(value(got) - want) <= 1e-9 * Math.abs(want)));
    expect(off).toEqual([]);
  });

  it.each([
    ['mean(1,000, 2,000)', '1500 (understood as mean(1000, 2000))'],
    ['mode([1, 2, 2, 3, 3])', '2 and 3 (each 2 times)'],
    ['mode([60]*22 + [1000]*6)', '60'],
    ['mean, median of [3, 5, 6, 6]', /^mean = 5\nmedian = 5\.5 /],
    ['sqrt(variance([1, 2, 3, 4]))', '1.29099444874 (sample, n - 1; population, n: 1.25)'],
    ['x = [1, 2, 3]; y = [2, 4, 7]; correlation(x, y)', '0.993399267799'],
    ['x <- c(1, 2, 3, 4)\nsd(x)', /^1\.29099444874 \(sample, n - 1; /],
    ['import numpy as np\nprint(np.mean([1, 2]))', /^1\.5 /],
    ['```python\nfrom scipy.stats import norm\nprint(1 - norm.cdf(1.5))\n```', /^0\.0668072012689 /],
    ['statistics("mean(1, 2)")', '1.5 (understood as mean(1, 2))'],
    ['mean(10%, 20%)', '0.15 (understood as mean((10/100), (20/100)))'],
    ['mean($1,200, $1,400)', /^1300 /],
    ['quartiles([1, 2, 3, 4, 5, 6, 7])', /^Q1 = 2, median = 4, Q3 = 6 \(medians of the halves\); Q1 = 2\.5, .*linear/],
    ['confidence_interval(mean=50, sigma=4, n=25)', '[48.432, 51.568] (95%, z, sigma known)'],
    ['z_test(52, 50, 4, 25)', /^z = 2\.5, p = 0\.0124193 \(two-sided; one-sided 0\.00620967\)/],
    [
      'chi2_contingency([[10, 20], [30, 40]])',
      /^chi2 = 0\.793651, .*\(no correction\); with Yates' correction chi2 = 0\.446429/,
    ],
    ['exponential distribution with mean 4: median', /^2\.77258872224 /],
    ['combinations(100, 50)', '100891344545564193334812497256'],
    ['P(A or B) = 13/52 + 40/52 - 10/52', /^0\.826923076923 /],
    ['\\frac{\\binom{13}{2}}{\\binom{52}{2}}', /^0\.0588235294118 /],
    ['15% of 200', /^30 /],
    ['expected value of [1, 2, 3] with probabilities [0.2, 0.3, 0.5]', /^2\.3 /],
    ['P(X > 3 | n=10, p=0.5)', /^0\.828125 /],
    // 1 + ln 2, 100/12, 2 * 100 * 13 / (5 * 64 * 6), C(100,2) C(1900,48) / C(2000,50), ln(2 sqrt(2 pi e)).
    ['expon(scale=2).entropy()', /^1\.69314718056 /],
    ['uniform(2, 10).var()', /^8\.33333333333 /],
    ['f(5, 10).var()', /^1\.35416666667 /],
    ['hypergeom.pmf(2, 2000, 100, 50)', /^0\.26342814231 /],
    ['norm(0, 2).entropy()', /^2\.11208571376 /],
    ['proportion_test(60, 100, 0.5)', /^z = 2, p = 0\.0455003 /],
    ['proportion_interval(60, 100)', /^\[0\.503982, 0\.696018\].*; \[0\.502003, 0\.690599\] \(95%, Wilson/],
    ['mean_deviation([1, 2, 6])', '2'],
    ['CHIDIST(3.84, 1)', /^0\.0500435212487 /],
    ['P(2 <= X < 5), X ~ Poisson(3)', /^0\.616114971052 /],
    ['P(8 < Z < 9)', /^6\.2198319858\d*e-16 /],
    ['poisson_pmf(2, 1.5)', '0.251021430167 (Poisson, mean 1.5; P(X = 2))'],
    ['normal distribution with mean 1 and variance 4: sd', /^2 /],
    ['exponential distribution with half-life 2: mean', /^2\.88539008178 /],
    ['P(X < 3), mean = 1, variance = 4', /^0\.841344746069 /],
    ['P(3 > X), X ~ Bin(10, 0.5)', /^0\.0546875 /],
    ['qnorm(0.025, lower.tail = FALSE)', /^1\.95996398454 /],
    ['mean(list(range(1, 7, 2)))', '3'],
    ['mean(list(range(1, 6, 2)))', '3'],
    ['mean(1, (0 - 7) mod 5)', '2'],
    ['pgamma(4, 2, 0.5)', /^0\.59399415029 /],
    ['P(3 < X < 3), X ~ Bin(10, 0.5)', /^0 /],
    ['P(3.2 < X < 3.4), X ~ Bin(10, 0.5)', /^0 /],
    ['P(|X| >= 3), X ~ Bin(10, 0.5)', /^0\.9453125 /],
    ['P(|X| > 3), X ~ Bin(10, 0.5)', /^0\.828125 /],
    ['P(|X| <= 3), X ~ Bin(10, 0.5)', /^0\.171875 /],
    ['P(|X| < 3), X ~ Bin(10, 0.5)', /^0\.0546875 /],
    ['P(|X| >= 0), X ~ Bin(10, 0.5)', /^1 /],
    ['P(X = 5) for Poisson(λ=3)', /^0\.100818813445 \(Poisson, mean 3/],
    ['P(χ²(7) ≤ 14.067)', /^0\.949997555319 \(chi-squared, df 7/],
    ['Φ(1.5) - Φ(0.5)', /^0\.241730337457 /],
    ['\\Phi^{-1}(0.975)', /^1\.95996398454 /],
    ['mean([1, 2]), median([3, 4, 9])', /^mean = 1\.5\nmedian = 4 /],
    ['X = norm(100, 15); X.cdf(110)', /^0\.747507462453 /],
    ['IQR(1, 3, 5, 7, 9, 11)', /^6 /],
    ['five-number summary of 2, 5, 7, 8, 10, 12', /^min = 2, max = 12; Q1 = 5, median = 7\.5, Q3 = 10 /],
    ['coefficient of variation of 10, 12, 14', /^0\.166666666667 /],
    ['NORM.DIST(110, 100, 15, TRUE)', /^0\.747507462453 /],
    ['NORM.DIST(110, 100, 15, FALSE)', /^0\.0212965337015 /],
    ['F.INV.RT(0.01, 8, 4)', /^14\.7988887906 /],
    ['CHIINV(0.05, 3)', /^7\.81472790325 /],
    ['TINV(0.05, 10)', /^2\.22813885199 /],
    ['NORMSDIST(1.5)', /^0\.933192798731 /],
    ['chi2cdf(0, 3.84, 1)', /^0\.949956478751 /],
    ['Fcdf(0, 3, 2, 10)', /^0\.904632568359 /],
    // (1.96/0.03)^2 / 4 and (1.96 * 15/3)^2, with all digits of 1.96.
    ['sample_size(margin=0.03, confidence=0.95)', /^1068 \(1067\.07 rounded up; a share of 0\.5/],
    ['sample_size(margin=3, sigma=15)', /^97 \(96\.0365 /],
    // 0.15 / sqrt(0.375 * 0.625 * 2/100).
    ['two_proportion_z_test(45, 100, 30, 100)', /^z = 2\.19089, p = 0\.0284597 /],
    ['proportions_ztest([45, 30], [100, 100])', /^z = 2\.19089, /],
  ])('%s', (call, want) => {
    expect(answer(call)).toEqual(typeof want === 'string' ? want : expect.stringMatching(want));
  });

  it.each([
    'std([1, 2, 3, 4])',
    'variance(1, 2, 3, 4)',
    'np.std([1, 2, 3, 4])',
    'standard deviation of 1, 2, 3, 4',
    'covariance([1, 2, 3], [2, 4, 7])',
    '3 * var(c(1, 2, 3, 4))',
  ])('%s says whether it is of a sample or a population', (call) => {
    expect(answer(call)).toMatch(/sample, n - 1|population, n/);
  });

  it('says which law and which parameters a name meant', () => {
    expect(answer('expon.cdf(3, 2)')).toMatch(/exponential, rate 1, mean 1, from 2/);
    expect(answer('dgeom(0, 0.3)')).toMatch(/failures from 0/);
    expect(answer('geom.pmf(1, 0.3)')).toMatch(/trials from 1/);
    expect(answer('1 - binom.cdf(6, 8, 0.7)')).toBe('0.25529833 (binomial, n 8, p 0.7; P(X <= 6))');
  });
});

describe('what can be meant in two ways, or not at all, is refused', () => {
  it.each([
    ['mean(950, 1,250)', /comma may group digits/],
    ['mean(1,000,2,000)', /comma may group digits/],
    ['mean(1,200,3,400)', /comma may group digits/],
    ['percentile([1, 2, 3, 4], 0.25)', /may be a share/],
    ['expected_value([1, 2], [0.5, 0.6])', /sum to 1/],
    ['[1, 2, 3] * 2', /repeat it or multiply/],
    ['mean([1, 2] + [3, 4])', /join them or add/],
    ['geometric_pmf(0.3, 0)', /from 1; for failures/],
    ['binomial_pmf(1, 1, 1)', /by name/],
    ['normalcdf(1.96)', /lower and an upper bound/],
    ['P(X > 110), X ~ N(100, 225)', /variance or sd 225/],
    ['P(X <= 3), X ~ Exp(2)', /rate 2 or mean 2/],
    ['P(X < 3)', /needs a distribution/],
    ['P(5 < X < 3), X ~ N(0, 1)', /lower bound comes first/],
    ['P(|Z| > -1)', /lower bound comes first/],
    ['normalcdf(1.96, -1.96)', /lower bound comes first/],
    ['normal_cdf(-1, 1)', /two ways/],
    ['NORM.S.DIST(1.96)', /cumulative, TRUE or FALSE/],
    ['binom.pmf(1, 2, 0.5)/2(3)', /two ways/],
    ['sample_size(0.03)', /write sample_size/],
    ['sample_size(margin=3, sigma=15, p=0.5)', /not both/],
    ['two_proportion_test(0.45, 100, 0.3, 100)', /whole number/],
    ['two_proportion_test(110, 100, 30, 100)', /110 successes of 100/],
    ['P(X = 3), X ~ N(0, 1)', /continuous/],
    ['norm.cdf(1, loc=0, scal=2)', /no parameter scal/],
    ['norm.pmf(1)', /continuous/],
    ['binomial(10, 0.5)', /a distribution/],
    ['hypergeom.pmf(1, 5, 20, 8)', /M \(all\) before/],
    ['chi_square_test([10, 20], [0.5, 0.5])', /counts, not shares/],
    ['mode(1, 2, 3)', /every value occurs once/],
    ['mean([1, 2]) + log([3])', /ln\(x\) or log10|log may be/],
    ['random()', /not drawn/],
    ['np.random.normal(0, 1)', /Undefined function/],
    ['x.constructor', /unknown name constructor/],
    ['stats.norm.cdf', /Undefined symbol norm/],
  ])('%s', (call, message) => {
    expect(answer(call)).toMatch(/^refused: /);
    expect(answer(call)).toMatch(message);
  });
});
