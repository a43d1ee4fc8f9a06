/** Data in words, as calls: `mean, median of 1, 2, 3`, `sd 2 4 6`, `correlation x = 1, 2, 3; y = 2, 4, 5`. */
import { closing } from './normalize.js';

/** Words for functions of one sample. */
const MEASURES: Readonly<Record<string, string>> = {
  mean: 'mean',
  average: 'mean',
  avg: 'mean',
  'arithmetic mean': 'mean',
  'sample mean': 'mean',
  median: 'median',
  mode: 'mode',
  range: 'range',
  sum: 'sum',
  total: 'sum',
  variance: 'variance',
  var: 'variance',
  'sample variance': 'sample_variance',
  'population variance': 'pvariance',
  'standard deviation': 'stdev',
  'std dev': 'stdev',
  stdev: 'stdev',
  std: 'stdev',
  sd: 'stdev',
  'sample standard deviation': 'sample_stdev',
  'population standard deviation': 'pstdev',
  quartiles: 'quartiles',
  iqr: 'iqr',
  'interquartile range': 'iqr',
  'geometric mean': 'geometric_mean',
  'harmonic mean': 'harmonic_mean',
  'root mean square': 'rms',
  rms: 'rms',
  'standard error': 'sem',
  'standard error of the mean': 'sem',
  sem: 'sem',
  'coefficient of variation': 'cv',
  'five-number summary': 'five_number_summary',
  skewness: 'skewness',
  kurtosis: 'kurtosis',
  minimum: 'min',
  min: 'min',
  maximum: 'max',
  max: 'max',
};
const MEASURE = alternatives(MEASURES);
/** What stands before data and says nothing more. */
const OF_DATA = String.raw`(?:the\s+)?(?:following\s+)?(?:(?:data(?:\s*set)?|numbers|values|set|sample|list|scores|observations|measurements)\b[:\s]*)*`;

function alternatives(names: Readonly<Record<string, string>>): string {
  return Object.keys(names)
    .sort((a, b) => b.length - a.length)
    .join('|')
    .replaceAll(' ', String.raw`[\s_-]+`);
}

function named(names: Readonly<Record<string, string>>, word: string): string {
  const bare = (text: string) => text.toLowerCase().replace(/[\s_-]+/g, ' ');
  return Object.entries(names).find(([name]) => bare(name) === bare(word))![1];
}

/** The phrase as one or more calls, one a line; null for other text. */
export function dataPhrase(text: string): string | null {
  return measures(text) ?? percentile(text) ?? ways(text) ?? listsPhrase(text);
}

/** `mean, median of [3, 5]`, `mean of 1, 2, 3`, `mean 1, 2, 3`. */
function measures(text: string): string | null {
  const head = new RegExp(
    String.raw`^(?:the\s+)?((?:${MEASURE})(?:(?:\s*,\s*(?:and\s+)?|\s+and\s+)(?:the\s+)?(?:${MEASURE}))*)(?:\s*(?:(?:of|for|from)\b|:)\s*${OF_DATA}|\s+(?=[-\d.[{]))`,
    'i',
  ).exec(text);
  if (head === null) return null;
  const numbers = listOf(text.slice(head[0].length));
  if (numbers === null) return null;
  const names = [...head[1]!.matchAll(new RegExp(MEASURE, 'gi'))].map(([name]) => named(MEASURES, name));
  return names.map((name) => `${name}(${numbers})`).join('\n');
}

/** `90th percentile of 1, 2, 3`, `percentile 90 of [1, 2, 3]`, `first quartile of …`. */
function percentile(text: string): string | null {
  const found = new RegExp(
    String.raw`^(?:the\s+)?(?:(\d+(?:\.\d+)?)(?:st|nd|rd|th)?\s+percentile|percentile\s+(\d+(?:\.\d+)?)|(Q1|(?:first|1st|lower)\s+quartile)|(Q3|(?:third|3rd|upper)\s+quartile))\s*(?:(?:of|for|in)\b|:)\s*${OF_DATA}(.+)$`,
    'i',
  ).exec(text);
  const numbers = listOf(found?.[5] ?? '');
  if (found === null || numbers === null) return null;
  return `percentile(${numbers}, ${found[1] ?? found[2] ?? (found[3] === undefined ? 75 : 25)})`;
}

