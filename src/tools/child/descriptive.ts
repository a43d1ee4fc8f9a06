/** Descriptive statistics of the tool `statistics`. Where schools differ (n or n − 1, quartiles), the answer says which. */
import * as ss from 'simple-statistics';
import { type Args, real } from './lawNames.js';
import { Answer, type StatFunction } from './statTree.js';

type Numbers = number[];

/** `mean(1, 2, 3)` and `mean([1, 2, 3])` are the same sample. */
export function sample(args: readonly unknown[], name: string, least: number): Numbers {
  const values = args.flat(Number.POSITIVE_INFINITY as 1) as unknown[];
  if (values.length < least)
    throw new Error(`${name} needs at least ${least} number${least === 1 ? '' : 's'}, got ${values.length}`);
  return values.map((value) => real(value, name));
}

export function pairs(a: unknown, b: unknown, name: string): [Numbers, Numbers] {
  const [x, y] = [sample([a], name, 2), b === undefined ? [] : sample([b], name, 2)];
  if (x.length !== y.length)
    throw new Error(`${name} needs two lists of the same length, got ${x.length} and ${y.length}`);
  return [x, y];
}

/** Six digits. Throws for what is not defined. */
export function show(x: number): string {
  if (!Number.isFinite(x))
    throw new Error('the values do not vary, so the result is not defined; give values that differ');
  return String(Number(x.toPrecision(6)));
}

/** Only the named arguments that are listed may be given. */
export function onlyNamed({ named }: Args, name: string, ...known: string[]): Readonly<Record<string, unknown>> {
  const unknown = Object.keys(named).find((one) => !known.includes(one));
  if (unknown !== undefined)
    throw new Error(`${name} has no argument ${unknown}${known.length ? `; it has ${known.join(', ')}` : ''}`);
  return named;
}

/** Two lists are no sample: the second may be probabilities, weights or another variable. */
function oneList(list: readonly unknown[], name: string): readonly unknown[] {
  if (list.filter(Array.isArray).length > 1)
    throw new Error(
      `${name} of two lists? Write ${name}([…]) for one, or expected_value(values, probabilities), weighted_mean(values, weights)`,
    );
  return list;
}

/** The data of a call, with a name or without; both, or two names, would be pooled to one sample in silence. */
function dataOf(args: Args, name: string, least: number): Numbers {
  const named = ['x', 'data', 'a'].map((key) => args.named[key]).filter((one) => one !== undefined);
  if (named.length > 1 || (named.length === 1 && args.list.length > 0))
    throw new Error(`${name} takes its data once; write ${name}([1, 2, 3]) or ${name}(data=[1, 2, 3])`);
  return sample([...oneList(args.list, name), ...named], name, least);
}

function over(name: string, least: number, f: (x: Numbers) => number | Answer): StatFunction {
  return (args) => {
    onlyNamed(args, name, 'x', 'data', 'a');
    return f(dataOf(args, name, least));
  };
}

/** `ddof`: 1 for the sample (n − 1), 0 for the population (n). The answer says which, and gives the other. */
function spread(name: string, standard: 0 | 1 | 'by name', root: boolean): StatFunction {
  return (args) => {
    const { ddof, ...more } = onlyNamed(args, name, 'ddof', 'x', 'data', 'a');
    const discrete = withProbabilities(args.list, root);
    if (discrete !== null) {
      // A law has no n - 1: the population's value would be shown as the sample's.
      if (Object.keys(more).length > 0 || (ddof === undefined ? standard === 1 : ddof !== 0))
        throw new Error(
          `values with probabilities have no n - 1, so no ${name} of a sample; write ${root ? 'stdev' : 'variance'}(values, probabilities)`,
        );
      return discrete;
    }
    const values = dataOf(args, name, 1);
    const degrees = ddof === undefined ? (standard === 'by name' ? 1 : standard) : real(ddof, 'ddof');
    if (degrees !== 0 && degrees !== 1) throw new Error(`${name}: ddof is 0 (population) or 1 (sample)`);
    if (values.length < 1 + degrees) throw new Error(`${name} of a sample needs at least 2 numbers, got 1`);
    const of = (n: number) => {
      const variance = ss.sumNthPowerDeviations(values, 2) / n;
      return root ? Math.sqrt(variance) : variance;
    };
    const [population, ofSample] = [of(values.length), of(values.length - 1)];
    const words = degrees === 1 ? 'sample, n - 1' : 'population, n';
    const other = degrees === 1 ? `population, n: ${twelve(population)}` : `sample, n - 1: ${twelve(ofSample)}`;
    const also = standard === 'by name' && values.length > 1 ? `; ${other}` : '';
    return new Answer(degrees === 1 ? ofSample : population, `${words}${also}`);
  };
}

