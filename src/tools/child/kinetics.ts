/**
 * Rates of reactions: integrated rate laws of order zero, one and two with their half-lives, Arrhenius, and orders from initial
 * rates (initialRates.ts). The order is said, or follows from the unit of k.
 */
import { answerArrhenius, isAboutArrhenius } from './arrhenius.js';
import { answerInitialRates, isAboutInitialRates } from './initialRates.js';
import { NUMBER, numberFrom, significant } from './quantities.js';
import { IS, Taking } from './taking.js';

const FORMS =
  'write e.g. half-life, first order, k = 0.05 s^-1, or [A] after 30 s, second order, k = 0.5 M^-1 s^-1, [A]0 = 0.1 M';
const TIME: Readonly<Record<string, readonly [name: string, seconds: number]>> = {};
for (const [name, seconds, words] of [
  ['s', 1, 's sec second seconds'],
  ['min', 60, 'min mins minute minutes'],
  ['h', 3600, 'h hr hrs hour hours'],
  ['d', 86400, 'd day days'],
  ['y', 31557600, 'y yr yrs year years'],
] as const)
  for (const word of words.split(' ')) (TIME as Record<string, readonly [string, number]>)[word] = [name, seconds];
const TIME_UNIT = String.raw`(?:${Object.keys(TIME)
  .sort((a, b) => b.length - a.length)
  .join('|')})(?![A-Za-z\d^])`;
/** `1/(M s)`, `M^-1 s^-1`, `L/(mol s)`, `s-1`, `per minute`. */
const PER_TIME = String.raw`(?:(?:\/|per)\s*\(?\s*(${TIME_UNIT})\)?|(?:·|\*)?\s*(?<![A-Za-z])(s|sec|min|h|hr|d|day|y|yr)\s*\^?\(?-1\)?)`;
const PER_MOLAR = String.raw`(?:M\s*\^?\(?-1\)?|L\s*(?:\/\s*mol|(?:·|\*)?\s*mol\s*\^?\(?-1\)?)|(?:dm\^?3)\s*mol\s*\^?\(?-1\)?|1\s*\/\s*M)\s*`;
const MOLES = String.raw`(?:M|mol\s*\/\s*(?:L|dm\^?3)|mol\s*(?:L|dm)\^?-[13])`;
const FILLER =
  /\b(?:what|is|are|the|of|an?|in|at|for|to|if|and|when|with|given|that|has|have|having|find|calculate|compute|determine|from|how|much|long|will|it|take|takes|does|do|be|reactions?|rate|constant|law|integrated|concentration|initial|initially|final|remaining|remains?|left|fraction|percent(?:age)?|half[- ]?li(?:fe|ves)|t_?\{?1\/2\}?|time|after|until|reach(?:es)?|fall(?:s)?|drops?|decreases?|decomposes?|decomposed|decomposition|decay(?:s|ed)?|react(?:s|ed)?|complete(?:d)?|completion|order|its|value|reactant|k|A|t|using|original|amount|by|kinetics|present|whose|which|needed|required|consumed|radioactive|isotope|nuclide|sample|age|old|constant|decaying|years?)\b|\[A\](?:_?(?:0|t))?|%/gi;

/** A half-life with a number, of which a time or what is left is asked: a nuclide's, which does not depend on the amount. */
const isAboutDecay = (text: string): boolean =>
  new RegExp(String.raw`\bhalf[- ]?life${IS}${NUMBER}\s*${TIME_UNIT}`, 'i').test(text) &&
  /\b(?:decay\w*|radioactive|isotope|nuclide|sample|age|old|remain\w*|left)\b|\b[A-Z][a-z]?-\d{1,3}\b|\d\s*(?:m?g|kg|grams?)(?![A-Za-z/])/i.test(
    text,
  ) &&
  !/\border\b/i.test(text);

export const isAboutRates = (text: string): boolean =>
  isAboutArrhenius(text) ||
  isAboutInitialRates(text) ||
  isAboutDecay(text) ||
  /\b(?:zero(?:th)?|first|second|1st|2nd|0th)[- ]order\b|\border\s*(?:=|of)?\s*[012]\b|\b(?:integrated )?rate (?:law|constant)\b/i.test(
    text,
  ) ||
  (/\bk\s*=/.test(text) && /\bhalf[- ]?life\b|t_?\{?1\/2\}?|\[A\]/.test(text));

export function answerRates(input: string): string {
  if (isAboutArrhenius(input)) return answerArrhenius(input);
  return isAboutInitialRates(input) ? answerInitialRates(input) : answerOrder(input);
}

