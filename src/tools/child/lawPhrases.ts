/** A distribution in words and what is asked of it: `binomial n = 10, p = 0.5, k = 3`, `normal with mean 100 and sd 15: P(X > 130)`. */
import { closing, splitOutside } from './normalize.js';
import { notation, relationOf } from './relations.js';
import { Taking } from './taking.js';

interface Parameter {
  /** scipy's name. */
  readonly key: string;
  /** As it is written, so that N and n are two. */
  readonly letters?: string;
  /** In any case. */
  readonly words?: string;
}

interface Family {
  /** scipy's name. */
  readonly name: string;
  readonly parameters: readonly Parameter[];
  readonly discrete?: true;
}

const MEAN = 'mean|average|expected\\s+value';
const CHANCE: Parameter = {
  key: 'p',
  letters: 'p',
  words: '(?:success\\s+)?prob(?:ability)?(?:\\s+of\\s+(?:a\\s+)?success)?|success\\s+rate',
};
const DEGREES: Parameter = { key: 'df', words: 'df|degrees\\s+of\\s+freedom' };
const CHI2: Family = { name: 'chi2', parameters: [DEGREES] };
const FAMILIES: Readonly<Record<string, Family>> = {
  normal: {
    name: 'norm',
    parameters: [
      { key: 'loc', words: `${MEAN}|mu` },
      { key: 'scale', words: 'sd|sigma(?!\\s*\\^)|standard\\s+deviation|std(?:ev)?(?:\\s+dev)?' },
      { key: 'variance', words: 'variance|var|sigma\\s*\\^\\s*2' },
    ],
  },
  exponential: {
    name: 'expon',
    parameters: [
      { key: 'rate', words: 'rate|lambda' },
      { key: 'scale', words: `${MEAN}|scale` },
      { key: 'half', words: 'half-life' },
    ],
  },
  poisson: { name: 'poisson', parameters: [{ key: 'mu', words: `${MEAN}|rate|lambda|mu` }], discrete: true },
  'negative binomial': { name: 'nbinom', parameters: [], discrete: true },
  binomial: {
    name: 'binom',
    parameters: [{ key: 'n', letters: 'n', words: '(?:number\\s+of\\s+)?trials' }, CHANCE],
    discrete: true,
  },
  geometric: { name: 'geom', parameters: [CHANCE], discrete: true },
  hypergeometric: {
    name: 'hypergeom',
    parameters: [
      { key: 'M', letters: 'N', words: 'population(?:\\s+size)?' },
      { key: 'n', letters: 'K' },
      { key: 'N', letters: 'n', words: 'sample(?:\\s+size)?|draws' },
    ],
    discrete: true,
  },
  t: { name: 't', parameters: [DEGREES] },
  chi2: CHI2,
  'chi-squared': CHI2,
  'chi-square': CHI2,
  uniform: { name: 'uniform_between', parameters: [] },
  f: {
    name: 'f',
    parameters: [
      { key: 'dfn', words: 'df_?1|dfn' },
      { key: 'dfd', words: 'df_?2|dfd' },
    ],
  },
};
/** The names of the families, as alternatives of a pattern. */
export const FAMILY = Object.keys(FAMILIES).join('|');

/** Between the name of a parameter and its value. */
const EQUALS = String.raw`\s*(?:=|\bof\b|\bis\b|\bwas\b|:)?\s*`;
/** A number, a share in per cent, a product or a quotient; not the beginning of something longer. */
const TERM = String.raw`(?:(?:\d+(?:\.\d+)?|\.\d+)(?:e[-+]?\d+)?|(?:ln|sqrt|exp)\([-\d./\s]+\))`;
const VALUE = String.raw`(-?${TERM}(?:\s*[*/]\s*${TERM})*)(\s*%)?(?![\w(]|\.\d|\s*[*^/])`;

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
const BOUNDS: Readonly<Record<string, string>> = {
  'at least': 'ge',
  'greater than or equal to': 'ge',
  'less than or equal to': 'le',
  'not more than': 'le',
  'not less than': 'ge',
  'no fewer than': 'ge',
  'no less than': 'ge',
  'at most': 'le',
  'no more than': 'le',
  'more than': 'gt',
  'greater than': 'gt',
  above: 'gt',
  over: 'gt',
  exceeds: 'gt',
  'less than': 'lt',
  'fewer than': 'lt',
  below: 'lt',
  under: 'lt',
  exactly: 'eq',
};
const BOUND = Object.keys(BOUNDS).join('|').replaceAll(' ', String.raw`\s+`);
const SIGNS: Readonly<Record<string, string>> = { '>=': 'ge', '<=': 'le', '>': 'gt', '<': 'lt' };

