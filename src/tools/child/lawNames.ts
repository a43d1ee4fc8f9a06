/**
 * Names of distributions and of their functions: scipy's (`norm.cdf`), R's (`pnorm`), those of calculators and of
 * spreadsheets (`normalcdf`, `NORM.DIST`), and this tool's own (`normal_cdf`). Each has its own order of parameters.
 */

import type { Law } from './laws.js';
import * as laws from './laws.js';

export type Arg = unknown;
export interface Args {
  readonly list: readonly Arg[];
  readonly named: Readonly<Record<string, Arg>>;
}

/** A function of a law: what `pdf`, `cdf`, … are. */
export type Method =
  | 'density'
  | 'cdf'
  | 'sf'
  | 'quantile'
  | 'isf'
  | 'mean'
  | 'var'
  | 'std'
  | 'median'
  | 'entropy'
  | 'interval';

const METHODS: Readonly<Record<string, Method>> = {
  pdf: 'density',
  pmf: 'density',
  density: 'density',
  cdf: 'cdf',
  sf: 'sf',
  survival: 'sf',
  ppf: 'quantile',
  quantile: 'quantile',
  inv: 'quantile',
  inverse: 'quantile',
  isf: 'isf',
  mean: 'mean',
  expect: 'mean',
  var: 'var',
  variance: 'var',
  std: 'std',
  median: 'median',
  entropy: 'entropy',
  interval: 'interval',
};

export function methodOf(name: string): Method | undefined {
  return Object.hasOwn(METHODS, name) ? METHODS[name] : undefined;
}

interface Family {
  /** In scipy's order, with other names they have, and defaults. */
  readonly parameters: readonly { readonly names: readonly string[]; readonly standard?: number }[];
  make(...values: number[]): Law;
}

const p = (names: string, standard?: number) => ({
  names: names.split(' '),
  ...(standard !== undefined && { standard }),
});
const LOC = p('loc', 0);
const SCALE = p('scale', 1);

/** scipy's families. */
const FAMILIES: Readonly<Record<string, Family>> = {
  norm: {
    parameters: [p('loc mean mu', 0), p('scale sd sigma std stdev', 1)],
    make: (mean, sd) => laws.normal(mean, positive(sd, 'sd')),
  },
  t: {
    parameters: [p('df nu dof'), LOC, SCALE],
    make: (df, loc, scale) => laws.studentT(positive(df, 'df'), loc, positive(scale, 'scale')),
  },
  chi2: { parameters: [p('df k dof')], make: (df) => laws.chiSquare(positive(df, 'df')) },
  f: {
    parameters: [p('dfn df1 d1'), p('dfd df2 d2')],
    make: (a, b) => laws.fisher(positive(a, 'dfn'), positive(b, 'dfd')),
  },
  binom: {
    parameters: [p('n size trials'), p('p prob')],
    make: (n, prob) => laws.binomial(count(n, 'n'), probability(prob)),
  },
  bernoulli: { parameters: [p('p prob')], make: (prob) => laws.binomial(1, probability(prob)) },
  poisson: { parameters: [p('mu lam lambda rate mean')], make: (mu) => laws.poisson(positive(mu, 'the mean')) },
  geom: { parameters: [p('p prob')], make: (prob) => laws.geometric(inside(prob), true) },
  nbinom: {
    parameters: [p('n r size'), p('p prob')],
    make: (r, prob) => laws.negativeBinomial(positive(r, 'n'), inside(prob)),
  },
  hypergeom: {
    parameters: [p('M total'), p('n'), p('N draws')],
    make: (total, marked, draws) => {
      const [M, n, N] = [count(total, 'M'), count(marked, 'n'), count(draws, 'N')];
      if (n > M || N > M)
        throw new Error(`hypergeom needs M (all) before n (marked) and N (drawn), got ${M}, ${n}, ${N}`);
      return laws.hypergeometric(M, n, N);
    },
  },
  expon: {
    parameters: [LOC, SCALE, p('rate lam lambda', 0)],
    make: (loc, scale, rate) => {
      if (rate !== 0 && scale !== 1) throw new Error('expon takes a rate or a scale, not both');
      return laws.exponential(rate === 0 ? 1 / positive(scale, 'scale') : positive(rate, 'rate'), loc);
    },
  },
  uniform: {
    parameters: [LOC, SCALE],
    make: (loc, scale) => laws.uniform(loc, loc + positive(scale, 'scale')),
  },
  gamma: {
    parameters: [p('a shape alpha'), LOC, SCALE],
    make: (a, loc, scale) => {
      if (loc !== 0) throw new Error('gamma with a loc is not available');
      return laws.gamma(positive(a, 'a'), 1 / positive(scale, 'scale'));
    },
  },
  beta: {
    parameters: [p('a alpha'), p('b beta')],
    make: (a, b) => laws.beta(positive(a, 'a'), positive(b, 'b')),
  },
};

