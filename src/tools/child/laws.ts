/** Probability distributions as values: density, both tails, quantile, moments. */
import * as d from './distributions.js';
import { chosen } from './integers.js';

export interface Law {
  /** `normal, mean 100, sd 15`: part of the observation, because names and orders of parameters differ. */
  readonly label: string;
  readonly discrete: boolean;
  /** Density, or the probability of exactly x. */
  density(x: number): number;
  /** P(X ≤ x). */
  cdf(x: number): number;
  /** P(X > x). */
  sf(x: number): number;
  /** The x at which cdf is p; for counts the smallest with at least p. */
  quantile(p: number): number;
  readonly mean: number;
  readonly variance: number;
  /** In nats; absent where there is no closed form here. */
  readonly entropy?: number;
}

/** `name 3`, written for a label. */
const named = (name: string, value: number): string => `${name} ${Number(value.toPrecision(6))}`;

/** The law of loc + scale · X. */
function moved(law: Law, loc: number, scale: number, label: string): Law {
  const inner = (x: number) => (x - loc) / scale;
  return {
    ...law,
    label,
    density: (x) => law.density(inner(x)) / scale,
    cdf: (x) => law.cdf(inner(x)),
    sf: (x) => law.sf(inner(x)),
    quantile: (p) => loc + scale * law.quantile(p),
    mean: loc + scale * law.mean,
    variance: scale * scale * law.variance,
    ...(law.entropy !== undefined && { entropy: law.entropy + Math.log(scale) }),
  };
}

function shifted(law: Law, loc: number, scale: number): Law {
  if (loc === 0 && scale === 1) return law;
  return moved(law, loc, scale, `${law.label}, ${named('loc', loc)}, ${named('scale', scale)}`);
}

export function normal(mean = 0, sd = 1): Law {
  const standard: Law = {
    label: 'standard normal',
    discrete: false,
    density: (z) => Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI),
    cdf: d.normalCdf,
    sf: (z) => d.normalCdf(-z),
    quantile: d.normalQuantile,
    mean: 0,
    variance: 1,
    entropy: 0.5 * Math.log(2 * Math.PI * Math.E),
  };
  if (mean === 0 && sd === 1) return standard;
  return moved(standard, mean, sd, `normal, ${named('mean', mean)}, ${named('sd', sd)}`);
}

export function studentT(df: number, loc = 0, scale = 1): Law {
  const log = d.logGamma((df + 1) / 2) - d.logGamma(df / 2) - 0.5 * Math.log(df * Math.PI);
  const law: Law = {
    label: named('t, df', df),
    discrete: false,
    density: (t) => Math.exp(log - ((df + 1) / 2) * Math.log1p((t * t) / df)),
    cdf: (t) => d.tCdf(t, df),
    sf: (t) => d.tCdf(-t, df),
    quantile: (p) => d.tQuantile(p, df),
    mean: df > 1 ? 0 : Number.NaN,
    variance: df > 2 ? df / (df - 2) : Number.NaN,
  };
  return shifted(law, loc, scale);
}

export function gamma(shape: number, rate = 1): Law {
  const law: Law = {
    label: '',
    discrete: false,
    density: (x) => (x < 0 ? 0 : Math.exp((shape - 1) * Math.log(x) - x - d.logGamma(shape))),
    cdf: (x) => d.chiSquareCdf(2 * x, 2 * shape),
    sf: (x) => d.chiSquareUpper(2 * x, 2 * shape),
    quantile: (p) => d.chiSquareQuantile(p, 2 * shape) / 2,
    mean: shape,
    variance: shape,
  };
  return moved(law, 0, 1 / rate, `gamma, ${named('shape', shape)}, ${named('rate', rate)}`);
}

export function chiSquare(df: number): Law {
  return { ...gamma(df / 2, 0.5), label: named('chi-squared, df', df) };
}