/** What says nothing more, once law and question are taken out. */
const FILLER =
  /\b(?:what|is|the|an?|of|for|with|where|has|have|having|if|when|given|and|or|find|compute|calculate|probability|chance|that|distributions?|distributed|random|variables?|follows|process|getting|there|are|be|will|success(?:es)?|heads|tails|events?|value|x|X|we|get)\b/g;

/** The phrase as one or more calls; null where it names no family, or asks nothing of it. */
export function lawPhrase(text: string): string | null {
  const [family, rest] = inWords(text) ?? shapeFirst(text) ?? probabilityFirst(text) ?? [null, ''];
  if (family !== null) return ofFamily(family, rest);
  return ofNotation(text);
}

/** `exponential distribution with rate 2: …` */
function inWords(text: string): [Family, string] | null {
  const found = new RegExp(
    String.raw`^(?:for\s+)?(?:an?\s+|the\s+)?(${FAMILY})(?:\s+(?:distribution|random\s+variable|variable|experiment|model))?(?=[\s,:;]+[^\s(])(?!\s*-|\s+(?:test|score|statistic|mean\s+of)\b)(.*)$`,
    'is',
  ).exec(text);
  return found === null ? null : [FAMILIES[found[1]!.toLowerCase()]!, found[2]!];
}

