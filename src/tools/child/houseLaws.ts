/**
 * Functions of distributions by this tool's own names (`binomial_pmf(n, p, k)`), those of graphing calculators
 * (`normalcdf(a, b)`) and of spreadsheets (`NORM.DIST`), and the probabilities that textbooks write (`P(X > 3)`).
 */
import {
  type Args,
  count,
  familyOf,
  inside,
  lawOf,
  methodOf,
  positive,
  probability,
  real,
  uniformBetween,
} from './lawNames.js';
import type { Law } from './laws.js';
import * as laws from './laws.js';
import { Answer, Distribution, type StatFunction, type StatValue } from './statTree.js';

/** `cdf`, `pmf`, … of a law. Distribution results say which law was meant; `P(X <= 6)` of a count says that too. */
export function callLaw(law: Law, name: string, args: Args, called = name): StatValue {
  const method = methodOf(name);
  if (method === undefined)
    throw new Error(`a distribution has no ${name}; it has pdf, pmf, cdf, sf, ppf, mean, var, std, median, entropy`);
  const [where] = args.list;
  if (Array.isArray(where)) return where.map((x: unknown) => plainValue(callLaw(law, name, { ...args, list: [x] })));
  const answer = (value: number, more = '') => new Answer(defined(value, name), `${law.label}${more}`);
  switch (method) {
    case 'mean':
      return answer(law.mean);
    case 'var':
      return answer(law.variance);
    case 'std':
      return answer(Math.sqrt(law.variance));
    case 'median':
      return answer(law.quantile(0.5));
    case 'entropy':
      return answer(law.entropy ?? Number.NaN, '; in nats');
    case 'interval': {
      const level = inside(real(where, called), called);
      return new Answer([law.quantile((1 - level) / 2), law.quantile((1 + level) / 2)], law.label);
    }
    case 'quantile':
      return answer(law.quantile(inside(real(where, called), called)));
    case 'isf':
      return answer(upperQuantile(law, inside(real(where, called), called)));
    default:
      return at(law, method, real(where, called), name, answer);
  }
}

function at(
  law: Law,
  method: 'density' | 'cdf' | 'sf',
  x: number,
  name: string,
  answer: (value: number, more?: string) => Answer,
): Answer {
  if (!law.discrete) {
    if (name === 'pmf') throw new Error(`${law.label}: a continuous distribution has a pdf, no pmf`);
    return answer(law[method](x));
  }
  return answer(law[method](x), `; P(X ${method === 'density' ? '=' : method === 'cdf' ? '<=' : '>'} ${x})`);
}

/** For a law that is symmetric or has an exact tail; small p keep their digits. */
function upperQuantile(law: Law, p: number): number {
  const near = law.quantile(1 - p);
  if (law.discrete || p > 1e-6) return near;
  throw new Error('isf of a probability below 1e-6 is not available; use the ppf of the lower tail');
}

function defined(value: number, name: string): number {
  if (!Number.isFinite(value)) throw new Error(`${name} is not defined, or not available, for this distribution`);
  return value;
}

function plainValue(answer: StatValue): StatValue {
  return answer instanceof Answer && answer.value !== undefined ? (answer.value as StatValue) : answer;
}

const HOUSE = /^([A-Za-z]+(?:_[A-Za-z]+)*?\d?)_(pdf|pmf|cdf|sf|ppf|quantile|inverse|inv|isf)$/;

/** `normal_cdf`, `chi_square_quantile`, `binomial_pmf`, …; undefined for other names. */
export function houseFunction(name: string): StatFunction | undefined {
  const [, family, method] = HOUSE.exec(name) ?? [];
  const known = family === undefined ? undefined : familyOf(family);
  if (known === undefined || method === undefined) return undefined;
  return (args) => house(known, method, args, name);
}

function house(family: string, method: string, args: Args, name: string): StatValue {
  const numbers = args.list.map((one) => real(one, name));
  // By name there is no order to mistake.
  const positional = Object.keys(args.named).length === 0;
  const back = methodOf(method) === 'quantile' || methodOf(method) === 'isf';
  if (positional && family === 'binom' && numbers.length === 3 && !back) return binomialOf(numbers, method, name);
  if (positional && family === 'poisson' && numbers.length === 2 && !back) return poissonOf(numbers, method, name);
  if (positional && family === 'geom' && numbers.length === 2 && !back) return geometricOf(numbers, method, name);
  if (positional && family === 'expon' && numbers.length === 2) return exponentialOf(numbers, method, name);
  if (positional && family === 'uniform' && numbers.length === 3) {
    return callLaw(uniformBetween(numbers[1]!, numbers[2]!), method, { list: [numbers[0]], named: {} });
  }
  const { x, k, q, ...named } = args.named;
  const given = [x, k, q].find((one) => one !== undefined);
  const list = [...args.list];
  const first = given ?? list.shift();
  const law = scaled(family, { list, named }, name);
  const answer = callLaw(law, method, { list: [first], named: {} }, name);
  // normal_cdf(1.96) and its like have one order only.
  return ['norm', 't', 'chi2', 'f'].includes(family) && answer instanceof Answer && given === undefined
    ? plainValue(answer)
    : answer;
}