interface Given {
  readonly order: 0 | 1 | 2;
  /** The unit of time of k, or of the first time; others are turned into it. */
  readonly unit: string;
  readonly k?: number;
  readonly half?: number;
  readonly t?: number;
  /** mol/L, or a share of one in first order. */
  readonly start?: number;
  readonly end?: number;
  /** Left, of one. */
  readonly left?: number;
}

/** What needs the time, or what is left; a half-life and k come by themselves. */
type Asked = 't' | 'end' | 'left';

function answerOrder(input: string): string {
  // A rate is not among what is answered, and a half-life is no answer to it.
  if (/\brates?\b(?![\s-]+(?:constants?|laws?)\b)/i.test(input))
    throw new Error(`a rate itself is not computed here, only what follows from the rate constant; ${FORMS}`);
  const words = new Taking(
    input
      .replace(/\[A\]_?\{?(?:0|o|initial|i)\}?|\[A_?0\]|\[A\]₀|\bA_?0\b/g, '[A]0')
      .replace(/\[A\]_?\{?t\}?(?![a-z])/g, '[A]')
      .replace(/\bt_?\{?\(?1\/2\)?\}?|\bt½/g, 'half-life'),
  );
  const decay = isAboutDecay(input);
  const said = decay ? 1 : orderSaid(words);
  if (decay) words.all(String.raw`\b[A-Z][a-z]?-\d{1,3}\b`, '');
  const grams = decay ? words.take(String.raw`(${NUMBER})\s*(g|mg|kg|grams?|atoms|counts)(?![A-Za-z/])`) : null;
  const rate = words.take(
    String.raw`(?:\bk|\brate\s+constant)(?:\s*\(?k\)?)?${IS}(${NUMBER})\s*(?:(${PER_MOLAR})?${PER_TIME}|(${MOLES})\s*${PER_TIME}|(?:L|1|)\s*\/\s*\(?\s*(?:M|mol)\s*(?:·|\*)?\s*(s|min|h)\)?)`,
    '',
  );
  const half = words.take(String.raw`\bhalf[- ]?life${IS}(${NUMBER})\s*(${TIME_UNIT})`);
  const start =
    words.take(
      String.raw`(?:\[A\]0|\binitial(?:\s+concentration)?(?:\s+of\s+[A-Z]\w*)?|\bfrom)${IS}(${NUMBER})\s*${MOLES}(?![A-Za-z])`,
    ) ?? words.take(String.raw`\[A\]0${IS}(${NUMBER})`);
  const end =
    words.take(String.raw`(?:\[A\](?!0)|\bfinal(?:\s+concentration)?|\bto)${IS}(${NUMBER})\s*${MOLES}(?![A-Za-z])`) ??
    words.take(String.raw`\[A\](?!0)\s*=\s*(${NUMBER})`);
  const share = shareLeft(words);
  const time = words.take(String.raw`(?:\bafter|\bt|\btime|\bin|\bat)${IS}(${NUMBER})\s*(${TIME_UNIT})`);
  const asked = whatIsAsked(words);
  const rest = words.rest(FILLER);
  if (rest !== '') throw new Error(`cannot read "${rest.slice(0, 40)}"; ${FORMS}`);
  const byUnit =
    rate === null ? undefined : rate[5] !== undefined ? 0 : rate[2] !== undefined || rate[8] !== undefined ? 2 : 1;
  if (said !== undefined && byUnit !== undefined && said !== byUnit)
    throw new Error(`a rate constant in these units is of order ${byUnit}, not ${said}`);
  const order = said ?? byUnit;
  if (order === undefined) throw new Error(`of which order? ${FORMS}`);
  const unitWord = rate === null ? (half?.[2] ?? time?.[2]) : (rate[3] ?? rate[4] ?? rate[6] ?? rate[7] ?? rate[8]);
  if (unitWord === undefined) throw new Error(`a rate constant with its unit, or a half-life, is needed; ${FORMS}`);
  const [unit, seconds] = TIME[unitWord.toLowerCase()]!;
  const inUnit = (match: RegExpExecArray | null): number | undefined =>
    match === null ? undefined : (numberFrom(match[1]!) * TIME[match[2]!.toLowerCase()]![1]) / seconds;
  const given: Record<string, number | undefined> = {
    k: rate === null ? undefined : numberFrom(rate[1]!),
    half: inUnit(half),
    t: inUnit(time),
    start: start === null ? undefined : numberFrom(start[1]!),
    end: end === null ? undefined : numberFrom(end[1]!),
    left: share,
  };
  for (const [name, value] of Object.entries(given))
    if (value !== undefined && !(value > 0)) throw new Error(`${name} must be above 0`);
  const known = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  if (grams !== null && (start !== null || end !== null))
    throw new Error('an amount and a concentration; give one of them');
  const found = answer({ order, unit, ...known }, asked);
  if (decay) return decayed(found, grams, input);
  const note = said === undefined ? `order ${order} by the unit of k; ` : '';
  return note + found;
}

