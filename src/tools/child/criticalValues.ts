/**
 * Critical values of z, t, chi-squared and F, `t_critical(0.05, 10, two-tailed)` and "t critical value for 95% confidence, df = 10".
 * A level stands for one tail or for two: where it is not said, both values are shown, and no number is chosen.
 */
import { show } from './descriptive.js';
import { type Args, lawOf, real } from './lawNames.js';
import type { Law } from './laws.js';
import { closing } from './normalize.js';
import { Answer, type StatFunction } from './statTree.js';

const FORMS =
  'write e.g. t_critical(alpha=0.05, df=10, tails=2), z_critical(confidence=0.95) or chi2_critical(alpha=0.05, df=3)';
type Family = 'norm' | 't' | 'chi2' | 'f';
type Tail = 'two' | 'one' | 'upper' | 'lower';

const FAMILY = `z|normal|norm|t|chi_?2|chi_?sq|chi_?squared?|f`;
const CALLED = new RegExp(
  `^(?:(${FAMILY})_?(?:crit|critical|critical_?value|crit_?val|cv|star)|(?:crit|critical|critical_?value)_(${FAMILY}))$`,
  'i',
);

/** The function of that name; undefined for other names. */
export function criticalFunction(name: string): StatFunction | undefined {
  const found = CALLED.exec(name);
  const family = found === null ? undefined : familyNamed((found[1] ?? found[2])!);
  return family === undefined ? undefined : (args) => critical(family, args, name);
}

function familyNamed(word: string): Family {
  const lower = word.toLowerCase();
  if (lower.startsWith('chi')) return 'chi2';
  return lower === 't' || lower === 'f' ? lower : 'norm';
}

const ALPHA = ['alpha', 'a', 'significance', 'significance_level', 'sig', 'sig_level', 'alpha_level'];
const CONFIDENCE = ['confidence', 'conf', 'confidence_level', 'conf_level', 'cl', 'c'];
const TAILS = ['tails', 'tail', 'tailed', 'side', 'sides', 'sided', 'alternative', 'type', 'test'];
const FLAGS: Readonly<Record<string, Tail>> = {
  two_tailed: 'two',
  two_sided: 'two',
  two_tail: 'two',
  one_tailed: 'one',
  one_sided: 'one',
  one_tail: 'one',
  upper: 'upper',
  lower: 'lower',
  right: 'upper',
  left: 'lower',
  upper_tail: 'upper',
  lower_tail: 'lower',
};

interface Level {
  readonly alpha: number;
  /** Said to be a confidence, which has two sides. */
  readonly confidence: boolean;
  /** A number above one half without a name: a share below, or the area of tables above. */
  readonly turned: boolean;
}

function critical(family: Family, args: Args, name: string): Answer {
  const list = [...args.list];
  const named = new Map(Object.entries(args.named));
  const tail = tailOf(list, named);
  const takeNamed = (names: readonly string[]): number | undefined => {
    const key = names.find((one) => named.has(one));
    if (key === undefined) return undefined;
    const value = real(named.get(key), name);
    named.delete(key);
    return value;
  };
  const [alpha, confidence] = [takeNamed(ALPHA), takeNamed(CONFIDENCE)];
  const both = takeNamed(['level', 'p', 'prob', 'probability']);
  const numbers = list.map((one) => real(one, name));
  const level = levelOf(alpha, confidence, both ?? takeShare(numbers, alpha ?? confidence), name);
  const counted = takeTails(family, numbers, named, tail);
  const law = lawOf(family, { list: numbers, named: Object.fromEntries(named) });
  return answer(family, law, level, counted ?? tail);
}

const FREEDOM = /^(?:df|nu|dof)$/;

/**
 * `t_critical(0.05, 10, 2)`: a last 1 or 2 that is no degrees of freedom says how many tails. Any other number left over
 * is refused, as the law would take it for a mean or a scale, which a critical value does not have.
 */
