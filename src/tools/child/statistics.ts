/** The tool `statistics`: functions for mathjs expressions, from simple-statistics and distributions.ts. */
import * as ss from 'simple-statistics';
import type { Evaluate } from '../hostProtocol.js';
import {
  type ArithmeticTool,
  createArithmetic,
  formatValue,
  lastEntry,
  normalise,
  requireValue,
} from './calculator.js';
import * as d from './distributions.js';

type Numbers = number[];

export function createStatistics(): ArithmeticTool {
  const { math, evaluate, isPlain } = createArithmetic();
  const table = functions();
  const readable = (line: string): string => normalise(line).replace(/==/g, '=');
  const compute: Evaluate = (input) => {
    const lines = statements(input);
    if (lines.length === 0) throw new Error('a call expected, e.g. mean(1, 2, 3)');
    const scope = new Map<string, unknown>(Object.entries(table));
    const values: string[] = [];
    for (const line of lines) {
      const value = lastEntry(math, evaluate(readable(line), scope));
      if (value === undefined || value === null || typeof value === 'function') {
        throw new Error(`a call expected, e.g. mean(1, 2, 3); got ${line}`);
      }
      requireValue(math, value);
      // The value of an assignment is not shown, unless it is the only line.
      if (!/^[a-zA-Z_]\w*\s*=[^=]/.test(line) || lines.length === 1) values.push(formatValue(math, value));
    }
    return values.join('\n') || 'no output';
  };
  return Object.assign(compute, {
    plain: (input: string) => String(statements(input).every((line) => isPlain(readable(line)))),
  });
}

