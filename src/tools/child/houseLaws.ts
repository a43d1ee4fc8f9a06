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

/** From the quantile of 1 - p, which has no digits of a small p left. */
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
  if (positional && family === 'norm' && numbers.length === 2) {
    throw new Error(`${name} of two numbers can be read in two ways; write the mean and the sd, or normalcdf(a, b)`);
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

/** P(a < X ≤ b), from the tail where it is exact. */
function between(law: Law, a: number, b: number): number {
  return a > law.quantile(0.5) ? law.sf(a) - law.sf(b) : law.cdf(b) - law.cdf(a);
}

function inOrder(a: number, b: number): void {
  if (a > b) throw new Error(`the lower bound comes first; ${a} is more than ${b}`);
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

/** Graphing calculators' names, scipy's of their families, and how many parameters those have at most. */
const BOUNDED: Readonly<Record<string, readonly [family: string, parameters: number]>> = {
  normalcdf: ['norm', 2],
  tcdf: ['t', 1],
  chi2cdf: ['chi2', 1],
  Fcdf: ['f', 2],
};

const CALCULATORS: Readonly<Record<string, Numeric>> = {
  ...Object.fromEntries(
    Object.entries(BOUNDED).map(([own, [family, parameters]]): [string, Numeric] => [
      own,
      (name, [a, b, ...rest]) => {
        if (b === undefined)
          throw new Error(`${name} needs a lower and an upper bound; ${family}.cdf(…) is the lower tail`);
        if (rest.length > parameters) throw new Error(`${name}: too many arguments`);
        const law = lawOf(family, { list: rest, named: {} });
        inOrder(a!, b);
        return new Answer(between(law, a!, b), `${law.label}; between ${a} and ${b}`);
      },
    ]),
  ),
  invNorm: (name, [p, mean = 0, sd = 1]) =>
    callLaw(laws.normal(mean, positive(sd, name)), 'ppf', { list: [p], named: {} }),
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

/** Spreadsheets' names of continuous families, scipy's, and how many parameters stand behind the first argument. */
const SHEET_FAMILIES: Readonly<Record<string, readonly [family: string, parameters: number]>> = {
  NORM: ['norm', 2],
  NORM_S: ['norm', 0],
  T: ['t', 1],
  CHISQ: ['chi2', 1],
  F: ['f', 2],
};

/** `cumulative`: a last argument says whether the distribution function or the density is meant. */
function sheet(family: string, parameters: number, method: string, cumulative = false): Numeric {
  return (name, [x, ...rest]) => {
    const expected = parameters + Number(cumulative);
    if (rest.length !== expected) {
      const last = cumulative ? '; the last says whether it is cumulative, TRUE or FALSE' : '';
      throw new Error(`${name} needs ${expected + 1} arguments, got ${rest.length + 1}${last}`);
    }
    const law = lawOf(family, { list: rest.slice(0, parameters), named: {} });
    return callLaw(law, cumulative && rest.at(-1) === 0 ? 'density' : method, { list: [x], named: {} });
  };
}

function sheets(): Record<string, Numeric> {
  const table: Record<string, Numeric> = {};
  for (const [name, [family, parameters]] of Object.entries(SHEET_FAMILIES)) {
    table[`${name}_DIST`] = sheet(family, parameters, 'cdf', true);
    table[`${name}_DIST_RT`] = sheet(family, parameters, 'sf');
    table[`${name}_INV`] = sheet(family, parameters, 'ppf');
    table[`${name}_INV_RT`] = sheet(family, parameters, 'isf');
  }
  table.BINOM_DIST = sheet('binom', 2, 'cdf', true);
  table.POISSON_DIST = sheet('poisson', 1, 'cdf', true);
  table.T_INV_2T = (name, [p, ...df]) => table.T_INV!(name, [1 - p! / 2, ...df]);
  table.T_DIST_2T = (name, [t, df]) =>
    new Answer(2 * laws.studentT(positive(df, name)).sf(Math.abs(t!)), `t, df ${df}; two-sided`);
  table.NORMSDIST = sheet('norm', 0, 'cdf');
  for (const [old, own] of Object.entries(OLD_SHEETS)) table[old] = table[own]!;
  return table;
}

/** Names of before 2010. */
const OLD_SHEETS: Readonly<Record<string, string>> = {
  NORMDIST: 'NORM_DIST',
  NORMINV: 'NORM_INV',
  NORMSINV: 'NORM_S_INV',
  BINOMDIST: 'BINOM_DIST',
  CHIDIST: 'CHISQ_DIST_RT',
  CHIINV: 'CHISQ_INV_RT',
  FDIST: 'F_DIST_RT',
  FINV: 'F_INV_RT',
  TINV: 'T_INV_2T',
};

/** The bound b for which P(X < x) is P(X ≤ b). */
const below = (law: Law, x: number): number => (law.discrete ? Math.ceil(x) - 1 : x);

/** What statPhrases.ts makes of `P(X > 3)`: the law, and bounds. */
const PROBABILITIES: Readonly<Record<string, (law: Law, a: number, b: number) => number>> = {
  prob_gt: (law, a) => law.sf(a),
  prob_ge: (law, a) => law.sf(below(law, a)),
  prob_lt: (law, a) => law.cdf(below(law, a)),
  prob_le: (law, a) => law.cdf(a),
  prob_eq: (law, a) => {
    if (!law.discrete)
      throw new Error(
        `${law.label}: a single value of a continuous distribution has probability 0; write P(X < a) or a pdf`,
      );
    return law.density(a);
  },
  prob_oo: (law, a, b) => (a === b ? 0 : between(law, a, below(law, b))),
  prob_oc: (law, a, b) => between(law, a, b),
  prob_co: (law, a, b) => between(law, below(law, a), below(law, b)),
  prob_cc: (law, a, b) => between(law, below(law, a), b),
  prob_beyond: (law, a) => law.cdf(below(law, -a)) + law.sf(a),
  prob_beyond_or_at: (law, a) => Math.min(1, law.cdf(-a) + law.sf(below(law, a))),
};

export function lawFunctions(): Record<string, StatFunction> {
  const table: Record<string, StatFunction> = {};
  for (const [name, f] of Object.entries({ ...CALCULATORS, ...sheets() })) table[name] = numeric(name, f);
  for (const [name, f] of Object.entries(PROBABILITIES)) {
    table[name] = ({ list }) => {
      const [of, a, b] = list;
      if (!(of instanceof Distribution))
        throw new Error('P(…) needs a distribution, e.g. P(X > 3), X ~ Binomial(10, 0.5)');
      const [from, to] = [real(a, 'P'), b === undefined ? undefined : real(b, 'P')];
      if (to !== undefined) inOrder(from, to);
      else if (/beyond/.test(name)) inOrder(-from, from);
      return new Answer(f(of.law, from, to ?? 0), of.law.label);
    };
  }
  table.uniform_between = ({ list }) =>
    new Distribution(uniformBetween(real(list[0], 'uniform'), real(list[1], 'uniform')));
  return table;
}