/** What is left of an amount, or was there before, where the time says it. */
function decayed(found: string, grams: RegExpExecArray | null, input: string): string {
  const left = /^([\d.e-]+) % left/.exec(found);
  if (grams === null || left === null) {
    if (grams !== null) throw new Error(`what is left of ${grams[0].trim()} needs the time; ${FORMS}`);
    return found;
  }
  const [amount, share, unit] = [numberFrom(grams[1]!), Number(left[1]) / 100, grams[2]!];
  const whole = '(?:original|initial|starting)(?:ly)?';
  const asksWhole =
    new RegExp(String.raw`\b${whole}\s+(?:amount|mass|sample|quantity)\b(?!\s*(?:=|of|is|was|:)?\s*\d)`, 'i').test(
      input,
    ) ||
    new RegExp(String.raw`\b(?:how\s+much|what)\b.*\b${whole}\b(?!\s*\d)|\bat\s+the\s+(?:start|beginning)\b`, 'i').test(
      input,
    );
  const isLeft = /\d\s*(?:m?g|kg|grams?|atoms|counts)\s+(?:of\s+\S+\s+)?(?:(?:is|are)\s+)?(?:remain\w*|left)\b/i.test(
    input,
  );
  if (asksWhole || isLeft)
    return `${significant(amount / share)} ${unit} at the start, if ${grams[1]} ${unit} are left: ${found}`;
  if (/\b(?:has|have|had)\s+decayed\b|\bhow\s+much\s+(?:has\s+)?decay/i.test(input))
    return `${significant(amount * (1 - share))} ${unit} of ${grams[1]} ${unit} decayed: ${found}`;
  return `${significant(amount * share)} ${unit} left of ${grams[1]} ${unit}: ${found}`;
}

function orderSaid(words: Taking): Given['order'] | undefined {
  const found =
    words.take(
      String.raw`\b(zero(?:th)?|first|second|third|pseudo[- ]first|[0-3](?:st|nd|rd|th)?)[- ]order\b(?:\s+(?:reaction|kinetics|decay|process|rate\s+law))?`,
    ) ?? words.take(String.raw`\border\s*(?:=|of|is)?\s*([0-3])\b`);
  if (found === null) return undefined;
  const word = found[1]!.toLowerCase();
  if (/^(?:third|3)/.test(word)) throw new Error('orders zero, one and two are computed here');
  return /^(?:zero|0)/.test(word) ? 0 : /^(?:second|2)/.test(word) ? 2 : 1;
}

/** `75 % complete`, `25 % remains`, `to 1/8 of its initial value`, as what is left of one. */
function shareLeft(words: Taking): number | undefined {
  const gone = words.take(
    String.raw`(${NUMBER})\s*(?:%|percent)\s*(?:of\s+(?:the\s+|its\s+)?(?:reactant\s+|reaction\s+|A\s+)?)?(?:is\s+|has\s+|have\s+|to\s+|been\s+|be\s+)*(?:complet\w*|decompos\w*|react\w*|decay(?:s|ed)?|consumed|gone|used|converted|conversion)`,
  );
  const left = words.take(
    String.raw`(${NUMBER})\s*(?:%|percent)\s*(?:of\s+(?:the\s+|its\s+)?(?:\w+\s+){0,3}?)?(?:;\s*)?(?:is\s+|are\s+)?(?:remain\w*|left|initial|original)`,
  );
  const part = words.take(
    String.raw`\bto\s+(\d+)\s*\/\s*(\d+)(?:\s+of(?:\s+(?:its|the))?(?:\s+(?:initial|original|starting))?(?:\s+(?:value|concentration|amount))?)?`,
  );
  const fraction = words.take(
    String.raw`\b(\d+)\s*\/\s*(\d+)\s+(?:of\s+(?:the\s+|an?\s+|its\s+)?(?:original\s+|initial\s+)?(?:sample|amount|value|concentration|activity)|remain\w*|left)`,
  );
  const shares = [
    ...(gone === null ? [] : [1 - numberFrom(gone[1]!) / 100]),
    ...(left === null ? [] : [numberFrom(left[1]!) / 100]),
    ...[part, fraction].flatMap((one) => (one === null ? [] : [Number(one[1]) / Number(one[2])])),
  ];
  if (shares.length > 1) throw new Error('what is left is given twice');
  if (shares[0] !== undefined && !(shares[0] > 0 && shares[0] < 1)) throw new Error('a share between 0 and 1 expected');
  return shares[0];
}