/** Messages with the function's own name. */
function scaled(family: string, args: Args, name: string): Law {
  try {
    return lawOf(family, args);
  } catch (error) {
    throw new Error((error as Error).message.replace(/^(?:\w+) needs/, `${name} needs`));
  }
}

const share = (x: number) => x >= 0 && x <= 1;

/** (n, p, k), or as scipy and textbooks (k, n, p): where the probability stands shows which. */
function binomialOf([a, b, c]: readonly number[], method: string, name: string): StatValue {
  const [x, y, z] = [a!, b!, c!];
  const ours = share(y) && Number.isInteger(x) && Number.isInteger(z);
  const theirs = share(z) && Number.isInteger(x) && Number.isInteger(y) && (y >= 1 || x === 0);
  const clearly = !Number.isInteger(z) || y > 1;
  if (ours && theirs && !(Number.isInteger(y) && Number.isInteger(z) && x > y)) {
    if (Number.isInteger(y)) throw new Error(`${name}: write n, p and k by name, e.g. ${name}(n=10, p=0.5, k=3)`);
  }
  if (theirs && clearly && !ours) {
    const [n, k] = x > y ? [x, y] : [y, x];
    return callLaw(laws.binomial(n, z), method, { list: [k], named: {} });
  }
  return plainValue(
    callLaw(laws.binomial(count(x, name), probability(y, name)), method, { list: [count(z, name)], named: {} }),
  );
}

/** (rate, k); (k, rate) when only that is possible. */
function poissonOf([a, b]: readonly number[], method: string, name: string): StatValue {
  const swapped = !Number.isInteger(b) && Number.isInteger(a);
  const [rate, k] = swapped ? [b!, a!] : [a!, b!];
  return callLaw(laws.poisson(positive(rate, name)), method, { list: [count(k, name)], named: {} });
}

/** (p, k), trials up to the first success; (k, p) when only that is possible. */
function geometricOf([a, b]: readonly number[], method: string, name: string): StatValue {
  const [p, k] = b! > 0 && b! < 1 && Number.isInteger(a) ? [b!, a!] : [a!, b!];
  if (k < 1) {
    throw new Error(
      `${name} counts trials up to the first success, from 1; for failures before it write dgeom(k, p) or pgeom(k, p)`,
    );
  }
  return callLaw(laws.geometric(inside(p, name), true), method, { list: [count(k, name)], named: {} });
}

function exponentialOf([rate, x]: readonly number[], method: string, name: string): StatValue {
  return callLaw(laws.exponential(positive(rate, name)), method, { list: [x], named: {} });
}

/** P(a < X < b) of a continuous law, in the tail where it is exact. */
function between(law: Law, a: number, b: number): number {
  return a > law.quantile(0.5) ? law.sf(a) - law.sf(b) : law.cdf(b) - law.cdf(a);
}

const numbersOf = (args: Args, name: string): number[] => {
  const unknown = Object.keys(args.named)[0];
  if (unknown !== undefined) throw new Error(`${name} has no argument ${unknown}`);
  return args.list.map((one) => (typeof one === 'boolean' ? Number(one) : real(one, name)));
};

type Numeric = (name: string, v: readonly number[]) => StatValue;
const numeric =
  (name: string, f: Numeric): StatFunction =>
  (args) =>
    f(name, numbersOf(args, name));

/** Graphing calculators: normalcdf has two bounds, binompdf(n, p, k). */
const CALCULATORS: Readonly<Record<string, Numeric>> = {
  normalcdf: (name, [a, b, mean = 0, sd = 1]) => {
    if (b === undefined)
      throw new Error(`${name} needs a lower and an upper bound; normal_cdf(1.96) is the lower tail`);
    const law = laws.normal(mean, positive(sd, name));
    return new Answer(between(law, a!, b), `${law.label}; between ${a} and ${b}`);
  },
  invNorm: (name, [p, mean = 0, sd = 1]) =>
    callLaw(laws.normal(mean, positive(sd, name)), 'ppf', { list: [p], named: {} }),
  tcdf: (name, [a, b, df]) =>
    new Answer(between(laws.studentT(positive(df, name)), a!, b!), `t, df ${df}; between ${a} and ${b}`),
  invT: (name, [p, df]) => callLaw(laws.studentT(positive(df, name)), 'ppf', { list: [p], named: {} }),
  binompdf: (name, [n, p, k]) =>
    callLaw(laws.binomial(count(n, name), probability(p, name)), 'pmf', { list: [k], named: {} }),
  binomcdf: (name, [n, p, k]) =>
    callLaw(laws.binomial(count(n, name), probability(p, name)), 'cdf', { list: [k], named: {} }),
  poissonpdf: (name, [mu, k]) => callLaw(laws.poisson(positive(mu, name)), 'pmf', { list: [k], named: {} }),
  poissoncdf: (name, [mu, k]) => callLaw(laws.poisson(positive(mu, name)), 'cdf', { list: [k], named: {} }),
  geometpdf: (name, [p, k]) => callLaw(laws.geometric(inside(p, name), true), 'pmf', { list: [k], named: {} }),
  geometcdf: (name, [p, k]) => callLaw(laws.geometric(inside(p, name), true), 'cdf', { list: [k], named: {} }),
};