/** `permutations of 10 taken 3`, `how many ways to choose 3 from 10`. */
function ways(text: string): string | null {
  const taken =
    /^(?:the\s+)?(?:number\s+of\s+)?(permutations?|combinations?)\s+of\s+(\d+)\s+(?:\w+\s+)?(?:taken|chosen)\s+(\d+)(?:\s+at\s+a\s+time)?$/i.exec(
      text,
    );
  if (taken !== null) return `${/^p/i.test(taken[1]!) ? 'permutations' : 'combinations'}(${taken[2]}, ${taken[3]})`;
  const chosen =
    /^(?:(?:the\s+)?number\s+of\s+|how\s+many\s+)ways\s+(?:(?:are\s+there\s+)?to\s+|of\s+)(choose|choosing|select|selecting|arrange|arranging)\s+(\d+)\s+(?:([a-z]+)\s+)?(?:from|out\s+of)\s+(\d+)(?:\s+([a-z]+))?$/i.exec(
      text,
    );
  if (chosen === null) return null;
  const [, verb, k, what, n, whole] = chosen as unknown as [string, string, string, string?, string?, string?];
  // `3 ordered`, `2 men from 5 women`, `from 5 repeatedly` are other questions.
  const odd = [what, whole].some(
    (word) => word !== undefined && /^(?:order|repeat|replac|identical|same)|ly$/i.test(word),
  );
  if (odd || (what !== undefined && whole !== undefined && what.toLowerCase() !== whole.toLowerCase())) return null;
  return `${/^a/i.test(verb) ? 'permutations' : 'combinations'}(${n}, ${k})`;
}

/** `[1, 2]`, `{1, 2}`, `1, 2 and 3` or `1 2 3` as a list in brackets; null for other text. */
function listOf(text: string): string | null {
  const bare = text.trim();
  if (/^[[{(].*[\]})]$/s.test(bare) && closing(bare, 0) === bare.length - 1) return `[${bare.slice(1, -1)}]`;
  if (!/^[-+\d.,;%\s/$€£]*(?:\band\b[-+\d.,;%\s/$€£]*)*$/i.test(bare) || !/\d/.test(bare)) return null;
  // `1-10` may be a range or a difference.
  if (/\d\s*-\s*\d/.test(bare.replace(/\d\s+-(?=[\d.])/g, ' '))) return null;
  const separated = /[,;]/.test(bare);
  const joined = bare.replace(/\s*,?\s+and\s+/gi, separated ? ', ' : ' ').replace(/;/g, ',');
  return `[${separated ? joined : joined.split(/\s+/).join(', ')}]`;
}

/** Words for functions of several lists. */
const OF_LISTS: Readonly<Record<string, string>> = {
  correlation: 'correlation',
  'correlation coefficient': 'correlation',
  'pearson correlation': 'correlation',
  spearman: 'spearman',
  'spearman correlation': 'spearman',
  'rank correlation': 'spearman',
  covariance: 'covariance',
  regression: 'linear_regression',
  'regression line': 'linear_regression',
  'linear regression': 'linear_regression',
  'least squares line': 'linear_regression',
  'weighted mean': 'weighted_mean',
  'weighted average': 'weighted_mean',
  'expected value': 'expected_value',
  expectation: 'expected_value',
  't test': 't_test',
  'two sample t test': 't_test',
  'paired t test': 't_test_paired',
  anova: 'anova',
  'one way anova': 'anova',
  'chi square': 'chi_square_test',
  'chi squared': 'chi_square_test',
  'chi square test': 'chi_square_test',
  'chi squared test': 'chi_square_test',
  'chi square goodness of fit': 'chi_square_test',
  mean: 'expected_value',
  variance: 'variance',
  'standard deviation': 'stdev',
  'odds ratio': 'odds_ratio',
  'relative risk': 'relative_risk',
};
const LISTS = alternatives(OF_LISTS);
/** Names that lists are given, in the order of the call's arguments. */
const ORDER = [
  ['x', 'y'],
  ['x1', 'x2'],
  ['values', 'weights'],
  ['values', 'probabilities'],
  ['x', 'probabilities'],
  ['x', 'p'],
  ['observed', 'expected'],
  ['before', 'after'],
];
const NAMES = 'observed|expected|values|weights|probabilities|data|sample|group';

/** `correlation between [1, 2] and [3, 5]`, `chi square observed 10, 20 expected 15, 15`. */
export function listsPhrase(text: string): string | null {
  const head = new RegExp(
    String.raw`^(?:the\s+)?(${LISTS})(?![\w(])\s*(?:(?:of\s+)?y\s+(?:on|against)\s+x\b\s*(?::|with\b|where\b)?|(?:of|between|for|with)\b|:)?\s*(?:the\s+)?(.*)$`,
    'is',
  ).exec(text);
  if (head === null) return null;
  const call = named(OF_LISTS, head[1]!);
  const groups = groupsOf(head[2]!);
  if (groups === null) return null;
  // In `y on x` the first is what is explained, whatever the lists are called.
  const explained = /\bon\b/i.test(head[2]!);
  if (explained || /\by\s+(?:on|against)\s+x\b/i.test(text.slice(0, text.length - head[2]!.length))) {
    if (call !== 'linear_regression' || groups.length !== 2) return null;
    const [first, second] = groups as [Group, Group];
    if (explained) return `${call}(${second.list}, ${first.list})`;
    if (first.name === '') throw new Error('which list is x? Write x = [1, 2, 3], y = [2, 4, 5]');
  }
  const lists = inOrder(call, groups);
  return lists === null ? null : `${call}(${lists.join(', ')})`;
}

