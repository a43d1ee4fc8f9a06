/** What numbers and signs mean in arithmetic: scientific notation, money, percent, `x` as a sign, words. */
import { closing } from './normalize.js';
import { withoutThousands } from './thousands.js';

export interface Amounts {
  /** An expression in which `%` is only the remainder; a percentage is `percent(…)`. */
  readonly text: string;
  /** What the numbers are in: `$`, `cents`. */
  readonly money?: string;
}

/** Reads a plain text (normalize.ts). Throws where a sign can be read in two ways. */
export function readAmounts(plain: string): Amounts {
  const { text, money } = withoutMoney(wordsToSigns(plain));
  const numbers = scales(scientific(withoutThousands(text)));
  const signs = timesSign(numbers)
    .replace(/×|·/g, ' * ')
    .replace(/°\s*([CFRK])\b/g, (_, scale: string) => (scale === 'K' ? ' K' : ` deg${scale}`))
    .replace(/°/g, ' deg');
  const done = percentages(signs).replace(/ {2,}/g, ' ').trim();
  return money === undefined ? { text: done } : { text: done, money };
}

const N = String.raw`(?:\d+(?:\.\d*)?|\.\d+)`;

/** Words for signs, where numbers or brackets stand on both sides. */
function wordsToSigns(text: string): string {
  const after = String.raw`(?=\s*[-\d.($])`;
  return text
    .replace(/\s*\bper\s?cent\b(?!\()/gi, '%')
    .replace(/%\s+of\s+/gi, '% * ')
    .replace(new RegExp(String.raw`(?<=[\d)%])\s+plus\b${after}`, 'gi'), ' +')
    .replace(new RegExp(String.raw`(?<=[\d)%])\s+minus\b${after}`, 'gi'), ' -')
    .replace(new RegExp(String.raw`(?<=[\d)%])\s+(?:times|multiplied by)\b${after}`, 'gi'), ' *')
    .replace(new RegExp(String.raw`(?<=[\d)%])\s+(?:divided by|over)\b${after}`, 'gi'), ' /')
    .replace(new RegExp(String.raw`(?<=[\d)])\s+(?:(?:raised )?to the power(?: of)?)\b${after}`, 'gi'), ' ^')
    .replace(new RegExp(String.raw`(${N})\s+squared\b`, 'gi'), '$1^2')
    .replace(new RegExp(String.raw`(${N})\s+cubed\b`, 'gi'), '$1^3')
    .replace(/\b(?:the )?(?:square root|sqrt) of (?=[\d($])/gi, 'sqrt ')
    .replace(/\b(?:the )?cube root of (?=[\d(])/gi, 'cbrt ')
    .replace(/\b(?:the )?natural log(?:arithm)? of (?=[\d(])/gi, 'ln ');
}

/** Takes currency signs away; all must be of one currency. Cents beside dollars become parts of a dollar. */
function withoutMoney(text: string): { text: string; money?: string } {
  const found = new Set<string>();
  const sign = (before: string) => {
    const one = before.replace(/\s/g, '').replace(/^US\$$|^USD$/, '$');
    found.add(one);
    return '';
  };
  let plain = text
    .replace(/(?:US\s?\$|\bUSD\s?|[$€£¥₹])\s?(?=[-+]?[\d.(])/g, sign)
    .replace(/(?<=[\d)])\s*(?:USD\b|US dollars?\b|dollars?\b)/gi, () => sign('$'))
    .replace(/(?<=[\d)])\s*(?:[€£¥₹]|euros?\b|EUR\b)/gi, (one) => sign(/^\s*e/i.test(one) ? '€' : one.trim()));
  if (found.size > 1) throw new Error(`two currencies (${[...found].join(', ')}); convert to one, e.g. 100 * 1.08`);
  let money = [...found][0];
  const cents = new RegExp(String.raw`(${N}|\))\s*(?:cents?\b|¢)`, 'gi');
  if (cents.test(plain)) {
    if (money === undefined) {
      plain = plain.replace(cents, '$1');
      money = 'cents';
    } else plain = plain.replace(cents, '$1*0.01');
  }
  return money === undefined ? { text: plain } : { text: plain, money };
}

const POWER_OF_TEN = new RegExp(
  String.raw`(?<![\w.^])(${N})\s*([×·*xX])\s*10\s*\^\s*(?:\(\s*([-+]?\d+)\s*\)|([-+]?\d+))(?![\w.!^(]|\s*\^)`,
  'g',
);

/** `2.4 × 10^-5` is one number. After a division that is how it is meant, though not how signs are read. */
function scientific(text: string): string {
  if (/(?:[×]|(?<=\d)\s+[xX])\s*10\s?-\s?\d/.test(text)) {
    throw new Error('10-5 may be 10 to the power of -5, or 5; write 2.4e-5 or 10^-5');
  }
  return text.replace(POWER_OF_TEN, (all, digits: string, sign: string, a: string, b: string, at: number) => {
    const exponent = Number(a ?? b);
    const divided = /[/]\s*$/.test(text.slice(0, at));
    if (sign === '*' && !divided) return all;
    const usual = Number(digits) >= 1 && Number(digits) < 10;
    if (divided && (sign === '*' || !usual)) {
      throw new Error(
        `/ ${all.trim()} can be read in two ways; write / (${all.trim()}) or brackets around what is divided`,
      );
    }
    return `${digits.endsWith('.') ? digits.slice(0, -1) : digits}e${exponent}`;
  });
}

/** `1.2 million` is 1.2e6. */
function scales(text: string): string {
  const powers: Readonly<Record<string, number>> = { hundred: 2, thousand: 3, million: 6, billion: 9, trillion: 12 };
  return text
    .replace(
      new RegExp(String.raw`(?<![\w.])(${N})\s+(hundred|thousand|million|billion|trillion)\b`, 'gi'),
      (_, digits: string, word: string) => `${digits}e${powers[word.toLowerCase()]}`,
    )
    .replace(new RegExp(String.raw`(?<![\w.])(${N})\s+dozen\b`, 'gi'), '($1*12)');
}

/** `3 x 4`: a sign, unless `x` is a variable of the text. `0x1F` is a number. */
function timesSign(text: string): string {
  if (/(?:^|[;\n,(])\s*x\s*=(?!=)/.test(text)) return text;
  return text
    .replace(/(?<![\w.])((?:\d*\.)?\d+)x(?=\d)/g, (all, digits: string) => (digits === '0' ? all : `${digits} * `))
    .replace(/(?<=[\w)\]%])\s+[xX]\s+(?=[-\d(.])/g, ' * ')
    .replace(/(?<=[)\]])[xX](?=[\d(.])/g, ' * ');
}

/**
 * `%` after a number is a percentage, between two operands (`17 % 5`) the remainder. `17 % -5` and `50%(2)` can be read
 * both ways.
 */
function percentages(text: string): string {
  let out = text;
  for (let at = out.indexOf('%'); at >= 0; at = out.indexOf('%', at + 1)) {
    const before = out.slice(0, at).trimEnd();
    const after = out.slice(at + 1);
    const spaceBefore = before.length < at;
    const spaceAfter = /^\s/.test(after);
    const next = after.trimStart()[0] ?? '';
    if (/[\w.([]/.test(next)) {
      const remainder = spaceBefore === spaceAfter && (spaceBefore || /[\w.]/.test(next));
      if (!remainder) throw twoWays();
      continue;
    }
    if (spaceBefore && next === '-') throw twoWays();
    const start = operandStart(before);
    if (start === null) throw new Error('% needs a number before it, e.g. 15% * 240 or 17 mod 5');
    const operand = before.slice(start);
    const mixed = MIXED.exec(before);
    if (mixed === null) refuseFraction(before.slice(0, start), operand);
    const from = mixed?.index ?? start;
    const inner = mixed ? `${mixed[1]}+${mixed[2]}` : operand.replace(/^\((.*)\)$/s, '$1');
    const put = `percent(${inner})`;
    out = before.slice(0, from) + put + after;
    at = from + put.length - 1;
  }
  return out;
}

/** How a percentage is shown: `percent(5)` as `(5/100)`. */
export function shownPercents(text: string): string {
  const at = text.search(/\bpercent\(/);
  const end = at < 0 ? -1 : closing(text, at + 7);
  if (end < 0) return text;
  const inner = shownPercents(text.slice(at + 8, end));
  const number = /^[\d.e]+$/.test(inner) ? inner : `(${inner})`;
  return `${text.slice(0, at)}(${number}/100)${shownPercents(text.slice(end + 1))}`;
}

/** `33 1/3%`. */
const MIXED = /(?<=(?:^|[-+*/(,=])\s*)(\d+)\s+(\d+\/\d+)$/;

/** `1/4%` is a quarter of a percent for some, 1/(4%) by the order of signs; `100/5%` and `1.90 / 9%` are divisions. */
function refuseFraction(before: string, operand: string): void {
  const above = /(?<![\w.])(\d+)\/$/.exec(before)?.[1];
  if (above === undefined || !/^\d+$/.test(operand) || Number(above) >= Number(operand)) return;
  throw new Error(
    `${above}/${operand}% can be read in two ways; write (${above}/${operand})% or ${above} / (${operand}/100)`,
  );
}

function twoWays(): Error {
  return new Error('% can be a percentage or a remainder here; write 0.15 * 240 or 17 mod 5');
}

/** Where the number or the bracket begins that ends the text. */
function operandStart(text: string): number | null {
  const number = new RegExp(String.raw`(?<![\w.])${N}(?:e[-+]?\d+)?$`, 'i').exec(text);
  if (number) return number.index;
  if (!text.endsWith(')')) return null;
  for (let at = text.length - 1; at >= 0; at--) {
    if (text[at] === '(' && closing(text, at) === text.length - 1) return /\w$/.test(text.slice(0, at)) ? null : at;
  }
  return null;
}