/** `P(X > 130), normal mean 100 sd 15`; with `for` or `where` between, statPhrases.ts reads it. */
function probabilityFirst(text: string): [Family, string] | null {
  const called = /^P(?:r|rob)?\s*\(/.test(text) ? probabilityIn(text) : null;
  if (called === null) return null;
  const behind = text.slice(called.text.length).replace(/^\s*[,:;]?\s*/, '');
  const found = /^for\b/i.test(behind) ? null : inWords(behind);
  return found === null ? null : [found[0], `${found[1]} ; ${called.text}`];
}

/** `median of the normal distribution with mean 1 and sd 2`, `90th percentile of the normal with mean 100 and sd 15`. */
function shapeFirst(text: string): [Family, string] | null {
  const found = new RegExp(
    String.raw`^(?:the\s+)?(${SHAPE})\s+of\s+(?:an?\s+|the\s+)?(${FAMILY})\s+(?:distribution|random variable)\b(.*)$`,
    'is',
  ).exec(text);
  if (found !== null) return [FAMILIES[found[2]!.toLowerCase()]!, `${found[3]} : ${found[1]}`];
  const percentile = new RegExp(
    String.raw`^(?:the\s+)?(\d+(?:\.\d+)?(?:st|nd|rd|th)\s+percentile)\s+of\s+(?:an?\s+|the\s+)?(${FAMILY})(?:\s+(?:distribution|random variable))?\b(.*)$`,
    'is',
  ).exec(text);
  return percentile === null ? null : [FAMILIES[percentile[2]!.toLowerCase()]!, `${percentile[3]} , ${percentile[1]}`];
}

function ofFamily(family: Family, text: string): string | null {
  if (family.name === 'nbinom')
    throw new Error(
      'a negative binomial may count failures or trials; write nbinom.pmf(failures, r, p), or C(n-1, r-1) p^r (1-p)^(n-r)',
    );
  const words = new Taking(` ${text} `);
  const called = probabilityIn(text);
  if (called !== null) words.take(escaped(called.text), '');
  const law = lawIn(family, words);
  if (law === null) return null;
  return answered(law, called?.ask(law) ?? question(family, law, words), words);
}

/** What is asked, when nothing else stands there; one unit of time for all numbers says nothing more. */
function answered(law: string, asked: string | null, words: Taking): string | null {
  if (asked === null) return null;
  const left = words.rest(FILLER);
  const units = new Set(left.split(' ').map((word) => word.toLowerCase().replace(/s$/, '')));
  const one = units.size === 1 && /^(?:second|minute|hour|day|week|month|year)$/.test([...units][0]!);
  if (left !== '' && !(one && /^(?:expon|norm|uniform)/.test(law))) throw unread(left);
  return asked;
}

function unread(left: string): Error {
  return new Error(`cannot read "${left.slice(0, 40)}"; write e.g. P(X >= 3), X ~ Binomial(10, 0.3)`);
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
}

/** The law with the parameters that the words give; null when they give none. */
function lawIn(family: Family, words: Taking): string | null {
  if (family.name === 'uniform_between') {
    const bounds =
      words.take(String.raw`^[\s,:]*(?:with\s+)?a\s*=\s*${VALUE}[\s,]+(?:and\s+)?b\s*=\s*${VALUE}`, '') ??
      words.take(
        String.raw`^\s*(?:on|over|from|between)?(?:\s+the\s+interval)?\s*[[(]?\s*${VALUE}\s*(?:,|and|to)\s*${VALUE}\s*[\])]?`,
      );
    return bounds === null ? null : `uniform_between(${shareOf(bounds, 1)}, ${shareOf(bounds, 3)})`;
  }
  const out: string[] = [];
  for (const { key, letters, words: names } of family.parameters) {
    const found =
      (letters === undefined ? null : words.take(String.raw`(?<![\w(])${letters}\s*(?:=|:|\bis\b)\s*${VALUE}`, '')) ??
      (names === undefined ? null : words.take(String.raw`(?<![\w-])(?:${names})${EQUALS}${VALUE}`)) ??
      (names === undefined ? null : words.take(String.raw`(?<![\w.])${VALUE}\s+(?:${names})\b`));
    if (found === null) continue;
    const value = shareOf(found, 1);
    if (key === 'variance') out.push(`scale=sqrt(${value})`);
    else if (key === 'half') out.push(`scale=(${value})/ln(2)`);
    else out.push(`${key}=${value}`);
  }
  const keys = out.map((one) => (family.name === 'expon' ? 'scale' : one.slice(0, one.indexOf('='))));
  if (new Set(keys).size < keys.length) throw new Error(`${out.join(' and ')} are given; the law takes one of them`);
  if (out.length === 0) return null;
  const needed = family.name === 'norm' ? 2 : family.name === 'expon' ? 1 : family.parameters.length;
  if (out.length < needed)
    throw new Error(
      `of the law only ${out.join(', ')} is given; write e.g. normal mean 100 sd 15, or binomial n = 10, p = 0.3`,
    );
  return `${family.name}(${out.join(', ')})`;
}

/** `P(2 < X < 5)`, as a call once the law is known. */
function probabilityIn(text: string): { readonly text: string; ask(law: string): string } | null {
  const start = /\b(?:P|Pr|Prob)\s*\(/.exec(text);
  if (start === null) return null;
  const open = start.index + start[0].length - 1;
  const end = closing(text, open);
  const relation = end < 0 ? null : relationOf(text.slice(open + 1, end));
  if (relation === null || relation.parameters.trim() !== '') return null;
  return { text: text.slice(start.index, end + 1), ask: (law) => `${relation.name}(${law}, ${relation.bounds})` };
}

/** What the words ask of the law: a shape, a point, a bound, an interval, a percentile. */
function question(family: Family, law: string, words: Taking): string | null {
  const number = (found: RegExpExecArray, at: number): string => {
    if (found[at + 1] !== undefined && family.discrete)
      throw new Error(`${found[at]}% of a count? Write the number, e.g. P(X >= 3), X ~ Binomial(10, 0.3)`);
    return shareOf(found, at);
  };
  const between = words.take(String.raw`\bbetween\s+${VALUE}\s+and\s+${VALUE}`);
  if (between !== null) return `prob_cc(${law}, ${number(between, 1)}, ${number(between, 3)})`;
  const bound = words.take(String.raw`\b(${BOUND})\s+${VALUE}`);
  if (bound !== null) return `prob_${kindOf(bound[1]!)}(${law}, ${number(bound, 2)})`;
  const letter = family.name === 'hypergeom' ? '[kxX]' : '[kKxX]';
  const more = words.take(String.raw`(?:(?<![\w(])${letter}\s*=\s*)?${VALUE}\s+or\s+(more|fewer|less)\b`);
  if (more !== null) return `prob_${more[3]!.toLowerCase() === 'more' ? 'ge' : 'le'}(${law}, ${number(more, 1)})`;
  const relation = words.take(String.raw`(?<![\w(])${letter}\s*(>=|<=|>|<)\s*${VALUE}`, '');
  if (relation !== null) return `prob_${SIGNS[relation[1]!]}(${law}, ${number(relation, 2)})`;
  const point = words.take(String.raw`(?<![\w(])${letter}\s*=\s*${VALUE}`, '');
  if (point !== null) {
    const kinds = family.discrete ? ['eq', 'le', 'ge'] : ['lt', 'gt'];
    return kinds.map((kind) => `prob_${kind}(${law}, ${number(point, 1)})`).join('\n');
  }
  const percentile = words.take(String.raw`\b(\d+(?:\.\d+)?)(?:st|nd|rd|th)\s+percentile\b`);
  if (percentile !== null) return `${law}.ppf(${percentile[1]}/100)`;
  const top = words.take(String.raw`\b(top|upper|bottom|lower)\s+(\d+(?:\.\d+)?)\s*%(?:\s+(?:cut-?off|value|point))?`);
  if (top !== null) return `${law}.${/^[tu]/i.test(top[1]!) ? 'isf' : 'ppf'}(${top[2]}/100)`;
  const shape = words.take(String.raw`[:;,]\s*(?:find\s+)?(?:the\s+)?(${SHAPE})\s*$`);
  return shape === null ? null : `${law}.${SHAPES[shape[1]!.toLowerCase()]}()`;
}

const kindOf = (words: string): string => BOUNDS[words.toLowerCase().replace(/\s+/g, ' ')]!;

/** A VALUE whose groups begin at `at`; per cent as a share. */
function shareOf(found: RegExpExecArray, at: number): string {
  return found[at + 1] === undefined ? found[at]! : `(${found[at]})/100`;
}

/** `uniform(0, 10): P(X < 3)`, `N(100, 15^2) between 85 and 115`. */
function ofNotation(text: string): string | null {
  const start = /^(?:X\s*~\s*)?(normal|N|binomial|bin|B|poisson|Po|uniform|U|exponential|Exp|geometric|Geo)\s*\(/i.exec(
    text,
  );
  if (start === null) return null;
  const open = start[0].length - 1;
  const end = closing(text, open);
  const rest = end < 0 ? '' : text.slice(end + 1);
  if (!/^\s*(?:[,:;]\s*|\s)(?=\S)/.test(rest) || /^\s*[-+*/^.)]/.test(rest)) return null;
  const words = new Taking(` ${rest} `);
  const called = probabilityIn(rest);
  if (called !== null) words.take(escaped(called.text), '');
  const args = splitOutside(text.slice(open + 1, end), ',').map((one) => one.trim());
  const law = notation(start[1]!, args);
  const family = {
    name: law.slice(0, law.indexOf('(')),
    parameters: [],
    ...(/^(?:binom|poisson|geom)/.test(law) && { discrete: true as const }),
  };
  return answered(law, called?.ask(law) ?? question(family, law, words), words);
}

const COUNTS = ['zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine', 'ten'];

/** `probability of at least 2 successes in 5 trials with p = 0.4`, `probability of exactly 3 heads in 5 coin tosses`. */
export function trialsPhrase(text: string): string | null {
  const digits = text.replace(new RegExp(`\\b(?:${COUNTS.join('|')})\\b`, 'gi'), (word) =>
    String(COUNTS.indexOf(word.toLowerCase())),
  );
  const found = new RegExp(
    String.raw`^(?:the\s+)?(?:probability|chance)\s+(?:of|that)\s+(?:(?:getting|obtaining|observing|having|there\s+are)\s+)?(?:(${BOUND})\s+)?(\d+)(?:\s+or\s+(more|fewer|less))?\s+(?!or\b|and\b)([a-z]+)\s+(?:in|out\s+of|from)\s+(\d+)\s+((?:[a-z]+\s+){0,4}?(?:trials|tosses|flips|attempts|tries)|coins?(?!\s+[a-z]))\b(.*)$`,
    'is',
  ).exec(digits);
  if (found === null) return null;
  const [, bound, k = '', orMore, what = '', n = '', trials = '', rest = ''] = found as readonly (string | undefined)[];
  const words = new Taking(` ${rest} `);
  const given = words.take(String.raw`(?<![\w-])(?:p|${CHANCE.words})${EQUALS}${VALUE}`);
  const coin =
    /^(?:heads?|tails?)$/i.test(what) &&
    /^(?:(?:fair\s+)?coins?|(?:of\s+an?\s+)?(?:fair\s+)?coin\s+\w+|tosses|flips)$/i.test(trials);
  if (given === null) words.take(String.raw`\bof\s+a\s+(?:fair\s+)?coin\b|\bfair\b`);
  const left = words.rest(FILLER);
  if (left !== '' || (given === null && !coin)) throw trialsUnread(left || 'the probability of one success');
  // The probability must be that of what is counted.
  if (
    given !== null &&
    !/^(?:success(?:es)?|heads?|hits|wins)$/i.test(what) &&
    (/success/i.test(given[0]) || UNNAMED.test(what))
  )
    throw trialsUnread(`${what} with ${given[0].trim()}`);
  const p = given === null ? '0.5' : shareOf(given, 1);
  if (bound !== undefined && orMore !== undefined) throw unread(`${bound} ${k} or ${orMore}`);
  const beyond = orMore === undefined ? 'eq' : orMore.toLowerCase() === 'more' ? 'ge' : 'le';
  return `prob_${bound === undefined ? beyond : kindOf(bound)}(binom(${n}, ${p}), ${k})`;
}

/** Of these p may be the probability, or 1 - p. */
const UNNAMED = /^(?:fail|miss|loss|lose|error|wrong|incorrect|tail)/i;

function trialsUnread(left: string): Error {
  return new Error(`cannot read "${left.slice(0, 40)}"; write e.g. P(X >= 2), X ~ Binomial(5, 0.4)`);
}