const FAMILY_NAMES: Readonly<Record<string, string>> = {
  normal: 'norm',
  gaussian: 'norm',
  Normal: 'norm',
  T: 't',
  student_t: 't',
  students_t: 't',
  chi_square: 'chi2',
  chi_squared: 'chi2',
  chisquare: 'chi2',
  F: 'f',
  binomial: 'binom',
  Binomial: 'binom',
  Binom: 'binom',
  Poisson: 'poisson',
  pois: 'poisson',
  geometric: 'geom',
  Geometric: 'geom',
  negative_binomial: 'nbinom',
  hypergeometric: 'hypergeom',
  exponential: 'expon',
  Exponential: 'expon',
};

export function familyOf(name: string): string | undefined {
  const own = Object.hasOwn(FAMILY_NAMES, name) ? FAMILY_NAMES[name]! : name;
  return Object.hasOwn(FAMILIES, own) ? own : undefined;
}

/** The law of scipy's family, of parameters in its order or by name. Throws for missing and unknown ones. */
export function lawOf(family: string, args: Args): Law {
  const { parameters, make } = FAMILIES[family]!;
  const rest = { ...args.named };
  const values = parameters.map(({ names, standard }, at) => {
    const name = names.find((one) => Object.hasOwn(rest, one));
    const value = name === undefined ? args.list[at] : rest[name];
    if (name !== undefined) {
      if (at < args.list.length) throw new Error(`${family}: ${name} is given twice`);
      delete rest[name];
    }
    if (value === undefined && standard === undefined) throw new Error(`${family} needs ${needs(family)}`);
    return value === undefined ? standard! : real(value, names[0]!);
  });
  const unknown = Object.keys(rest)[0];
  if (unknown !== undefined) throw new Error(`${family} has no parameter ${unknown}; it has ${needs(family)}`);
  if (args.list.length > parameters.length) throw new Error(`too many parameters; ${family} has ${needs(family)}`);
  return make(...values);
}

function needs(family: string): string {
  return FAMILIES[family]!.parameters.map(({ names }) => names[0]).join(', ');
}

/** R's names: letter and family; parameters in R's order. */
const R: Readonly<Record<string, { readonly names: string; readonly defaults?: string; law(v: number[]): Law }>> = {
  norm: { names: 'mean sd', defaults: '0 1', law: ([m, s]) => laws.normal(m, positive(s, 'sd')) },
  t: { names: 'df', law: ([df]) => laws.studentT(positive(df, 'df')) },
  chisq: { names: 'df', law: ([df]) => laws.chiSquare(positive(df, 'df')) },
  f: { names: 'df1 df2', law: ([a, b]) => laws.fisher(positive(a, 'df1'), positive(b, 'df2')) },
  binom: { names: 'size prob', law: ([n, q]) => laws.binomial(count(n, 'size'), probability(q)) },
  pois: { names: 'lambda', law: ([mu]) => laws.poisson(positive(mu, 'lambda')) },
  exp: { names: 'rate', defaults: '1', law: ([rate]) => laws.exponential(positive(rate, 'rate')) },
  geom: { names: 'prob', law: ([q]) => laws.geometric(inside(q), false) },
  nbinom: { names: 'size prob', law: ([r, q]) => laws.negativeBinomial(positive(r, 'size'), inside(q)) },
  hyper: {
    names: 'm n k',
    law: ([m, n, k]) => {
      const [marked, others, draws] = [count(m, 'm'), count(n, 'n'), count(k, 'k')];
      if (draws > marked + others) throw new Error('hyper: more drawn (k) than there are (m + n)');
      return laws.hypergeometric(marked + others, marked, draws);
    },
  },
  unif: { names: 'min max', defaults: '0 1', law: ([a, b]) => uniformBetween(a!, b!) },
  gamma: {
    names: 'shape rate',
    defaults: 'NaN 1',
    law: ([a, rate]) => laws.gamma(positive(a, 'shape'), positive(rate, 'rate')),
  },
  beta: { names: 'shape1 shape2', law: ([a, b]) => laws.beta(positive(a, 'shape1'), positive(b, 'shape2')) },
};

