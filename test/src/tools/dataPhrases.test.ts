/** Statistics as models write it without brackets: data, laws by their parameters, trials, Bayes' rule. Figures are scipy's (1.17). */
import { describe, expect, it } from 'vitest';
import { createStatistics } from '../../../src/tools/child/statistics.js';
import { answering } from './answer.js';

const answer = answering(createStatistics());

const ANSWERED: readonly (readonly [string, RegExp])[] = [
  ['mean 1,2,3', /^2 /],
  ['mean 12 15 18 20', /^16\.25 /],
  ['mean 5 -10 15', /^3\.33333333333 /],
  ['mean 5 10 15 and 20', /^12\.5 /],
  ['mean 1,200, 1,500', /^1350 /],
  ['mode 1,1,2,3', /^1 /],
  ['std dev 2,4,4,4,5,5,7,9', /^2\.1380899353 \(sample, n - 1; population, n: 2\)/],
  ['variance: 1 2 3 4', /^1\.66666666667 \(sample/],
  ['mean, median, mode 1 2 2 3', /^mean = 2\nmedian = 2\nmode = 2 /],
  ['mean of the following data set: 2, 3, 5, 7', /^4\.25 /],
  ['90th percentile of 1,2,3,4,5,6,7,8,9,10', /^9\.1 /],
  ['1st quartile of 1 2 3 4 5 6 7 8', /^2\.75 .*of a half: 2\.5/],
  ['permutations of 10 taken 3', /^720 /],
  ['how many ways to choose 3 books from 10 books', /^120 /],
  ['correlation x=[1,2,3], y=[2,4,5]', /^0\.981980506062 /],
  ['correlation (1,2),(2,4),(3,5)', /^0\.981980506062 .*\(\[1, 2, 3\], \[2, 4, 5\]\)/],
  ['spearman [1,2,3,4],[2,1,4,3]', /^0\.6 /],
  ['linear regression x = 1,2,3,4 y = 2,4,5,8', /^slope = 1\.9, intercept = 0,/],
  // Whose x comes second.
  ['regression of y=[2,4,7] on x=[1,2,3]', /linear_regression\(\[1,2,3\], \[2,4,7\]\)/],
  ['regression y=[2,4,7] x=[1,2,3]', /linear_regression\(\[1,2,3\], \[2,4,7\]\)/],
  ['weighted mean values 80,90 weights 1,3', /^87\.5 /],
  ['expected value x = 1, 2, 3; p = 0.2, 0.3, 0.5', /^2\.3 /],
  ['variance of [2, 4, 6] with probabilities [0.2, 0.3, 0.5]', /^2\.44 /],
  ['t test x1=10,12,14 x2=11,13,19', /^t = -0\.875, df = 2\.8764, p = 0\.448487 \(Welch/],
  ['paired t-test before=[1,2,3,4], after=[2,3,5,4]', /^t = -2\.44949, df = 3, p = 0\.0917211/],
  ['anova [1,2,3],[2,3,4],[5,6,7]', /^F = 13, df = \(2, 6\), p = 0\.0065918/],
  ['chi square observed 10,20,30 expected 20,20,20', /^chi2 = 10, df = 2, p = 0\.00673795/],
  ['odds ratio 30, 70, 10, 90', /^3\.85714285714 /],
  // The number behind a name is not cut from the name's.
  ['group 1: 8, 9, 10, group 2: 4, 5, 6 t test', /^refused: /],
  ['t test group 1: 8, 9, 10, group 2: 4, 5, 6', /t_test\(\[8, 9, 10\], \[4, 5, 6\]\)/],

  [
    'binomial n=10 p=0.5 k=5',
    /^P\(X = 5\) = 0\.24609375 .*\nP\(X <= 5\) = 0\.623046875 .*\nP\(X >= 5\) = 0\.623046875 /,
  ],
  ['binomial n=10, p=0.3, k >= 3', /^0\.6172172136 /],
  ['binomial n=10 p=0.3 k=3 or more', /^0\.6172172136 /],
  ['binomial n=20, p=5%, at most 1', /^0\.735839524944 /],
  ['binomial(10, 0.3), P(X >= 3)', /^0\.6172172136 /],
  ['binomial: n = 10, p = 0.5, mean', /^5 /],
  ['poisson lambda=3 k=2', /^P\(X = 2\) = 0\.224041807655 /],
  ['poisson with mean 3, at least 2', /^0\.800851726529 /],
  ['geometric p=0.2 k=3', /^P\(X = 3\) = 0\.128 /],
  ['hypergeometric N=52 K=4 n=5 k=1', /^P\(X = 1\) = 0\.299473635608 .*5 drawn of 52 with 4 marked/],
  ['normal distribution mean 100, sd 15, P(X > 130)', /^0\.0227501319482 /],
  ['normal mean=100 variance=225 between 85 and 115', /^0\.682689492137 /],
  ['normal mean 100 sd 15, top 5%', /^124\.672804404 /],
  ['90th percentile of the normal with mean 100 and sd 15', /^119\.223273483 /],
  ['exponential mean 5 minutes, P(X>10)', /^0\.135335283237 /],
  ['exponential lambda = 0.5, P(1 < X < 3)', /^0\.383400499564 /],
  // ln 2 / ln 4.
  ['exponential distribution with rate -ln(0.25): median', /^0\.5 /],
  ['exponential rate ln(2)/5, P(X > 10)', /^0\.25 /],
  ['uniform(0,10) P(X<3)', /^0\.3 /],
  ['P(X > 130) normal mean 100 sd 15', /^0\.0227501319482 /],
  // Per cent of what is asked, too.
  ['normal mean 8% sd 20%, more than 10%', /^0\.460172162723 /],
  ['normal mean=8% sd=20% between 0% and 10%', /^0\.195249578887 /],
  ['uniform 0% to 10%, P(X < 5%)', /^0\.5 /],
  ['probability of at least one head in 3 tosses', /^0\.875 /],
  // Who stands before `on` is explained: 0.394737 = 10.5/26.6.
  ['regression of x=[1,2,3] on y=[2,4,7]', /^slope = 0\.394737, intercept = 0\.289474/],
  ['uniform distribution on [0, 10], P(X > 7)', /^0\.3 /],
  ['t df=10 P(T>2)', /^0\.0366940173854 /],
  ['chi2 df=4 P(X > 9.49)', /^0\.0499531312233 /],
  ['F df1=3 df2=20 P(F > 3.1)', /^0\.0499245330457 /],
  ['probability of at least 2 successes in 5 trials with p=0.4', /^0\.66304 /],
  ['probability of exactly 3 heads in 5 coin tosses', /^0\.3125 /],
  ['probability of 3 or more heads in 5 flips', /^0\.5 /],

  ['P(A)=0.01 P(B|A)=0.99 P(B|not A)=0.05', /^0\.166666666667 /],
  ["bayes: P(D)=1%, P(+|D)=95%, P(+|D')=5%", /^0\.161016949153 /],
  ['P(A|B) = P(B|A)P(A)/P(B) with P(B|A)=0.9, P(A)=0.1, P(B)=0.2', /^0\.45 /],

  ['margin of error n=400 p=0.5 95%', /^0\.0489990996135 \(95%, z, of a share\)/],
  ['margin of error 95% confidence n=100 s=15', /^2\.97632542738 \(95%, t, df 99/],
  ['sample size for margin of error 0.03 with 95% confidence', /^1068 \(1067\.07 rounded up/],
  ['sample size margin of error 3%, 95% confidence, p=0.5', /^1068 /],
  ['sample size needed sigma=15 margin=3 confidence=0.99', /^166 /],
  ['confidence interval for mean with n=100, mean=50, s=10, 95%', /^\[48\.0158, 51\.9842\]/],
  [
    '95% confidence interval for proportion p=0.4 n=100',
    /^\[0\.303982, 0\.496018\] .*\[0\.309401, 0\.497997\] \(95%, Wilson/,
  ],
  ['margin of error phat = 52%, n = 1000', /^0\.0309649498893 /],
  ['p-value of t = -2.1 with 15 degrees of freedom', /^0\.0530553 two-sided/],
  // Whichever mean comes first.
  ['t test with hypothesized mean 50, sample mean 52, sd 4, n 25', /^t = 2\.5, df = 24/],
  ['P(A) = 1/100, P(B|A)=0.9, P(B|not A)=0.05', /^0\.153846153846 /],
  ['standard error sd=10 n=25', /^2 /],
  ['z-score x=85, mean=75, sd=5', /^2 /],
  // (52 - 50) / (2 sqrt((19 · 4 + 9 · 9) / 28)) of its own, sd 2 and 3, n 20 and 10.
  ['cohen d m1=52 m2=50 s1=2 s2=3 n1=20 n2=10', /^0\.844615768369 \(by the pooled sd, 2\.36794\)/],
];

describe('statistics without brackets', () => {
  it.each(ANSWERED)('%s', (input, expected) => {
    expect(answer(input)).toMatch(expected);
  });

  // A number that no rule has read is how a wrong answer passes for a right one.
  it('leaves no number of the input unread', () => {
    const plain = (text: string) => text.replace(/(?<=\d),(?=\d{3}\b)/g, '');
    for (const [input] of ANSWERED) {
      const got = answer(input);
      if (got.startsWith('refused')) continue;
      const shown = new Set(plain(got).match(/\d+(?:\.\d+)?/g));
      const numbers = plain(input.replace(/group \d|[xsmn]\d|df\d|\d+(?=st|th)/g, ' ')).match(/\d+(?:\.\d+)?/g) ?? [];
      const unread = numbers.filter((one) => !shown.has(one) && !shown.has(String(Number(one) / 100)));
      expect({ input, unread }).toEqual({ input, unread: [] });
    }
  });

  it.each([
    // Were 0.475 and "52 K".
    ['margin n=400 p=0.5 95%', /^refused: /],
    ['hypergeometric N=52 K=4', /^refused: /],
    ['range 1-10', /^refused: /],
    ['linear regression (1,2),(3,5)', /^refused: two points, or two lists of two/],
    ['correlation [1,2,3],[2,4]', /^refused: .*same length/],
    ['anova [1,2,3]', /^refused: /],
    ['t test [1,2,3] [4,5,6] [7,8,9]', /^refused: /],
    ['normal mean 70 sd 10 n=25 P(X > 72)', /^refused: cannot read "n 25"/],
    ['normal mean 70 sd 10, sample mean above 72', /^refused: cannot read "sample mean"/],
    ['poisson mean 3 per hour, 2 hours, k=4', /^refused: cannot read "per hour 2 hours"/],
    ['exponential rate 2 mean 3 P(X>1)', /^refused: .*takes one of them/],
    ['expon(rate=3, scale=4).mean()', /^refused: expon takes a rate or a scale/],
    ['binomial n=10 p=0.5 p=0.6 k=3', /^refused: cannot read "p 0 6"/],
    ['negative binomial r=3 p=0.5 x=5', /^refused: .*may count failures or trials/],
    ['probability of 2 heads in 5 tosses of a biased coin', /^refused: /],
    ['probability of exactly 2 sixes in 4 trials', /^refused: /],
    // Was the first event alone.
    ['P(X > 3, X < 5), X ~ Poisson(2)', /^refused: "X < 5" inside/],
    ['P(X > 3 | X = 1), n = 10, p = 0.5', /^refused: "X = 1" inside/],
    ['P(X > 1, n = 2), X ~ Binomial(5, 0.5)', /^refused: /],
    ['binomial n=10 p=0.3, exactly 30%', /^refused: 30% of a count/],
    // What is counted is not what has the probability.
    ['probability of at most 1 failure in 5 trials with success probability 0.8', /^refused: /],
    ['probability of 3 tails in 5 coin tosses with p = 0.6', /^refused: /],
    // scipy would take 1, and 0.
    ['normal mean 100, P(X > 101)', /^refused: of the law only loc=100/],
    ['normal sd 15 P(X > 10)', /^refused: /],
    ['regression y on x: [2,4,7], [1,2,3]', /^refused: which list is x/],
    ['t test before=[1,2,3,4], after=[2,3,5,4]', /^refused: .*pairs/],
    ['t test after=[2,3,5,4], before=[1,2,3,4]', /^refused: .*pairs/],
    ['how many ways to choose 3 ordered from 10', /^refused: /],
    ['how many ways to choose 3 from 10 repeatedly', /^refused: /],
    ['how many ways to select 2 men from 5 women', /^refused: /],
    ['normal(100, 225), P(X > 130)', /^refused: .*variance or sd/],
    ['N(70, 100) P(X > 80)', /^refused: .*variance or sd/],
    ['P(A)=0.3, P(B)=0.4, P(A|B)=0.5', /^refused: cannot read which is asked/],
    ['P(A)=1/100, P(not A)=0.99, P(B|A)=0.9, P(B|not A)=0.05', /^0\.153846153846 /],
    ['P(A)=1/100, P(not A)=0.9, P(B|A)=0.9, P(B|not A)=0.05', /^refused: /],
    ['P(D)=0.01, P(T|D)=0.95, P(T|not D)=0.05, find P(T|D)', /^refused: cannot read which is asked/],
    ['P(A)=0.3, P(A|B)=0.5, P(A|not B)=0.2', /^refused: /],
    ['margin of error 3% confidence 95%', /^refused: cannot read/],
    ['cohens_d(52, 50, 4, sd1=3, sd2=4)', /^refused: /],
    ['margin_of_error(p=0.5, sd=3, n=10)', /^refused: /],
  ])('is not silently wrong about %s', (input, expected) => {
    expect(answer(input)).toMatch(expected);
  });
});
