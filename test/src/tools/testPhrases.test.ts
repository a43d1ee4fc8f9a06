/** Statistics: tests and effects as models name them, and what was computed wrongly in silence. Figures are scipy's (1.17) or arithmetic. */
import { describe, expect, it } from 'vitest';
import { createStatistics } from '../../../src/tools/child/statistics.js';
import { answering } from './answer.js';

const answer = answering(createStatistics());

describe('statistics', () => {
  it.each([
    // scipy.stats: 2*t.sf(2.5, 24), 2*norm.sf(1.96), chi2.sf(10, 2), f.sf(4, 2, 20).
    ['p-value for t=2.5, df=24', /^0\.0196542 two-sided, 0\.00982709 one-sided \(t, df 24\)/],
    ['p_value(z=1.96, tails=2)', /^0\.0499957902964 .*two-sided/],
    ['p value z = 1.96 two-tailed', /^0\.0499957902964 /],
    ['p_value(chi2=10, df=2)', /^0\.00673794699909 /],
    ['p_value(F=4, df1=2, df2=20)', /^0\.0345716130336/],
    ['p_value(t=2.5)', /^refused: /],
    // t.interval(0.95, 24, 52, 4/5).
    ['95% confidence interval for mean 52, s = 4, n = 25', /^\[50\.3489, 53\.6511\] \(95%, t, df 24/],
    ['95% confidence interval for mean 52, sigma = 4, n = 25', /^\[50\.432, 53\.568\] \(95%, z/],
    ['confidence_interval(52, 4, 25, 0.95)', /^\[50\.3489, 53\.6511\].*mean 52, sd 4, n 25/],
    ['confidence_interval(5, 6, 7, 8)', /^refused: .*takes a list/],
    ['one sample t test: mean 52, mu 50, s 4, n 25', /^t = 2\.5, df = 24, p = 0\.0196542 /],
    ['z_test(mean=52, mu=50, sigma=4, n=25)', /^z = 2\.5, p = 0\.0124193 /],
    ['95% confidence interval for a proportion 0.6, n = 100', /^refused: cannot read/],
    ['odds_ratio([[30, 70], [10, 90]])', /^3\.85714285714 /],
    ['relative_risk(30, 70, 10, 90)', /^3 /],
    ['cohens_d(52, 50, 4)', /^0\.5 /],
    ['bayes(0.01, 0.9, 0.05)', /^0\.153846153846 /],
    ['F_{0.01}(8,4)', /^14\.7988887906 /],
    ['\\chi^2_{0.05}(3)', /^7\.81472790325 /],
    ['t_{0.025}(10)', /^2\.22813885199 /],
    ['P(X > 2) for exponential with mean 3', /^0\.513417119033 /],
  ])('%s', (input, expected) => {
    expect(answer(input)).toMatch(expected);
  });

  it.each([
    // Was the standard error of the two data 15 and 25.
    ['standard_error(15, 25)', /^refused: two numbers may be data, or an sd and n/],
    ['standard_error(sd=15, n=25)', /^3$/],
    ['standard_error([15, 25])', /^5 /],
    // Was the variance of all six numbers.
    ['variance([1, 2, 3], [0.2, 0.3, 0.5])', /^0\.61 \(of values with their probabilities, whose mean is 2\.3\)/],
    ['stdev([0, 10], [0.5, 0.5])', /^5 /],
    ['variance([1, 2, 3], [4, 5, 6])', /^refused: variance of two lists/],
    ['mean([1, 2, 3], [4, 5, 6])', /^refused: mean of two lists/],
    // Was 0.3 times the probability.
    ['geometric p=0.3 P(X=4)', /^0\.1029 /],
    ['binomial with n = 10, p = 0.5: P(X = 3)', /^0\.1171875 /],
    ['weather 0.3 P(Z > 1)', /^refused: what "weather 0\.3" has to do/],
    ['2 * P(Z > 1.96)', /^0\.0499957902964 /],
    // Was of mean 3.
    ['P(X > 2) for Poisson with rate 3 per hour in 2 hours', /^refused: all of ".*" cannot be read/],
    ['P(X > 2) for Poisson with rate 3 per hour in half an hour', /^refused: all of ".*" cannot be read/],
    ['P(X > 2) for Poisson with rate 3/hour in two hours', /^refused: all of ".*" cannot be read/],
    ['P(X > 2) for Poisson with rate 3 per hour', /^0\.576809918873 /],
    // Took the first, without the other.
    ['P(X > 2) for exponential rate 3 and mean 4', /^refused: what mean = 4 has to do with/],
    [
      'exponential distribution with rate 3 and mean 4: median',
      /^refused: rate=3 and scale=4 are given; the law takes one of them/,
    ],
    ['P(X > 2), X ~ Exponential(rate=3, mean=4)', /^refused: Exp\(2\)/],
    // Was of one value, not of the mean of 25.
    ['sample mean 100, sd 15, n = 25, P(X > 105)', /^refused: what n = 25 has to do with/],
    ['X ~ N(100, sd=15), n = 25, P(X > 105)', /^refused: cannot read "n 25"/],
    ['P(X > 105), X ~ N(100, 15^2, 25)', /^refused: .*more than mean and spread/],
    ['P(X > 105), X ~ N(100, sd=15/sqrt(25))', /^0\.0477903522728 /],
    ['P(T > 2, df=12) - P(T > 1, df=10)', /^refused: df is given as 12 and as 10/],
    ['P(T > 2), df = 12, n = 13', /^0\.034327507019 /],
    ['P(T > 2), df = 12, n = 20', /^refused: what n = 20 has to do with/],
    // Was the binomial's.
    ['P(X > 60), normal with n = 100, p = 0.5', /^refused: .*needs a distribution/],
    // Pooled, or left out.
    ['var(x=[1,2,3], data=[4,5,6])', /^refused: variance takes its data once/],
    ['mean([1,2], x=[3,4])', /^refused: mean takes its data once/],
    ['mean(data=[1,2,3])', /^2$/],
    ['standard_error(sd=15, sigma=10, n=25)', /^refused: standard_error takes one sd/],
    // Was the population's 0.61.
    ['sample_variance([1, 2, 3], [0.2, 0.3, 0.5])', /^refused: values with probabilities have no n - 1/],
    ['variance([1, 2, 3], [0.2, 0.3, 0.5], ddof=1)', /^refused: values with probabilities have no n - 1/],
    ['pvariance([1, 2, 3], [0.2, 0.3, 0.5])', /^0\.61 /],
  ])('is not silently wrong about %s', (input, expected) => {
    expect(answer(input)).toMatch(expected);
  });
});