/** Spreadsheets; the last argument of `DIST` is whether it is cumulative. */
const SHEETS: Readonly<Record<string, Numeric>> = {
  NORM_DIST: (name, [x, mean, sd, all]) =>
    callLaw(laws.normal(mean, positive(sd, name)), all ? 'cdf' : 'pdf', { list: [x], named: {} }),
  NORM_S_DIST: (_, [z, all]) => callLaw(laws.normal(), all ? 'cdf' : 'pdf', { list: [z], named: {} }),
  NORM_INV: (name, [p, mean, sd]) => callLaw(laws.normal(mean, positive(sd, name)), 'ppf', { list: [p], named: {} }),
  NORM_S_INV: (_, [p]) => callLaw(laws.normal(), 'ppf', { list: [p], named: {} }),
  T_INV: (name, [p, df]) => callLaw(laws.studentT(positive(df, name)), 'ppf', { list: [p], named: {} }),
  T_INV_2T: (name, [p, df]) => callLaw(laws.studentT(positive(df, name)), 'ppf', { list: [1 - p! / 2], named: {} }),
  T_DIST_RT: (name, [t, df]) => callLaw(laws.studentT(positive(df, name)), 'sf', { list: [t], named: {} }),
  T_DIST_2T: (name, [t, df]) =>
    new Answer(2 * laws.studentT(positive(df, name)).sf(Math.abs(t!)), `t, df ${df}; two-sided`),
  CHISQ_INV: (name, [p, df]) => callLaw(laws.chiSquare(positive(df, name)), 'ppf', { list: [p], named: {} }),
  CHISQ_DIST_RT: (name, [x, df]) => callLaw(laws.chiSquare(positive(df, name)), 'sf', { list: [x], named: {} }),
  F_INV: (name, [p, a, b]) =>
    callLaw(laws.fisher(positive(a, name), positive(b, name)), 'ppf', { list: [p], named: {} }),
  F_DIST_RT: (name, [x, a, b]) =>
    callLaw(laws.fisher(positive(a, name), positive(b, name)), 'sf', { list: [x], named: {} }),
  BINOM_DIST: (name, [k, n, p, all]) =>
    callLaw(laws.binomial(count(n, name), probability(p, name)), all ? 'cdf' : 'pmf', { list: [k], named: {} }),
  POISSON_DIST: (name, [k, mu, all]) =>
    callLaw(laws.poisson(positive(mu, name)), all ? 'cdf' : 'pmf', { list: [k], named: {} }),
};

/** What statPhrases.ts makes of `P(X > 3)`: the law, and bounds. */
const PROBABILITIES: Readonly<Record<string, (law: Law, a: number, b: number) => number>> = {
  prob_gt: (law, a) => law.sf(a),
  prob_ge: (law, a) => (law.discrete ? law.sf(Math.ceil(a) - 1) : law.sf(a)),
  prob_lt: (law, a) => (law.discrete ? law.cdf(Math.ceil(a) - 1) : law.cdf(a)),
  prob_le: (law, a) => law.cdf(a),
  prob_eq: (law, a) => {
    if (!law.discrete)
      throw new Error(
        `${law.label}: a single value of a continuous distribution has probability 0; write P(X < a) or a pdf`,
      );
    return law.density(a);
  },
  prob_oo: (law, a, b) => (law.discrete ? law.cdf(Math.ceil(b) - 1) - law.cdf(a) : between(law, a, b)),
  prob_oc: (law, a, b) => (law.discrete ? law.cdf(b) - law.cdf(a) : between(law, a, b)),
  prob_co: (law, a, b) => law.cdf(law.discrete ? Math.ceil(b) - 1 : b) - law.cdf(law.discrete ? Math.ceil(a) - 1 : a),
  prob_cc: (law, a, b) => (law.discrete ? law.cdf(b) - law.cdf(Math.ceil(a) - 1) : between(law, a, b)),
  prob_outside: (law, a) => law.cdf(-a) + law.sf(a),
  prob_within: (law, a) => between(law, -a, a),
};

export function lawFunctions(): Record<string, StatFunction> {
  const table: Record<string, StatFunction> = {};
  for (const [name, f] of Object.entries({ ...CALCULATORS, ...SHEETS })) table[name] = numeric(name, f);
  for (const [name, f] of Object.entries(PROBABILITIES)) {
    table[name] = ({ list }) => {
      const [of, a, b] = list;
      if (!(of instanceof Distribution))
        throw new Error('P(…) needs a distribution, e.g. P(X > 3), X ~ Binomial(10, 0.5)');
      return new Answer(f(of.law, real(a, 'P'), b === undefined ? 0 : real(b, 'P')), of.law.label);
    };
  }
  table.uniform_between = ({ list }) =>
    new Distribution(uniformBetween(real(list[0], 'uniform'), real(list[1], 'uniform')));
  return table;
}