export function fisher(df1: number, df2: number): Law {
  const log = d.logGamma((df1 + df2) / 2) - d.logGamma(df1 / 2) - d.logGamma(df2 / 2) + (df1 / 2) * Math.log(df1 / df2);
  const variance = (2 * df2 ** 2 * (df1 + df2 - 2)) / (df1 * (df2 - 2) ** 2 * (df2 - 4));
  return {
    label: `F, ${named('df', df1)} and ${df2}`,
    discrete: false,
    density: (x) =>
      x < 0 ? 0 : Math.exp(log + (df1 / 2 - 1) * Math.log(x) - ((df1 + df2) / 2) * Math.log1p((df1 * x) / df2)),
    cdf: (x) => d.fCdf(x, df1, df2),
    sf: (x) => d.fUpper(x, df1, df2),
    quantile: (p) => d.fQuantile(p, df1, df2),
    mean: df2 > 2 ? df2 / (df2 - 2) : Number.NaN,
    variance: df2 > 4 ? variance : Number.NaN,
  };
}

export function exponential(rate: number, loc = 0): Law {
  const law: Law = {
    label: `exponential, ${named('rate', rate)}, ${named('mean', 1 / rate)}`,
    discrete: false,
    density: (x) => (x < 0 ? 0 : rate * Math.exp(-rate * x)),
    cdf: (x) => -Math.expm1(-rate * Math.max(0, x)),
    sf: (x) => Math.exp(-rate * Math.max(0, x)),
    quantile: (p) => -Math.log1p(-p) / rate,
    mean: 1 / rate,
    variance: 1 / rate ** 2,
    entropy: 1 - Math.log(rate),
  };
  return loc === 0 ? law : moved(law, loc, 1, `${law.label}, ${named('from', loc)}`);
}

export function uniform(a: number, b: number): Law {
  const width = b - a;
  const within = (x: number) => Math.min(1, Math.max(0, (x - a) / width));
  return {
    label: `uniform from ${a} to ${b}`,
    discrete: false,
    density: (x) => (x < a || x > b ? 0 : 1 / width),
    cdf: within,
    sf: (x) => 1 - within(x),
    quantile: (p) => a + p * width,
    mean: (a + b) / 2,
    variance: width ** 2 / 12,
    entropy: Math.log(width),
  };
}

export function beta(a: number, b: number): Law {
  const log = d.logGamma(a + b) - d.logGamma(a) - d.logGamma(b);
  return {
    label: `beta, a ${a}, b ${b}`,
    discrete: false,
    density: (x) => (x < 0 || x > 1 ? 0 : Math.exp(log + (a - 1) * Math.log(x) + (b - 1) * Math.log1p(-x))),
    cdf: (x) => d.betaCdf(x, a, b),
    sf: (x) => d.betaCdf(1 - x, b, a),
    quantile: (p) => d.betaQuantile(p, a, b),
    mean: a / (a + b),
    variance: (a * b) / ((a + b) ** 2 * (a + b + 1)),
  };
}

interface Counted {
  readonly label: string;
  readonly mean: number;
  readonly variance: number;
  readonly least: number;
  readonly most: number;
  mass(k: number): number;
  cdf(k: number): number;
  sf(k: number): number;
}

/** Completes a law of whole numbers. */
function counted({ least, most, mass, cdf, sf, ...rest }: Counted): Law {
  const lower = (x: number) => (x < least ? 0 : x >= most ? 1 : cdf(Math.floor(x)));
  const quantile = (p: number): number => {
    // As scipy: a cdf that misses p by rounding has reached it.
    const reached = (k: number) => lower(k) >= p * (1 - 1e-14);
    let [low, high] = [least - 1, least];
    for (let step = 1; !reached(high); step *= 2) [low, high] = [high, Math.min(most, high + step)];
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      if (reached(middle)) high = middle;
      else low = middle;
    }
    return high;
  };
  return {
    ...rest,
    discrete: true,
    density: (x) => (Number.isInteger(x) && x >= least && x <= most ? mass(x) : 0),
    cdf: lower,
    sf: (x) => (x < least ? 1 : x >= most ? 0 : sf(Math.floor(x))),
    quantile,
  };
}