/** `variance([1, 2, 3], [0.2, 0.3, 0.5])`: values and probabilities, known by their sum. */
function withProbabilities(list: readonly unknown[], root: boolean): Answer | null {
  if (list.length !== 2 || !list.every(Array.isArray)) return null;
  const [values, shares] = list.map((one) => sample([one], 'variance', 1)) as [Numbers, Numbers];
  if (values.length !== shares.length || shares.some((one) => one < 0) || Math.abs(ss.sum(shares) - 1) > 1e-6)
    return null;
  const mean = ss.sum(values.map((value, i) => value * shares[i]!));
  const variance = ss.sum(values.map((value, i) => (value - mean) ** 2 * shares[i]!));
  return new Answer(
    root ? Math.sqrt(variance) : variance,
    `of values with their probabilities, whose mean is ${twelve(mean)}`,
  );
}

function twelve(x: number): string {
  return String(Number(x.toPrecision(12)));
}

function mode(x: Numbers): number | Answer {
  const counts = new Map<number, number>();
  for (const value of x) counts.set(value, (counts.get(value) ?? 0) + 1);
  const most = Math.max(...counts.values());
  const modes = [...counts].filter(([, times]) => times === most).map(([value]) => value);
  if (modes.length === 1) return modes[0]!;
  if (most === 1) throw new Error('no mode: every value occurs once');
  return new Answer(undefined, `${modes.map(twelve).join(' and ')} (each ${most} times)`);
}

/** As numpy and Excel: linear between the order statistics. */
function linearQuantile(x: Numbers, p: number): number {
  const sorted = [...x].sort((a, b) => a - b);
  const at = (sorted.length - 1) * p;
  const low = Math.floor(at);
  return sorted[low]! + (at - low) * ((sorted[low + 1] ?? sorted[low]!) - sorted[low]!);
}

/** As in textbooks: the medians of both halves, without the middle one of an odd number. */
function halves(x: Numbers): [number, number] {
  const sorted = [...x].sort((a, b) => a - b);
  const half = Math.floor(sorted.length / 2);
  return [ss.median(sorted.slice(0, half)), ss.median(sorted.slice(sorted.length - half))];
}

function quantileAnswer(x: Numbers, p: number): number | Answer {
  const linear = linearQuantile(x, p);
  if (x.length < 2 || (p !== 0.25 && p !== 0.75))
    return p === 0 || p === 0.5 || p === 1 ? linear : new Answer(linear, 'linear interpolation');
  const other = halves(x)[p === 0.25 ? 0 : 1];
  return other === linear ? linear : new Answer(linear, `linear interpolation; as median of a half: ${twelve(other)}`);
}

function quartiles(x: Numbers): Answer {
  const [low, high] = halves(x);
  const [q1, q3] = [linearQuantile(x, 0.25), linearQuantile(x, 0.75)];
  const text = (a: number, b: number) => `Q1 = ${twelve(a)}, median = ${twelve(ss.median(x))}, Q3 = ${twelve(b)}`;
  if (low === q1 && high === q3) return new Answer(undefined, text(low, high));
  return new Answer(undefined, `${text(low, high)} (medians of the halves); ${text(q1, q3)} (linear interpolation)`);
}

function fiveNumbers(x: Numbers): Answer {
  return new Answer(undefined, `min = ${twelve(ss.min(x))}, max = ${twelve(ss.max(x))}; ${quartiles(x).note}`);
}