function takeTails(
  family: Family,
  numbers: number[],
  named: ReadonlyMap<string, unknown>,
  said: Tail | undefined,
): Tail | undefined {
  if (family !== 'norm' && family !== 't') return undefined;
  const allowed = family === 't' && ![...named.keys()].some((key) => FREEDOM.test(key)) ? 1 : 0;
  const foreign = [...named.keys()].find((key) => family === 'norm' || !FREEDOM.test(key));
  if (foreign !== undefined) throw new Error(`a critical value has no ${foreign}; ${FORMS}`);
  if (numbers.length <= allowed) return undefined;
  const last = numbers.at(-1);
  // Of 1 and 2 either may be the degrees of freedom.
  const clear = numbers.length === allowed + 1 && (allowed === 0 || numbers[0]! > 2);
  if (said !== undefined || !clear || (last !== 1 && last !== 2))
    throw new Error(`what the number ${last} stands for is not clear; ${FORMS}`);
  numbers.pop();
  return last === 2 ? 'two' : 'one';
}

/** The one number between 0 and 1; degrees of freedom are at least 1, so their order does not matter. */
function takeShare(numbers: number[], given: number | undefined): number | undefined {
  if (given !== undefined) return undefined;
  const at = numbers.findIndex((one) => one > 0 && one < 1);
  if (at < 0) throw new Error(`a level between 0 and 1 is missing; ${FORMS}`);
  const [share, ...more] = numbers.filter((one) => one > 0 && one < 1);
  if (more.length > 0) throw new Error(`which of ${share} and ${more[0]} is the level is not clear; ${FORMS}`);
  return numbers.splice(at, 1)[0]!;
}

function levelOf(
  alpha: number | undefined,
  confidence: number | undefined,
  both: number | undefined,
  name: string,
): Level {
  if ([alpha, confidence, both].filter((one) => one !== undefined).length !== 1)
    throw new Error(`${name} needs one level; ${FORMS}`);
  const inside = (value: number): number => {
    const share = value >= 1 && value < 100 ? value / 100 : value;
    if (!(share > 0 && share < 1)) throw new Error(`a level between 0 and 1 expected, got ${value}`);
    return share;
  };
  if (alpha !== undefined) return { alpha: inside(alpha), confidence: false, turned: false };
  if (confidence !== undefined) {
    if (inside(confidence) < 0.5)
      throw new Error(`a confidence of ${confidence} is below one half; write alpha=${confidence}`);
    return { alpha: Number((1 - inside(confidence)).toPrecision(12)), confidence: true, turned: false };
  }
  const share = inside(both!);
  return share < 0.5
    ? { alpha: share, confidence: false, turned: false }
    : { alpha: Number((1 - share).toPrecision(12)), confidence: false, turned: true };
}

function tailOf(list: unknown[], named: Map<string, unknown>): Tail | undefined {
  const found: Tail[] = [];
  for (const [key, tail] of Object.entries(FLAGS)) {
    if (!named.has(key)) continue;
    const value = named.get(key);
    named.delete(key);
    if (value === true) found.push(tail);
    else if (value === false && /^(?:one|two)_/.test(key)) found.push(tail === 'two' ? 'one' : 'two');
    else if (value !== false) throw new Error(`${key} is true or false; ${FORMS}`);
  }
  for (const key of TAILS) {
    if (!named.has(key)) continue;
    found.push(tailWord(named.get(key)));
    named.delete(key);
  }
  for (let at = list.length - 1; at >= 0; at--)
    if (typeof list[at] === 'string') found.push(tailWord(list.splice(at, 1)[0]));
  if (new Set(found).size > 1) throw new Error(`one or two tails? ${FORMS}`);
  return found[0];
}

function tailWord(value: unknown): Tail {
  const word = String(value)
    .toLowerCase()
    .replace(/[-_\s]*(?:tail(?:ed|s)?|sided?|test)$/, '');
  if (/^(?:2|two|both|double)$/.test(word)) return 'two';
  if (/^(?:1|one|single)$/.test(word)) return 'one';
  if (/^(?:upper|right|greater|larger)$/.test(word)) return 'upper';
  if (/^(?:lower|left|less|smaller)$/.test(word)) return 'lower';
  throw new Error(`tails are one, two, upper or lower, not ${String(value).slice(0, 20)}; ${FORMS}`);
}