function whatIsAsked(words: Taking): Asked | undefined {
  if (words.has(String.raw`\b(?:fraction|percent(?:age)?)\b`)) return 'left';
  if (words.has(String.raw`\bhow\s+(?:long|old)\b|\btime\b|\bage\b`)) return 't';
  if (words.has(String.raw`\bhalf[- ]?li`)) return undefined;
  if (words.has(String.raw`\b(?:rate|decay)\s+constant\b|\b(?:find|calculate|determine|what\s+is)\s+k\b|^\s*k\b`))
    return undefined;
  return words.has(String.raw`\[A\]|\bconcentration\b|\bhow\s+much\b`) ? 'end' : undefined;
}

function answer(given: Given, asked: Asked | undefined): string {
  const { order, unit, left } = given;
  if (left !== undefined && given.end !== undefined) throw new Error('what is left is given twice');
  const scale = order === 1 ? 1 : undefined;
  const start = given.start ?? (order === 1 && given.end !== undefined ? undefined : scale);
  const end = given.end ?? (left === undefined || start === undefined ? undefined : left * start);
  const k = given.k ?? fromHalf(given, start) ?? fromTwo(order, start, end, given.t);
  if (k === undefined)
    throw new Error(
      `k, or a half-life, or two concentrations and the time between, needed${order === 1 ? '' : ', with [A]0'}; ${FORMS}`,
    );
  if (given.k !== undefined && given.half !== undefined)
    throw new Error('k and the half-life are given; one is enough');
  const kUnit = order === 0 ? `M/${unit}` : order === 1 ? `${unit}^-1` : `M^-1 ${unit}^-1`;
  const name = ['zero', 'first', 'second'][order]!;
  const said = (text: string) => `${text} (${name} order: ${LAWS[order]}, k = ${significant(k)} ${kUnit})`;
  const half =
    order === 1 ? Math.LN2 / k : start === undefined ? undefined : order === 0 ? start / (2 * k) : 1 / (k * start);
  if (given.t !== undefined && end !== undefined && given.k === undefined && given.half === undefined) {
    return said(
      `k = ${significant(k)} ${kUnit}${half === undefined ? '' : `, half-life = ${significant(half)} ${unit}`}`,
    );
  }
  if (given.t !== undefined && end !== undefined)
    throw new Error('more is given than is needed: leave out the time or what is left');
  if (given.t !== undefined) return said(afterTime(order, k, given.t, start, unit, given.start !== undefined));
  if (end !== undefined) {
    if (start === undefined) throw new Error(`[A]0 is needed; ${FORMS}`);
    const t = order === 0 ? (start - end) / k : order === 1 ? Math.log(start / end) / k : (1 / end - 1 / start) / k;
    if (!(t >= 0)) throw new Error('the concentration at the end must be below the one at the start');
    return said(`t = ${significant(t)} ${unit}`);
  }
  if (asked !== undefined) throw new Error(`${asked === 't' ? 'what is left' : 'the time'} is needed; ${FORMS}`);
  if (given.half !== undefined) return said(`k = ${significant(k)} ${kUnit}`);
  if (half === undefined) throw new Error(`the half-life of order ${order} needs [A]0; ${FORMS}`);
  return said(`half-life = ${significant(half)} ${unit}`);
}

const LAWS = [
  '[A] = [A]0 - kt, half-life [A]0/(2k)',
  'ln([A]0/[A]) = kt, half-life ln 2/k',
  '1/[A] = 1/[A]0 + kt, half-life 1/(k[A]0)',
];

function fromHalf({ order, half }: Given, start: number | undefined): number | undefined {
  if (half === undefined) return undefined;
  if (order === 1) return Math.LN2 / half;
  if (start === undefined) return undefined;
  return order === 0 ? start / (2 * half) : 1 / (half * start);
}

function fromTwo(
  order: Given['order'],
  start: number | undefined,
  end: number | undefined,
  t: number | undefined,
): number | undefined {
  if (start === undefined || end === undefined || t === undefined) return undefined;
  const k = order === 0 ? (start - end) / t : order === 1 ? Math.log(start / end) / t : (1 / end - 1 / start) / t;
  if (!(k > 0)) throw new Error('the concentration at the end must be below the one at the start');
  return k;
}

function afterTime(
  order: Given['order'],
  k: number,
  t: number,
  start: number | undefined,
  unit: string,
  molar: boolean,
): string {
  if (start === undefined) throw new Error(`[A]0 is needed; ${FORMS}`);
  const end = order === 0 ? start - k * t : order === 1 ? start * Math.exp(-k * t) : 1 / (1 / start + k * t);
  if (end < 0) return `nothing is left: it is used up at t = ${significant(start / k)} ${unit}`;
  const share = `${significant((100 * end) / start)} % left, ${significant(100 - (100 * end) / start)} % reacted`;
  return molar ? `[A] = ${significant(end)} M, ${share}` : share;
}