export function binomial(n: number, p: number): Law {
  return counted({
    label: `binomial, ${named('n', n)}, ${named('p', p)}`,
    least: 0,
    most: n,
    mass: (k) => binomialMass(n, p, k),
    cdf: (k) => d.binomialCdf(n, p, k),
    sf: (k) => d.binomialUpper(n, p, k),
    mean: n * p,
    variance: n * p * (1 - p),
  });
}

export function poisson(rate: number): Law {
  return counted({
    label: named('Poisson, mean', rate),
    least: 0,
    most: Number.POSITIVE_INFINITY,
    mass: (k) => Math.exp(k * Math.log(rate) - rate - d.logGamma(k + 1)),
    cdf: (k) => d.poissonCdf(rate, k),
    sf: (k) => d.poissonUpper(rate, k),
    mean: rate,
    variance: rate,
  });
}

/** `trials`: counts trials up to the first success, from 1; otherwise the failures before it, from 0, as R does. */
export function geometric(p: number, trials: boolean): Law {
  const least = trials ? 1 : 0;
  return counted({
    label: `geometric, ${named('p', p)}, counting ${trials ? 'trials from 1' : 'failures from 0'}`,
    least,
    most: Number.POSITIVE_INFINITY,
    mass: (k) => p * (1 - p) ** (k - least),
    cdf: (k) => -Math.expm1((k - least + 1) * Math.log1p(-p)),
    sf: (k) => (1 - p) ** (k - least + 1),
    mean: (1 - p) / p + least,
    variance: (1 - p) / p ** 2,
  });
}

/** Failures before success number r. */
export function negativeBinomial(r: number, p: number): Law {
  return counted({
    label: `negative binomial, failures before success ${r}, ${named('p', p)}`,
    least: 0,
    most: Number.POSITIVE_INFINITY,
    mass: (k) => Math.exp(d.logGamma(k + r) - d.logGamma(r) - d.logGamma(k + 1) + r * Math.log(p) + k * Math.log1p(-p)),
    cdf: (k) => d.betaCdf(p, r, k + 1),
    sf: (k) => d.betaCdf(1 - p, k + 1, r),
    mean: (r * (1 - p)) / p,
    variance: (r * (1 - p)) / p ** 2,
  });
}

/** The marked among `draws` drawn from `total` of which `marked` are marked. */
export function hypergeometric(total: number, marked: number, draws: number): Law {
  const [least, most] = [Math.max(0, draws - (total - marked)), Math.min(marked, draws)];
  const log = (n: number, k: number) => d.logGamma(n + 1) - d.logGamma(k + 1) - d.logGamma(n - k + 1);
  const mass = (k: number) =>
    total <= 1000
      ? ratio(ways(marked, k) * ways(total - marked, draws - k), ways(total, draws))
      : Math.exp(log(marked, k) + log(total - marked, draws - k) - log(total, draws));
  const add = (from: number, to: number) => {
    let sum = 0;
    for (let k = from; k <= to; k++) sum += mass(k);
    return Math.min(1, sum);
  };
  const share = marked / total;
  return counted({
    label: `hypergeometric, ${draws} drawn of ${total} with ${marked} marked`,
    least,
    most,
    mass,
    cdf: (k) => add(least, k),
    sf: (k) => add(k + 1, most),
    mean: draws * share,
    variance: total > 1 ? (draws * share * (1 - share) * (total - draws)) / (total - 1) : 0,
  });
}

function binomialMass(n: number, p: number, k: number): number {
  if (k > n) return 0;
  if (p === 0 || p === 1) return Number(k === n * p);
  if (n <= 60) return Number(ways(n, k)) * p ** k * (1 - p) ** (n - k);
  const log =
    d.logGamma(n + 1) - d.logGamma(k + 1) - d.logGamma(n - k + 1) + k * Math.log(p) + (n - k) * Math.log1p(-p);
  return Math.exp(log);
}

const ways = (n: number, k: number): bigint => chosen(BigInt(n), BigInt(k));

/** The quotient of two big integers as a double. */
function ratio(a: bigint, b: bigint): number {
  const shift = b.toString(2).length - a.toString(2).length + 64;
  const scaled = shift > 0 ? (a << BigInt(shift)) / b : a / b;
  return Number(scaled) * 2 ** -Math.max(0, shift);
}