function iqr(x: Numbers): number | Answer {
  const [low, high] = halves(x);
  const linear = linearQuantile(x, 0.75) - linearQuantile(x, 0.25);
  if (high - low === linear) return linear;
  return new Answer(high - low, `medians of the halves; by linear interpolation: ${twelve(linear)}`);
}

const quantile =
  (name: string, scale: number): StatFunction =>
  (args) => {
    const { q, p } = onlyNamed(args, name, 'q', 'p');
    const place = real(q ?? p ?? args.list[1], name);
    if (scale === 100 && place > 0 && place < 1) {
      throw new Error(`${name} ${place} may be a share; write percentile(x, ${place * 100}) or quantile(x, ${place})`);
    }
    const share = place / scale;
    if (!(share >= 0 && share <= 1))
      throw new Error(`${name} needs a share between 0 and ${scale}, got ${share * scale}`);
    return quantileAnswer(sample([args.list[0]], name, 1), share);
  };

function weightedMean(args: Args): number {
  const { weights, w, values, x } = onlyNamed(args, 'weighted_mean', 'weights', 'w', 'values', 'x');
  const rest = [...args.list];
  const [data, by] = pairs(values ?? x ?? rest.shift(), weights ?? w ?? rest.shift(), 'weighted_mean');
  const total = ss.sum(by);
  if (by.some((one) => one < 0) || total === 0)
    throw new Error('weighted_mean needs weights of at least 0 that are not all 0');
  return ss.sum(data.map((value, i) => value * by[i]!)) / total;
}

/** Of values with their probabilities, which must sum to 1. */
function expectedValue(args: Args): number {
  onlyNamed(args, 'expected_value');
  const [values, shares] = pairs(args.list[0], args.list[1], 'expected_value');
  const total = ss.sum(shares);
  if (shares.some((one) => one < 0) || Math.abs(total - 1) > 1e-6) {
    throw new Error(
      `expected_value needs probabilities that sum to 1, got ${show(total)}; weighted_mean takes any weights`,
    );
  }
  return ss.sum(values.map((value, i) => value * shares[i]!));
}

const two =
  (name: string, f: (x: Numbers, y: Numbers) => number | Answer): StatFunction =>
  (args) => {
    const { x, y } = onlyNamed(args, name, 'x', 'y');
    const rest = [...args.list];
    return f(...pairs(x ?? rest.shift(), y ?? rest.shift(), name));
  };

function regression(args: Args): Answer {
  const { x, y } = onlyNamed(args, 'linear_regression', 'x', 'y');
  const rest = [...args.list];
  const first = x ?? rest.shift();
  const second = y ?? rest.shift();
  if (rest.length > 0 && rest[0] !== 1)
    throw new Error('linear_regression fits a line only; write linear_regression(x, y)');
  const rows = second === undefined ? points(first) : zip(...pairs(first, second, 'linear_regression'));
  if (rows.length < 2)
    throw new Error('linear_regression needs at least two points, e.g. linear_regression([[1,2],[2,4]])');
  const line = ss.linearRegression(rows);
  const r2 = ss.rSquared(rows, ss.linearRegressionLine(line));
  const text = `slope = ${show(line.m)}, intercept = ${show(line.b)}, r2 = ${show(r2)}`;
  return new Answer(undefined, text, { slope: line.m, intercept: line.b, rvalue: Math.sign(line.m) * Math.sqrt(r2) });
}

function points(value: unknown): [number, number][] {
  if (!Array.isArray(value)) throw new Error('linear_regression needs points, e.g. linear_regression([[1,2],[2,4]])');
  return value.map((row: unknown) => {
    const [x, y, ...more] = sample([row], 'linear_regression', 2);
    if (more.length > 0) throw new Error('linear_regression needs [x, y] pairs');
    return [x!, y!];
  });
}

function zip(x: Numbers, y: Numbers): [number, number][] {
  return x.map((value, i) => [value, y[i]!]);
}

function zScore(args: Args): number {
  const { x, mean, sd } = onlyNamed(args, 'z_score', 'x', 'mean', 'sd');
  const rest = [...args.list];
  const [value, mu, sigma] = [x ?? rest.shift(), mean ?? rest.shift(), sd ?? rest.shift()];
  const size = real(sigma, 'z_score');
  if (size <= 0) throw new Error(`z_score needs a positive number, got ${size}`);
  return ss.zScore(real(value, 'z_score'), real(mu, 'z_score'), size);
}