function answer(family: Family, law: Law, { alpha, confidence, turned }: Level, tail: Tail | undefined): Answer {
  const above = (share: number): number => -0 + law.quantile(1 - share);
  const symmetric = family === 'norm' || family === 't';
  const said = `${law.label}, alpha = ${show(alpha)}`;
  switch (tail ?? (symmetric && confidence ? 'two' : undefined)) {
    case 'two':
      if (symmetric) return new Answer(above(alpha / 2), `${said}, two-tailed: plus and minus`);
      return new Answer([law.quantile(alpha / 2), above(alpha / 2)], `${said}, two-tailed: lower and upper`);
    case 'lower':
      return new Answer(law.quantile(alpha), `${said}, lower tail`);
    case 'upper':
      return new Answer(above(alpha), `${said}, upper tail`);
    case 'one':
      return new Answer(above(alpha), `${said}, one-tailed, upper${symmetric ? '; lower is minus it' : ''}`);
    default:
      if (symmetric)
        return new Answer(
          undefined,
          `${show(above(alpha))} one-tailed, ${show(above(alpha / 2))} two-tailed (${said})`,
        );
      if (turned)
        return new Answer(
          undefined,
          `${show(above(alpha))} with ${show(1 - alpha)} below it; ${show(law.quantile(alpha))} with ${show(1 - alpha)} above it (${law.label})`,
        );
      if (!confidence) return new Answer(above(alpha), `${said}, upper tail`);
      return new Answer(
        undefined,
        `${show(above(alpha))} for a test of the upper tail; ${show(law.quantile(alpha / 2))} and ${show(above(alpha / 2))} for an interval (${said})`,
      );
  }
}

const NUMBER = String.raw`(\d*\.?\d+)\s*(%|percent)?`;