interface Group {
  readonly name: string;
  /** In brackets. */
  readonly list: string;
  readonly size: number;
  readonly round: boolean;
}

function inOrder(call: string, groups: readonly Group[]): readonly string[] | null {
  const lists = groups.map(({ list }) => list);
  const names = groups.map(({ name }) => name);
  if (call === 'anova') return lists.length >= 2 && groups.every(({ size }) => size >= 2) ? lists : null;
  if (call === 'odds_ratio' || call === 'relative_risk')
    return names.every((name) => name === '') && (lists.length === 1 || groups.every(({ size }) => size === 2))
      ? lists
      : null;
  if (call === 'chi_square_test' && lists.length === 1) return lists;
  if (names.every((name) => name === '') && groups.every(({ size }) => size === 2)) {
    if (lists.length === 2 && groups.some(({ round }) => round))
      throw new Error('two points, or two lists of two? Write x = [1, 2], y = [3, 4]');
    // `(1, 2), (2, 4), (3, 5)` are points of x and y.
    if (lists.length > 2 && /^(?:correlation|spearman|covariance|linear_regression)$/.test(call)) return columns(lists);
  }
  if (lists.length !== 2 || groups.some(({ size }) => size < 2)) return null;
  if (/^(?:variance|stdev|expected_value)$/.test(call) && !names.some((name) => /^(?:probabilities|p)$/.test(name)))
    return null;
  if (names.every((name) => name === '' || /^(?:data|sample|group)\s?\d?$/.test(name))) return lists;
  if (names.includes('before') && call !== 't_test_paired')
    throw new Error('before and after are pairs; write paired t test before = […], after = […]');
  for (const [first, second] of ORDER) {
    if (names[0] === second && names[1] === first) return [lists[1]!, lists[0]!];
    if ((names[0] === first || names[0] === '') && names[1] === second) return lists;
  }
  return null;
}

function columns(points: readonly string[]): readonly string[] {
  const cells = points.map((point) => point.slice(1, -1).split(','));
  return [0, 1].map((at) => `[${cells.map((cell) => cell[at]!.trim()).join(', ')}]`);
}

/** Lists one after the other, in brackets or not, each with its name or none; null where anything else stands. */
function groupsOf(text: string): Group[] | null {
  const groups: Group[] = [];
  let left = text.trim();
  let name = '';
  while (left !== '') {
    const word = new RegExp(
      String.raw`^(?:the\s+)?(?:((?:${NAMES})\s\d|[A-Za-z]\w*)\s*[=:]|(${NAMES})(?![\w]))\s*(?=[-\d.[{(])`,
      'i',
    ).exec(left);
    if (word !== null) {
      if (name !== '') return null;
      name = (word[1] ?? word[2])!
        .toLowerCase()
        .replace(/^(?:probs?|probability)$/, 'probabilities')
        .replace(/^w$/, 'weights');
      left = left.slice(word[0].length);
      continue;
    }
    const taken = /^[[{(]/.test(left) ? bracketed(left) : numbers(left);
    if (taken === null) return null;
    groups.push({ name, list: taken.list, size: taken.size, round: left.startsWith('(') });
    name = '';
    left = left.slice(taken.length).replace(/^(?:\s*[,;]|\s+)\s*(?:(?:and|with|vs\.?|versus|on)\b\s*)?/i, '');
  }
  return name === '' && groups.length > 0 ? groups : null;
}

interface Taken {
  readonly list: string;
  readonly size: number;
  readonly length: number;
}

function bracketed(text: string): Taken | null {
  const end = closing(text, 0);
  if (end < 0) return null;
  const inner = text.slice(1, end);
  if (!/^[-+\d.,;%\s/[\]()e]*$/i.test(inner) || !/\d/.test(inner)) return null;
  const list = listOf(text.slice(0, end + 1))!.replaceAll(';', ',');
  return { list, size: inner.split(/[,;]/).length, length: end + 1 };
}

/** `10, 20 and 30`, as far as numbers go. */
function numbers(text: string): Taken | null {
  const number = String.raw`[-+]?(?:\d+(?:\.\d+)?|\.\d+)(?:e[-+]?\d+)?%?(?![\w.])`;
  const run = new RegExp(String.raw`^${number}(?:(?:\s*,\s*(?:and\s+)?|\s+and\s+|\s+)${number})*`, 'i').exec(text)?.[0];
  if (run === undefined) return null;
  const all = run.match(new RegExp(number, 'gi'))!;
  return { list: `[${all.join(', ')}]`, size: all.length, length: run.length };
}