/** One statement a line; an open bracket continues the statement on the next line. `#` starts a comment. */
function statements(input: string): string[] {
  const out: string[] = [];
  let current = '';
  for (const line of input.split('\n').map((text) => text.replace(/#.*$/, '').trim())) {
    current = current === '' ? line : `${current} ${line}`;
    const depth = [...current].reduce((sum, c) => sum + Number('(['.includes(c)) - Number(')]'.includes(c)), 0);
    if (depth > 0) continue;
    if (current !== '') out.push(current);
    current = '';
  }
  return current === '' ? out : [...out, current];
}

function functions(): Record<string, (...args: unknown[]) => unknown> {
  const list: Record<string, (...args: unknown[]) => unknown> = {
    ...descriptive(),
    ...distributions(),
    ...tests(),
  };
  const aliases: Record<string, string> = {
    average: 'mean',
    avg: 'mean',
    var: 'variance',
    std: 'stdev',
    sd: 'stdev',
    stddev: 'stdev',
    standard_deviation: 'stdev',
    pvar: 'pvariance',
    population_variance: 'pvariance',
    population_stdev: 'pstdev',
    zscore: 'z_score',
    corr: 'correlation',
    pearson: 'correlation',
    cov: 'covariance',
    linreg: 'linear_regression',
    regression: 'linear_regression',
    norm_cdf: 'normal_cdf',
    norm_pdf: 'normal_pdf',
    norm_ppf: 'normal_quantile',
    normal_ppf: 'normal_quantile',
    binom_pmf: 'binomial_pmf',
    binom_cdf: 'binomial_cdf',
    ttest: 't_test',
    chi2_test: 'chi_square_test',
    chi_square: 'chi_square_test',
    nCr: 'combinations',
    nPr: 'permutations',
    choose: 'combinations',
    comb: 'combinations',
    perm: 'permutations',
  };
  for (const [alias, name] of Object.entries(aliases)) list[alias] = list[name]!;
  return list;
}

function descriptive(): Record<string, (...args: unknown[]) => unknown> {
  const over =
    (name: string, least: number, f: (x: Numbers) => number) =>
    (...args: unknown[]) =>
      f(sample(args, name, least));
  return {
    mean: over('mean', 1, ss.mean),
    median: over('median', 1, ss.median),
    mode: over('mode', 1, ss.mode),
    sum: over('sum', 1, ss.sum),
    min: over('min', 1, ss.min),
    max: over('max', 1, ss.max),
    range: over('range', 1, (x) => ss.max(x) - ss.min(x)),
    variance: over('variance', 2, ss.sampleVariance),
    stdev: over('stdev', 2, ss.sampleStandardDeviation),
    pvariance: over('pvariance', 1, ss.variance),
    pstdev: over('pstdev', 1, ss.standardDeviation),
    iqr: over('iqr', 1, ss.interquartileRange),
    mad: over('mad', 1, ss.medianAbsoluteDeviation),
    skewness: over('skewness', 3, ss.sampleSkewness),
    kurtosis: over('kurtosis', 4, ss.sampleKurtosis),
    geometric_mean: over('geometric_mean', 1, ss.geometricMean),
    harmonic_mean: over('harmonic_mean', 1, ss.harmonicMean),
    quantile: (data, p) => ss.quantile(sample([data], 'quantile', 1), probability(p, 'quantile', true)),
    percentile: (data, p) =>
      ss.quantile(sample([data], 'percentile', 1), probability(Number(p) / 100, 'percentile', true)),
    covariance: (a, b) => ss.sampleCovariance(...pairs(a, b, 'covariance')),
    correlation: (a, b) => ss.sampleCorrelation(...pairs(a, b, 'correlation')),
    linear_regression: regression,
    z_score: (x, mean, sd) => ss.zScore(real(x, 'z_score'), real(mean, 'z_score'), positive(sd, 'z_score')),
    permutations: (n, k) => counting(n, k, 'permutations', (a, b) => fallingFactorial(a, b)),
    combinations: (n, k) => counting(n, k, 'combinations', (a, b) => choose(a, b)),
  };
}

function regression(first: unknown, second: unknown): string {
  const rows = second === undefined ? points(first) : zip(...pairs(first, second, 'linear_regression'));
  if (rows.length < 2)
    throw new Error('linear_regression needs at least two points, e.g. linear_regression([[1,2],[2,4]])');
  const line = ss.linearRegression(rows);
  const r2 = ss.rSquared(rows, ss.linearRegressionLine(line));
  return `slope = ${show(line.m)}, intercept = ${show(line.b)}, r2 = ${show(r2)}`;
}

function distributions(): Record<string, (...args: unknown[]) => unknown> {
  const standard = (x: unknown, mean: unknown, sd: unknown, name: string) =>
    (real(x, name) - real(mean ?? 0, name)) / positive(sd ?? 1, name);
  return {
    normal_pdf: (x, mean, sd) => {
      const z = standard(x, mean, sd, 'normal_pdf');
      return Math.exp((-z * z) / 2) / (Math.sqrt(2 * Math.PI) * Number(sd ?? 1));
    },
    normal_cdf: (x, mean, sd) => d.normalCdf(standard(x, mean, sd, 'normal_cdf')),
    normal_quantile: (p, mean, sd) => {
      const z = d.normalQuantile(probability(p, 'normal_quantile'));
      return real(mean ?? 0, 'normal_quantile') + positive(sd ?? 1, 'normal_quantile') * z;
    },
    binomial_pmf: (n, p, k) =>
      binomial(count(n, 'binomial_pmf'), probability(p, 'binomial_pmf', true), count(k, 'binomial_pmf')),
    binomial_cdf: (n, p, k) =>
      d.binomialCdf(count(n, 'binomial_cdf'), probability(p, 'binomial_cdf', true), count(k, 'binomial_cdf')),
    poisson_pmf: (rate, k) => poisson(positive(rate, 'poisson_pmf'), count(k, 'poisson_pmf')),
    poisson_cdf: (rate, k) => d.poissonCdf(positive(rate, 'poisson_cdf'), count(k, 'poisson_cdf')),
    exponential_cdf: (rate, x) =>
      -Math.expm1(-positive(rate, 'exponential_cdf') * Math.max(0, real(x, 'exponential_cdf'))),
    geometric_pmf: (p, k) => probability(p, 'geometric_pmf') * (1 - Number(p)) ** (count(k, 'geometric_pmf') - 1),
    t_cdf: (t, df) => d.tCdf(real(t, 't_cdf'), positive(df, 't_cdf')),
    t_quantile: (p, df) => d.tQuantile(probability(p, 't_quantile'), positive(df, 't_quantile')),
    chi_square_cdf: (x, df) => d.chiSquareCdf(real(x, 'chi_square_cdf'), positive(df, 'chi_square_cdf')),
    chi_square_quantile: (p, df) =>
      d.chiSquareQuantile(probability(p, 'chi_square_quantile'), positive(df, 'chi_square_quantile')),
    f_cdf: (x, a, b) => d.fCdf(real(x, 'f_cdf'), positive(a, 'f_cdf'), positive(b, 'f_cdf')),
  };
}

function tests(): Record<string, (...args: unknown[]) => unknown> {
  return {
    /** t_test(data, mu); with two samples Welch's test. */
    t_test: (a, b) => (isList(b) ? welch(sample([a], 't_test', 2), sample([b], 't_test', 2)) : oneSample(a, b ?? 0)),
    t_test_pooled: (a, b) => pooled(sample([a], 't_test_pooled', 2), sample([b], 't_test_pooled', 2)),
    t_test_paired: (a, b) => {
      const [x, y] = pairs(a, b, 't_test_paired');
      return oneSample(
        x.map((value, i) => value - y[i]!),
        0,
      );
    },
    chi_square_test: (observed, expected) => chiSquareTest(observed, expected),
    anova: (...groups) => anova(groups.map((group) => sample([group], 'anova', 2))),
    confidence_interval: (data, level) => {
      const x = sample([data], 'confidence_interval', 2);
      const tail = (1 - probability(level ?? 0.95, 'confidence_interval')) / 2;
      const half = (d.tQuantile(1 - tail, x.length - 1) * ss.sampleStandardDeviation(x)) / Math.sqrt(x.length);
      return `[${show(ss.mean(x) - half)}, ${show(ss.mean(x) + half)}]`;
    },
  };
}

function oneSample(data: unknown, mu: unknown): string {
  const x = sample([data], 't_test', 2);
  const t = (ss.mean(x) - real(mu, 't_test')) / (ss.sampleStandardDeviation(x) / Math.sqrt(x.length));
  return tResult(t, x.length - 1);
}

function welch(x: Numbers, y: Numbers): string {
  const [vx, vy] = [ss.sampleVariance(x) / x.length, ss.sampleVariance(y) / y.length];
  const df = (vx + vy) ** 2 / (vx ** 2 / (x.length - 1) + vy ** 2 / (y.length - 1));
  return tResult((ss.mean(x) - ss.mean(y)) / Math.sqrt(vx + vy), df);
}

function pooled(x: Numbers, y: Numbers): string {
  const df = x.length + y.length - 2;
  const variance = ((x.length - 1) * ss.sampleVariance(x) + (y.length - 1) * ss.sampleVariance(y)) / df;
  return tResult((ss.mean(x) - ss.mean(y)) / Math.sqrt(variance * (1 / x.length + 1 / y.length)), df);
}

function tResult(t: number, df: number): string {
  if (!Number.isFinite(t)) throw new Error('t_test: the values do not vary, so t is not defined');
  return `t = ${show(t)}, df = ${show(df)}, p = ${show(d.tTwoSided(t, df))}`;
}

/** For a list a test of goodness of fit (to `expected`, or to equal shares), for a table a test of independence. */
function chiSquareTest(observed: unknown, expected: unknown): string {
  const rows = plain(observed);
  if (!Array.isArray(rows)) throw new Error('chi_square_test needs a list, e.g. chi_square_test([10,20],[15,15])');
  let cells: Numbers;
  let model: Numbers;
  let df: number;
  if (Array.isArray(rows[0])) {
    const table = rows.map((row) => sample([row], 'chi_square_test', 2));
    const columns = table[0]!.map((_, j) => ss.sum(table.map((row) => row[j] ?? Number.NaN)));
    const total = ss.sum(columns);
    cells = table.flat();
    model = table.flatMap((row) => columns.map((column) => (ss.sum(row) * column) / total));
    df = (table.length - 1) * (columns.length - 1);
  } else {
    cells = sample([rows], 'chi_square_test', 2);
    model = expected === undefined ? cells.map(() => ss.mean(cells)) : sample([expected], 'chi_square_test', 2);
    df = cells.length - 1;
  }
  if (model.length !== cells.length || !model.every((value) => value > 0)) {
    throw new Error('chi_square_test needs as many positive expected counts as observed ones');
  }
  const chi2 = ss.sum(cells.map((value, i) => (value - model[i]!) ** 2 / model[i]!));
  return `chi2 = ${show(chi2)}, df = ${df}, p = ${show(d.chiSquareUpper(chi2, df))}`;
}

function anova(groups: readonly Numbers[]): string {
  if (groups.length < 2) throw new Error('anova needs two or more lists, e.g. anova([1,2,3],[2,3,4])');
  const values = groups.flat();
  const grand = ss.mean(values);
  const between = ss.sum(groups.map((group) => group.length * (ss.mean(group) - grand) ** 2));
  const within = ss.sum(groups.map((group) => ss.sumNthPowerDeviations(group, 2)));
  const [df1, df2] = [groups.length - 1, values.length - groups.length];
  const f = between / df1 / (within / df2);
  return `F = ${show(f)}, df = (${df1}, ${df2}), p = ${show(d.fUpper(f, df1, df2))}`;
}

function binomial(n: number, p: number, k: number): number {
  if (k > n) return 0;
  if (p === 0 || p === 1) return Number(k === n * p);
  const small = n <= 60;
  if (small) return choose(n, k) * p ** k * (1 - p) ** (n - k);
  const log =
    d.logGamma(n + 1) - d.logGamma(k + 1) - d.logGamma(n - k + 1) + k * Math.log(p) + (n - k) * Math.log1p(-p);
  return Math.exp(log);
}

function poisson(rate: number, k: number): number {
  return Math.exp(k * Math.log(rate) - rate - d.logGamma(k + 1));
}

function choose(n: number, k: number): number {
  let result = 1;
  for (let i = 1; i <= Math.min(k, n - k); i++) result = (result * (n - Math.min(k, n - k) + i)) / i;
  return Math.round(result);
}

function fallingFactorial(n: number, k: number): number {
  let result = 1;
  for (let i = 0; i < k; i++) result *= n - i;
  return result;
}

function counting(n: unknown, k: unknown, name: string, f: (n: number, k: number) => number): number {
  const [total, chosen] = [count(n, name), count(k ?? n, name)];
  if (chosen > total) return 0;
  return f(total, chosen);
}

// ── reading arguments ──

/** A mathjs matrix becomes an array; other values are returned as they are. */
function plain(value: unknown): unknown {
  const matrix = value as { toArray?: () => unknown } | null | undefined;
  return typeof matrix?.toArray === 'function' ? matrix.toArray() : value;
}

function isList(value: unknown): boolean {
  return Array.isArray(plain(value));
}

/** `mean(1, 2, 3)` and `mean([1, 2, 3])` are the same sample. */
function sample(args: readonly unknown[], name: string, least: number): Numbers {
  const values = args.map(plain).flat(Number.POSITIVE_INFINITY as 1) as unknown[];
  if (values.length < least)
    throw new Error(`${name} needs at least ${least} number${least === 1 ? '' : 's'}, got ${values.length}`);
  return values.map((value) => real(value, name));
}

function pairs(a: unknown, b: unknown, name: string): [Numbers, Numbers] {
  const [x, y] = [sample([a], name, 2), b === undefined ? [] : sample([b], name, 2)];
  if (x.length !== y.length)
    throw new Error(`${name} needs two lists of the same length, got ${x.length} and ${y.length}`);
  return [x, y];
}

function points(value: unknown): [number, number][] {
  const rows = plain(value);
  if (!Array.isArray(rows)) throw new Error('linear_regression needs points, e.g. linear_regression([[1,2],[2,4]])');
  return rows.map((row) => {
    const [x, y, ...more] = sample([row], 'linear_regression', 2);
    if (more.length > 0) throw new Error('linear_regression needs [x, y] pairs');
    return [x!, y!];
  });
}

function zip(x: Numbers, y: Numbers): [number, number][] {
  return x.map((value, i) => [value, y[i]!]);
}

function real(value: unknown, name: string): number {
  const number = typeof value === 'number' ? value : typeof value === 'bigint' ? Number(value) : Number.NaN;
  if (!Number.isFinite(number)) throw new Error(`${name} needs numbers, got ${String(value).slice(0, 30)}`);
  return number;
}

function positive(value: unknown, name: string): number {
  const number = real(value, name);
  if (number <= 0) throw new Error(`${name} needs a positive number, got ${number}`);
  return number;
}

function count(value: unknown, name: string): number {
  const number = real(value, name);
  if (!Number.isInteger(number) || number < 0)
    throw new Error(`${name} needs a whole number of at least 0, got ${number}`);
  return number;
}

function probability(value: unknown, name: string, closed = false): number {
  const number = real(value, name);
  if (number < 0 || number > 1 || (!closed && (number === 0 || number === 1))) {
    throw new Error(`${name} needs a probability between 0 and 1, got ${number}`);
  }
  return number;
}

function show(x: number): string {
  if (!Number.isFinite(x))
    throw new Error('the values do not vary, so the result is not defined; give values that differ');
  return String(Number(x.toPrecision(6)));
}