/** The phrase as a call; text that asks for no critical value comes back as null. */
export function criticalPhrase(text: string): string | null {
  const call = /^(\w+)\s*\(/.exec(text);
  if (call !== null && CALLED.test(call[1]!) && closing(text, call[0].length - 1) === text.length - 1)
    return quoted(text);
  if (!/\bcritical\b|\b[tz]\s?(?:\*|\^\*|-star)(?=\s|$)/i.test(text)) return null;
  let left = ` ${text.replace(/α/g, 'alpha').replace(/\^\*/g, '*')} `;
  const take = (pattern: string): RegExpExecArray | null => {
    const match = new RegExp(pattern, 'i').exec(left);
    if (match !== null) left = `${left.slice(0, match.index)} ; ${left.slice(match.index + match[0].length)}`;
    return match;
  };
  const share = (match: RegExpExecArray | null): number | undefined =>
    match === null ? undefined : Number(match[1]) / (match[2] === undefined ? 1 : 100);
  const is = String.raw`\s*(?:=|of|is|:)?\s*`;
  const tail = take(String.raw`\b(two|one|upper|lower|left|right|1|2)[-_ ](?:tail(?:ed|s)?|sided)(?:\s+test)?\b`);
  const significance = share(
    take(String.raw`\b(?:alpha|significance\s+level|level\s+of\s+significance|significance)${is}${NUMBER}`) ??
      take(String.raw`\b${NUMBER}\s+(?:level\s+of\s+significance|significance(?:\s+level)?)\b`),
  );
  // "At the 5% level" is a significance, "at the 95% level" a confidence.
  const bare = share(take(String.raw`\b${NUMBER}\s+level\b(?!\s+of\s+confidence)`));
  const alpha = significance ?? (bare !== undefined && bare < 0.5 ? bare : undefined);
  const sure = bare !== undefined && bare >= 0.5 ? bare : undefined;
  const confidence =
    sure ??
    share(
      take(String.raw`\b(?:confidence(?:\s+level|\s+interval)?)${is}${NUMBER}`) ??
        take(String.raw`\b${NUMBER}\s+(?:level\s+of\s+confidence|confidence|CI)(?:\s+(?:level|interval))?`) ??
        take(String.raw`\b(\d*\.?\d+)\s*(%)`),
    );
  const dfs = degrees(take);
  const family = take(
    String.raw`\b(t|z|chi2|chi[-\s_]?squared?|F|normal)(?:[-\s](?:distribution|test|statistic|score|value)|\s?\*)?(?=[\s,;:(])`,
  );
  const rest = left
    .replace(
      /\b(?:what|is|the|of|for|an?|at|with|and|in|critical|values?|point|scores?|from|table|find|test|distribution|standard|normal|using|when|degrees?|freedom|df|to|used|interval|statistic|on|if|level)\b|[\s,;:?.()*]+/gi,
      ' ',
    )
    .trim();
  if (family === null || rest !== '') throw new Error(`cannot read "${(rest || text).slice(0, 40)}"; ${FORMS}`);
  const level =
    alpha !== undefined ? `alpha=${alpha}` : confidence !== undefined ? `confidence=${confidence}` : undefined;
  if (level === undefined || (alpha !== undefined && confidence !== undefined))
    throw new Error(`a level is needed, alpha or a confidence; ${FORMS}`);
  // Who says "95% significance" means a confidence as a rule; of t and z the value would have the wrong sign.
  if ((alpha ?? 0) >= 0.5 && /^(?:t|z|normal)$/i.test(family[1]!))
    throw new Error(`a significance of ${alpha}? Write confidence=${alpha} or alpha=${alpha}; ${FORMS}`);
  const name = { norm: 'z', t: 't', chi2: 'chi2', f: 'f' }[familyNamed(family[1]!.replace(/[-\s]/g, '_'))];
  return `${name}_critical(${[level, ...dfs, ...(tail === null ? [] : [`tails="${tail[1]!.toLowerCase()}"`])].join(', ')})`;
}

function degrees(take: (pattern: string) => RegExpExecArray | null): string[] {
  const pair =
    take(String.raw`\bdf\s*(?:=|of|:)?\s*\(?\s*(\d+)\s*(?:,|and)\s*(\d+)\s*\)?`) ??
    take(String.raw`\((\d+)\s*,\s*(\d+)\)\s*(?:df|degrees\s+of\s+freedom)`) ??
    take(String.raw`\b(\d+)\s+and\s+(\d+)\s+(?:df|degrees\s+of\s+freedom)`);
  if (pair !== null) return [`dfn=${pair[1]}`, `dfd=${pair[2]}`];
  const first = take(String.raw`\b(?:df_?1|dfn|numerator\s+df)\s*(?:=|of|:)?\s*(\d+)`);
  const second = take(String.raw`\b(?:df_?2|dfd|denominator\s+df)\s*(?:=|of|:)?\s*(\d+)`);
  if (first !== null && second !== null) return [`dfn=${first[1]}`, `dfd=${second[1]}`];
  const one =
    take(String.raw`\b(?:df|degrees\s+of\s+freedom|d\.f\.)\s*(?:=|of|is|:)?\s*(\d+)`) ??
    take(String.raw`\b(\d+)\s*(?:df|degrees\s+of\s+freedom|d\.f\.)`);
  if (one !== null) return [`df=${one[1]}`];
  const size = take(String.raw`\bn\s*=\s*(\d+)`);
  return size === null ? [] : [`df=${size[1]} - 1`];
}

/** `z_{0.025}` and `t_{0.05, 10}`: by convention the point with so much above it. */
export function upperPoints(input: string): string {
  const share = String.raw`\s*(0?\.[0-4]\d*)\s*`;
  const group = String.raw`_(?:\{${share}(?:,\s*(?:df\s*=\s*)?([\d,\s]+))?\}|\(${share}(?:,\s*([\d,\s]+))?\))\s*(?:\(([\d,\s]+)\))?`;
  return input
    .replace(/\\chi\s*\^\s*\{?2\}?\s*(?=_)|χ\s*(?:²|\^2)\s*(?=_)/g, 'chi2')
    .replace(/\\chi\s*(_\{[^{}]*\})\s*\^\s*\{?2\}?/g, 'chi2$1')
    .replace(new RegExp(String.raw`(?<![\w\\])([tzF]|chi2)${group}`, 'g'), (_, family: string, a, df1, b, df2, df3) => {
      const freedom = [df1, df2, df3].find((one: string | undefined) => one !== undefined);
      return `${family}_critical(${a ?? b}${freedom === undefined ? '' : `, ${freedom}`}, "upper")`;
    });
}

/** Words for tails get the quotes of texts. */
function quoted(text: string): string {
  return text.replace(
    /(?<!["'\w])(two|one|upper|lower|left|right)(?:[-_\s]?(?:tail(?:ed|s)?|sided))?(?!\w|["']|\s*=)/gi,
    (word) => `"${word}"`,
  );
}
