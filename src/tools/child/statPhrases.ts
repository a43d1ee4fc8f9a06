/** Statistics in words and in the notation of textbooks, as calls: `P(Z > 1.96)`, `mean of 1, 2, 3`. */
import { criticalPhrase } from './criticalValues.js';
import { closing, splitOutside } from './normalize.js';
import { lawOfText, readWhole, testPhrase } from './testPhrases.js';

/** One line of plain text (normalize.ts) as one or more calls, one a line. What is no such phrase stays as it is. */
export function readPhrases(line: string): string {
  const text = line
    .replace(/μ/g, 'mu')
    .replace(/σ/g, 'sigma')
    .replace(/λ/g, 'lambda')
    .replace(/χ\s*(?:\^2|²)/g, 'chi2')
    .replace(/(?:Φ|\bPhi\b)\s*\^\s*\(?-1\)?\s*\(/g, 'normal_quantile(')
    .replace(/(?:Φ|\bPhi\b)\s*\(/g, 'normal_cdf(')
    .trim();
  const bare = text
    .replace(/^(?:what(?:'s| is| are)|calculate|compute|find|determine|evaluate)\s*:?\s+/i, '')
    .replace(/[?.]\s*$/, '');
  return (
    criticalPhrase(bare) ??
    testPhrase(bare) ??
    measures(bare) ??
    weighted(bare) ??
    expected(bare) ??
    twoLists(bare) ??
    standardScore(bare) ??
    family(bare) ??
    probability(text)
  );
}

const MEASURES: Readonly<Record<string, string>> = {
  mean: 'mean',
  average: 'mean',
  'arithmetic mean': 'mean',
  median: 'median',
  mode: 'mode',
  range: 'range',
  sum: 'sum',
  total: 'sum',
  variance: 'variance',
  'sample variance': 'sample_variance',
  'population variance': 'pvariance',
  'standard deviation': 'stdev',
  stdev: 'stdev',
  sd: 'stdev',
  'sample standard deviation': 'sample_stdev',
  'population standard deviation': 'pstdev',
  quartiles: 'quartiles',
  iqr: 'iqr',
  'interquartile range': 'iqr',
  'geometric mean': 'geometric_mean',
  'harmonic mean': 'harmonic_mean',
  'standard error': 'sem',
  'standard error of the mean': 'sem',
  'coefficient of variation': 'cv',
  'five-number summary': 'five_number_summary',
  minimum: 'min',
  maximum: 'max',
};
const MEASURE = Object.keys(MEASURES)
  .sort((a, b) => b.length - a.length)
  .join('|');

/** `mean, median of [3, 5]` and `mean of 1, 2, 3`. */
function measures(text: string): string | null {
  const head = new RegExp(
    String.raw`^(?:the\s+)?((?:${MEASURE})(?:(?:\s*,\s*(?:and\s+)?|\s+and\s+)(?:the\s+)?(?:${MEASURE}))*)\s*(?:(?:of|for|from)\b|:)\s*(?:the\s+)?(?:(?:data|numbers|values|set|sample|list)\b[:\s]*)*`,
    'i',
  ).exec(text);
  if (head === null) return null;
  const numbers = listOf(text.slice(head[0].length));
  if (numbers === null) return null;
  const names = [...head[1]!.matchAll(new RegExp(MEASURE, 'gi'))].map(([name]) => MEASURES[name.toLowerCase()]!);
  return names.map((name) => `${name}(${numbers})`).join('\n');
}

/** `[1, 2]`, `{1, 2}`, `1, 2 and 3` or `1 2 3` as a list in brackets; null for other text. */
function listOf(text: string): string | null {
  const bare = text.trim();
  if (/^[[{(].*[\]})]$/s.test(bare) && closing(bare, 0) === bare.length - 1) return `[${bare.slice(1, -1)}]`;
  if (!/^[-+\d.,;%\s/$€£]*(?:\band\b[-+\d.,;%\s/$€£]*)*$/i.test(bare) || !/\d/.test(bare)) return null;
  const joined = bare.replace(/\s*,?\s+and\s+/gi, ', ').replace(/;/g, ',');
  return `[${joined.includes(',') ? joined : joined.split(/\s+/).join(', ')}]`;
}

function weighted(text: string): string | null {
  const found =
    /^(?:the\s+)?weighted (?:mean|average) of\s+(.+?)\s*,?\s+(?:with|using)\s+weights\s*(?:of\s+)?(.+)$/i.exec(text);
  const [values, weights] = [listOf(found?.[1] ?? ''), listOf(found?.[2] ?? '')];
  return values === null || weights === null ? null : `weighted_mean(${values}, ${weights})`;
}

function expected(text: string): string | null {
  const found =
    /^(?:the\s+)?(?:expected value|expectation) of\s+(.+?)\s*,?\s+with\s+probabilities\s*(?:of\s+)?(.+)$/i.exec(text);
  const [values, shares] = [listOf(found?.[1] ?? ''), listOf(found?.[2] ?? '')];
  return values === null || shares === null ? null : `expected_value(${values}, ${shares})`;
}

/** `correlation between [1, 2] and [3, 5]`. */
function twoLists(text: string): string | null {
  const found =
    /^(?:the\s+)?(?:(linear )?(regression|correlation|covariance)(?: coefficient| line)?)\s*(?:of|between|for|:)\s*(?:x\s*=\s*)?(\[[^[\]]*\])\s*(?:,|and|;)\s*(?:y\s*=\s*)?(\[[^[\]]*\])$/i.exec(
      text,
    );
  if (found === null) return null;
  const name = found[2]!.toLowerCase() === 'regression' ? 'linear_regression' : found[2]!.toLowerCase();
  return `${name}(${found[3]}, ${found[4]})`;
}

function standardScore(text: string): string | null {
  const found =
    /^(?:the\s+)?z[- ]?score\s+(?:of|for)\s+(\S+?),?\s+(?:with|where|if|in)\s+(?:a\s+)?(?:mean|mu)\s*(?:of|=|is)?\s*(\S+?),?\s*(?:and|,)\s*(?:a\s+)?(?:sd|sigma|standard deviation)\s*(?:of|=|is)?\s*(\S+)$/i.exec(
      text,
    );
  return found === null ? null : `z_score(${found[1]}, ${found[2]}, ${found[3]})`;
}

/** Words for parameters, and scipy's name for each family. */
const FAMILIES: Readonly<
  Record<string, { readonly name: string; readonly parameters: Readonly<Record<string, string>> }>
> = {
  normal: {
    name: 'norm',
    parameters: {
      mean: 'loc',
      mu: 'loc',
      sd: 'scale',
      sigma: 'scale',
      'standard deviation': 'scale',
      std: 'scale',
      variance: 'variance',
      var: 'variance',
    },
  },
  exponential: {
    name: 'expon',
    parameters: { rate: 'rate', lambda: 'rate', mean: 'scale', scale: 'scale', 'half-life': 'half' },
  },
  poisson: { name: 'poisson', parameters: { mean: 'mu', rate: 'mu', lambda: 'mu', mu: 'mu' } },
  binomial: { name: 'binom', parameters: { n: 'n', p: 'p' } },
  geometric: { name: 'geom', parameters: { p: 'p' } },
  t: { name: 't', parameters: { df: 'df', 'degrees of freedom': 'df' } },
  chi2: { name: 'chi2', parameters: { df: 'df', 'degrees of freedom': 'df' } },
  'chi-squared': { name: 'chi2', parameters: { df: 'df', 'degrees of freedom': 'df' } },
  'chi-square': { name: 'chi2', parameters: { df: 'df', 'degrees of freedom': 'df' } },
  f: { name: 'f', parameters: { df1: 'dfn', df2: 'dfd', dfn: 'dfn', dfd: 'dfd' } },
};
const FAMILY = Object.keys(FAMILIES).join('|');
const SHAPES: Readonly<Record<string, string>> = {
  mean: 'mean',
  'expected value': 'mean',
  variance: 'var',
  'standard deviation': 'std',
  sd: 'std',
  median: 'median',
  entropy: 'entropy',
};
const SHAPE = Object.keys(SHAPES).join('|');

/** `exponential distribution with rate 2: median`, `median of the normal distribution with mean 1 and sd 2`. */
function family(text: string): string | null {
  const before = new RegExp(
    String.raw`^(?:the\s+)?(${SHAPE})\s+of\s+(?:an?\s+|the\s+)?(${FAMILY})\s+(?:distribution|random variable)\s*(?:with)?\s*(.*)$`,
    'i',
  ).exec(text);
  const after = new RegExp(
    String.raw`^(?:an?\s+|the\s+)?(${FAMILY})\s+(?:distribution|random variable)\s*(?:with)?\s*(.*?)\s*[:;,]\s*(?:the\s+)?(${SHAPE})$`,
    'i',
  ).exec(text);
  if (before === null && after === null) return null;
  const [shape, name, rest] = before ? [before[1]!, before[2]!, before[3]!] : [after![3]!, after![1]!, after![2]!];
  const law = lawText(name.toLowerCase(), rest);
  return law === null ? null : `${law}.${SHAPES[shape.toLowerCase()]}()`;
}

/** `mean 100 and sd 15`, `n = 10, p = 0.5`. */
function lawText(name: string, rest: string): string | null {
  const { name: own, parameters } = FAMILIES[name]!;
  const out: string[] = [];
  const given = new Set<string>();
  for (const part of splitOutside(rest, ',').flatMap((one) => one.split(/\s+and\s+/))) {
    if (part.trim() === '') continue;
    const found =
      /^\s*(?:an?\s+|the\s+)?(degrees of freedom|standard deviation|half-life|[a-z_]+\d?)\s*(?:=|of|is|:)?\s*(.+?)\s*$/i.exec(
        part,
      );
    const reversed = /^\s*(\S+)\s+degrees of freedom\s*$/i.exec(part);
    const [word, value] = reversed
      ? ['degrees of freedom', reversed[1]!]
      : [found?.[1]?.toLowerCase() ?? '', found?.[2] ?? ''];
    const key = Object.hasOwn(parameters, word) ? parameters[word]! : null;
    if (key === null || !/[\d(]/.test(value)) return null;
    const means = own === 'expon' || key === 'variance' ? 'scale' : key;
    if (given.has(means)) throw new Error(`the ${name} distribution takes one of ${rest.trim().slice(0, 60)}`);
    given.add(means);
    if (key === 'variance') out.push(`scale=sqrt(${value})`);
    else if (key === 'half') out.push(`scale=(${value})/ln(2)`);
    else out.push(`${key}=${value}`);
  }
  return out.length === 0 ? null : `${own}(${out.join(', ')})`;
}

/** `X`, or a law itself: `chi2(7)`. */
const VARIABLE = String.raw`(?:(?:chi2|t|T|F)\([\d\s,]+\)|[A-Z]|chi2|t|x|z)`;
const SIGN: Readonly<Record<string, string>> = { '>': 'gt', '>=': 'ge', '<': 'lt', '<=': 'le', '=': 'eq', '==': 'eq' };
const FLIPPED: Readonly<Record<string, string>> = { '>': '<', '>=': '<=', '<': '>', '<=': '>=' };

/** Every `P(…)` with a random variable and a relation, of the law that the text names. */
function probability(text: string): string {
  if (!/\b(?:P|Pr|Prob)\s*\(/.test(text)) return text;
  const { rest, law } = declared(text);
  let out = '';
  let from = 0;
  const call = /\b(?:P|Pr|Prob)\s*\(/g;
  let found = false;
  for (let hit = call.exec(rest); hit !== null; hit = call.exec(rest)) {
    const open = hit.index + hit[0].length - 1;
    const end = closing(rest, open);
    if (end < 0) return text;
    const relation = relationOf(rest.slice(open + 1, end));
    if (relation === null) continue;
    found = true;
    const own =
      law ?? lawAround(relation.variable, `${relation.parameters}, ${rest.slice(0, hit.index)} ${rest.slice(end + 1)}`);
    const before = rest.slice(from, hit.index);
    const kept = withoutLaw(before);
    if (kept === '') readWhole(before, law !== null);
    out += `${factorOnly(kept)}${relation.name}(${own}, ${relation.bounds})`;
    from = end + 1;
    call.lastIndex = from;
  }
  if (!found) return text;
  // What named the law has been used.
  const tail = rest.slice(from);
  if (!NAMED_LAW.test(tail)) return `${out}${tail}`.trim();
  readWhole(tail, law !== null);
  return out.trim();
}

/** `, n = 10, p = 0.5`, `for a Poisson distribution with mean 3`. */
const NAMED_LAW = /^\s*[,;.(]?\s*(?:(?:where|with|for|if|when|given|in|and)\b|[a-z]\w*\s*=|$)[^()]*\)?\s*$/is;

/** `n = 10, p = 0.5:` before the probability. */
function withoutLaw(before: string): string {
  const bare = before.replace(
    new RegExp(
      String.raw`^\s*(?:an?\s+)?(?:${FAMILY})(?:\s+(?:distribution|random\s+variable))?\s*(?:with|,|:)?(?=\s)`,
      'i',
    ),
    '',
  );
  if (bare.trim() === '') return '';
  return withoutParameters(bare) === '' ? '' : before;
}

function withoutParameters(before: string): string {
  return /^\s*(?:[a-z]\w*\s*=\s*[-\d./]+\s*[,;:]?\s*(?:and\s+)?)+$/i.test(before) ? '' : before;
}

/** Words or parameters that no rule has read would become a factor: `geometric p=0.3 P(X = 4)` is no product. */
function factorOnly(before: string): string {
  if (/(?:^|[-+*/^(,=:;])\s*$/.test(before) || /^[\d.\s(]+$/.test(before)) return before;
  throw new Error(
    `what "${before.trim().slice(0, 40)}" has to do with the probability is not clear; write e.g. P(X = 4), X ~ Geometric(0.3)`,
  );
}

interface Relation {
  readonly name: string;
  readonly variable: string;
  readonly bounds: string;
  /** What stands behind a comma: `df=12`. */
  readonly parameters: string;
}

function relationOf(inner: string): Relation | null {
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

/** Takes `X ~ Binomial(10, 0.5)` and `for Poisson(3)` out of the text. */
function declared(text: string): { rest: string; law: string | null } {
  const start = new RegExp(
    String.raw`(?:(?:[,;]?\s*\b(?:where|with|for|if|when|given|let)\s+)?\b${VARIABLE}\s*(?:~|∼|\bsim\b)\s*|(?<=\))\s*(?:for|with|where|in|of)\s+(?:an?\s+)?(?:X\s+is\s+)?(?=[A-Z]))([A-Za-z]\w*)\s*\(`,
  ).exec(text);
  if (start === null) return { rest: text, law: null };
  const open = start.index + start[0].length - 1;
  const end = closing(text, open);
  if (end < 0) throw new Error('a bracket is not closed, e.g. X ~ Binomial(10, 0.5)');
  const rest = `${text.slice(0, start.index)} ${text.slice(end + 1)}`
    .replace(/^[\s,;:.]+|[\s,;]+$/g, '')
    .replace(/^(?:find|then|compute)\s+/i, '');
  return {
    rest,
    law: notation(
      start[1]!,
      splitOutside(text.slice(open + 1, end), ',').map((one) => one.trim()),
    ),
  };
}

/** `N(100, 15^2)`, `B(10, 0.5)`, `Poisson(3)`, … */
function notation(name: string, args: readonly string[]): string {
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

/** The law of a text that gives parameters without `~`: `P(X >= 3), n=10, p=0.5`. */
function lawAround(variable: string, text: string): string {
  if (variable.endsWith(')')) return variable;
  const named = new RegExp(String.raw`\b(${FAMILY})\b`, 'i').exec(text)?.[1]?.toLowerCase() ?? '';
  return lawOfText(variable, named.replace(/^chi-.*/, 'chi2'), text);
}