export function uniformBetween(a: number, b: number): Law {
  if (!(b > a)) throw new Error(`uniform needs a smaller before a larger bound, got ${a} and ${b}`);
  return laws.uniform(a, b);
}

interface LawCall {
  readonly law: Law;
  readonly method: Method;
  readonly x: number;
}

/** Whether R has a density (d), distribution function (p) or quantile (q) of this name: `pnorm`. */
export function isR(name: string): boolean {
  return /^[dpq]/.test(name) && Object.hasOwn(R, name.slice(1));
}

/** `pnorm(1.96)`, `qt(0.975, 12)`, `pbinom(3, 10, 0.5, lower_tail = false)`: a name that isR, with its arguments. */
export function rCall(name: string, args: Args): LawCall {
  const letter = name[0];
  const { names, defaults, law } = R[name.slice(1)]!;
  const { lower_tail: lower, x, q, p: prob, ...rest } = args.named;
  const list = [...args.list];
  const first = real([x, q, prob].find((one) => one !== undefined) ?? list.shift(), name);
  const standard = defaults?.split(' ').map(Number) ?? [];
  // The fourth after three parameters, or what follows them, is lower.tail.
  const values = names.split(' ').map((one, at) => {
    const value = Object.hasOwn(rest, one) ? rest[one] : list.shift();
    delete (rest as Record<string, unknown>)[one];
    const use = value ?? standard[at];
    if (use === undefined || Number.isNaN(use))
      throw new Error(`${name} needs ${names.split(' ').join(', ')} after its first argument`);
    return real(use, one);
  });
  const left = Object.keys(rest)[0];
  if (left !== undefined) throw new Error(`${name} has no parameter ${left}; it has ${names.split(' ').join(', ')}`);
  const tail = lower ?? list.shift() ?? true;
  if (typeof tail !== 'boolean' || list.length > 0) throw new Error(`${name}: too many arguments`);
  if (letter === 'd') return { law: law(values), method: 'density', x: first };
  if (letter === 'p') return { law: law(values), method: tail ? 'cdf' : 'sf', x: first };
  return { law: law(values), method: tail ? 'quantile' : 'isf', x: first };
}

export function real(value: unknown, name: string): number {
  const number = typeof value === 'number' ? value : typeof value === 'bigint' ? Number(value) : Number.NaN;
  if (!Number.isFinite(number)) throw new Error(`${name} needs numbers, got ${String(value).slice(0, 30)}`);
  return number;
}

export function positive(value: number | undefined, name: string): number {
  if (value === undefined || !(value > 0)) throw new Error(`${name} needs a positive number, got ${value}`);
  return value;
}

export function count(value: number | undefined, name: string): number {
  if (value === undefined || !Number.isInteger(value) || value < 0) {
    throw new Error(`${name} needs a whole number of at least 0, got ${value}`);
  }
  return value;
}

export function probability(value: number | undefined, name = 'p'): number {
  if (value === undefined || !(value >= 0 && value <= 1)) {
    throw new Error(`${name} needs a probability between 0 and 1, got ${value}`);
  }
  return value;
}

/** A probability that is neither 0 nor 1. */
export function inside(value: number | undefined, name = 'p'): number {
  if (value === undefined || !(value > 0 && value < 1)) {
    throw new Error(`${name} needs a probability between 0 and 1, got ${value}`);
  }
  return value;
}
