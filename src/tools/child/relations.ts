/** What textbooks write of a random variable: its law, `N(100, 15^2)`, and a relation, `X >= 3`. */
import { splitOutside } from './normalize.js';

/** `X`, or a law itself: `chi2(7)`. */
export const VARIABLE = String.raw`(?:(?:chi2|t|T|F)\([\d\s,]+\)|[A-Z]|chi2|t|x|z)`;
const SIGN: Readonly<Record<string, string>> = { '>': 'gt', '>=': 'ge', '<': 'lt', '<=': 'le', '=': 'eq', '==': 'eq' };
const FLIPPED: Readonly<Record<string, string>> = { '>': '<', '>=': '<=', '<': '>', '<=': '>=' };

export interface Relation {
  readonly name: string;
  readonly variable: string;
  readonly bounds: string;
  /** What stands behind a comma: `df=12`. */
  readonly parameters: string;
}

export function relationOf(inner: string): Relation | null {
  const [first = '', ...more] = splitOutside(inner.replace(/\|\s*(?=\w+\s*=)/, ', '), ',');
  const parameters = more.join(',');
  const text = first.trim();
  const make = (name: string, variable: string, ...bounds: string[]): Relation => ({
    name: `prob_${name}`,
    variable,
    bounds: bounds.join(', '),
    parameters,
  });
  const absolute = new RegExp(
    String.raw`^(?:\|\s*(${VARIABLE})\s*\||abs\(\s*(${VARIABLE})\s*\))\s*([<>]=?)\s*(.+)$`,
  ).exec(text);
  if (absolute) {
    const [, bare, called, sign, bound] = absolute;
    const variable = bare ?? called!;
    if (sign!.startsWith('>')) return make(sign === '>' ? 'beyond' : 'beyond_or_at', variable, bound!);
    return make(sign === '<' ? 'oo' : 'cc', variable, `-(${bound})`, bound!);
  }
  const double = new RegExp(String.raw`^(.+?)\s*(<=?)\s*(${VARIABLE})\s*(<=?)\s*(.+)$`).exec(text);
  if (double) {
    const kind = `${double[2] === '<' ? 'o' : 'c'}${double[4] === '<' ? 'o' : 'c'}`;
    return make(kind, double[3]!, double[1]!, double[5]!);
  }
  const simple = new RegExp(String.raw`^(${VARIABLE})\s*(>=|<=|==|>|<|=)\s*([^<>=]+)$`).exec(text);
  if (simple) return make(SIGN[simple[2]!]!, simple[1]!, simple[3]!);
  const turned = new RegExp(String.raw`^([^<>=]+?)\s*(>=|<=|>|<)\s*(${VARIABLE})$`).exec(text);
  return turned === null ? null : make(SIGN[FLIPPED[turned[2]!]!]!, turned[3]!, turned[1]!);
}

/** `N(100, 15^2)`, `B(10, 0.5)`, `Poisson(3)`, … */
export function notation(name: string, args: readonly string[]): string {
  const lower = name.toLowerCase();
  if (lower === 'n' || lower === 'normal' || lower === 'norm') return normalNotation(args);
  if (/^(?:b|bin|binom|binomial)$/.test(lower)) return `binom(${args.join(', ')})`;
  if (/^(?:po|pois|poi|poisson)$/.test(lower)) return `poisson(${args.join(', ')})`;
  if (/^(?:geo|geom|geometric)$/.test(lower)) return `geom(${args.join(', ')})`;
  if (/^(?:u|unif|uniform)$/.test(lower)) return `uniform_between(${args.join(', ')})`;
  if (/^(?:exp|expo|exponential)$/.test(lower)) {
    const [, key, value] = /^(rate|lambda|lam|mean|scale)\s*=\s*(.+)$/.exec(args[0] ?? '') ?? [];
    if (key === undefined || args.length > 1)
      throw new Error('Exp(2) may have rate 2 or mean 2; write Exponential(rate=2) or Exponential(mean=2)');
    return `expon(${/^(?:mean|scale)$/.test(key) ? 'scale' : 'rate'}=${value})`;
  }
  if (lower === 't') return `t(${args.join(', ')})`;
  if (/^(?:chi2|chisq|chi_square)$/.test(lower)) return `chi2(${args.join(', ')})`;
  if (lower === 'f') return `f(${args.join(', ')})`;
  if (/^(?:hypergeometric|hypergeom)$/.test(lower)) return `hypergeom(${args.join(', ')})`;
  throw new Error(`the distribution ${name} is not known; write e.g. Binomial(10, 0.5), Poisson(3), N(100, 15^2)`);
}

function normalNotation(args: readonly string[]): string {
  if (args.length > 2)
    throw new Error(`N(${args.join(', ')}) has more than mean and spread; write e.g. N(100, sd=15/sqrt(25))`);
  const [mean = '0', spread = '1'] = args.map((one) => one.replace(/^(?:mu|mean|loc)\s*=\s*/, ''));
  const named = /^(sd|sigma|std|stdev|scale|sigma\^2|var|variance)\s*=\s*(.+)$/.exec(spread);
  if (named) return `norm(${mean}, ${/\^2|^var/.test(named[1]!) ? `sqrt(${named[2]})` : named[2]})`;
  const squared = /^\(?([\d.]+)\)?\s*\^\s*2$/.exec(spread);
  if (squared) return `norm(${mean}, ${squared[1]})`;
  if (/^1(?:\.0*)?$/.test(spread)) return `norm(${mean}, 1)`;
  throw new Error(
    `N(${mean}, ${spread}) may have variance or sd ${spread}; write N(${mean}, sd=${spread}) or N(${mean}, var=${spread})`,
  );
}