/** Of data. `standard_error(15, 25)` are an sd and n to whoever writes it so. */
function standardError(args: Args): number | Answer {
  const { sd, s, sigma, n } = onlyNamed(args, 'standard_error', 'sd', 's', 'sigma', 'n');
  if ([sd, s, sigma].filter((one) => one !== undefined).length > 1)
    throw new Error('standard_error takes one sd; write standard_error(sd=15, n=25)');
  const spread = sd ?? s ?? sigma;
  if (spread !== undefined && n !== undefined && args.list.length === 0)
    return real(spread, 'sd') / Math.sqrt(real(n, 'n'));
  if (args.list.length === 2 && !args.list.some(Array.isArray))
    throw new Error(
      'two numbers may be data, or an sd and n; write standard_error([15, 25]) or standard_error(sd=15, n=25)',
    );
  return over(
    'standard_error',
    2,
    (x) => new Answer(ss.sampleStandardDeviation(x) / Math.sqrt(x.length), 'with the sample sd, n - 1'),
  )(args) as Answer;
}

/** Variance, standard deviation and what they are called in Python, R and Excel. */
const SPREADS: Readonly<Record<string, StatFunction>> = {
  variance: spread('variance', 'by name', false),
  stdev: spread('stdev', 'by name', true),
  sample_variance: spread('sample_variance', 1, false),
  sample_stdev: spread('sample_stdev', 1, true),
  pvariance: spread('pvariance', 0, false),
  pstdev: spread('pstdev', 0, true),
  np_var: spread('np.var', 0, false),
  np_std: spread('np.std', 0, true),
};

export const DESCRIPTIVE: Readonly<Record<string, StatFunction>> = {
  mean: over('mean', 1, ss.mean),
  median: over('median', 1, ss.median),
  mode: over('mode', 1, mode),
  sum: over('sum', 1, ss.sum),
  prod: over('prod', 1, (x) => x.reduce((a, b) => a * b)),
  count: over('count', 1, (x) => x.length),
  min: over('min', 1, ss.min),
  max: over('max', 1, ss.max),
  range: over('range', 1, (x) => ss.max(x) - ss.min(x)),
  ...SPREADS,
  cv: over('cv', 2, (x) => new Answer(ss.sampleStandardDeviation(x) / ss.mean(x), 'with the sample sd, n - 1')),
  sem: standardError,
  iqr: over('iqr', 2, iqr),
  quartiles: over('quartiles', 2, quartiles),
  five_number_summary: over('five_number_summary', 2, fiveNumbers),
  mad: over(
    'mad',
    1,
    (x) => new Answer(ss.medianAbsoluteDeviation(x), 'median of absolute deviations from the median'),
  ),
  mean_deviation: over('mean_deviation', 1, (x) => ss.mean(x.map((one) => Math.abs(one - ss.mean(x))))),
  skewness: over('skewness', 3, (x) => new Answer(ss.sampleSkewness(x), 'sample, adjusted')),
  kurtosis: over('kurtosis', 4, (x) => new Answer(ss.sampleKurtosis(x), 'sample, adjusted, excess over 3')),
  geometric_mean: over('geometric_mean', 1, ss.geometricMean),
  harmonic_mean: over('harmonic_mean', 1, ss.harmonicMean),
  rms: over('rms', 1, ss.rootMeanSquare),
  quantile: quantile('quantile', 1),
  percentile: quantile('percentile', 100),
  weighted_mean: weightedMean,
  expected_value: expectedValue,
  dot: two('dot', (x, y) => ss.sum(x.map((value, i) => value * y[i]!))),
  average: (args) => (args.named.weights === undefined ? DESCRIPTIVE.mean!(args) : weightedMean(args)),
  covariance: two('covariance', (x, y) => new Answer(ss.sampleCovariance(x, y), 'sample, n - 1')),
  correlation: two('correlation', ss.sampleCorrelation),
  spearman: two('spearman', ss.sampleRankCorrelation),
  linear_regression: regression,
  z_score: zScore,
};
