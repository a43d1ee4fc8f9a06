/**
 * Verifier `number`: reads a number exactly, as a fraction, so that no digit of a long one is lost, and compares within
 * tolerances. A text that may mean two numbers, or a number and something else, is not read: `1,5`, `3 or 4`, `5 km` where no
 * unit was named.
 *
 *   888   −3.5   .5   1,234,567.8   1 234   2.5e-3   6.02 × 10^23   10⁻³   3/4   1 1/2   \frac{3}{4}   x = 5   about 5   2.5 million
 */
import { Fraction } from 'fraction.js';
import type { VerifierSettings } from './verifierSettings.js';

type NumberSettings = Extract<VerifierSettings, { name: 'number' }>;

/** Powers of ten past this are not read: their fractions would have thousands of digits. */
const MOST_EXPONENT = 400;
const MOST_DIGITS = 400;

const GROUP = '[, \\u00a0\\u2009\\u202f]';
// Groups of three, all with the same separator, or plain digits, with a fraction or none.
const DECIMAL = `(?:\\d{1,3}(?:(?<s>${GROUP})\\d{3}(?:\\k<s>\\d{3})*)(?!\\d)|\\d+)(?:\\.\\d+)?|\\.\\d+`;
// A space would be that of 1 1/2.
const part = (name: string) => `(?<${name}>\\d{1,3}(?:,\\d{3})+(?!\\d)|\\d+(?:\\.\\d+)?)`;
const POWER =
  '(?:[eE](?<e>[+-]?\\d{1,4})|\\s*(?:x|×|\\*|·|\\\\times|\\\\cdot)\\s*10(?:\\^|\\*\\*)[{(]?(?<p>[+-]?\\d{1,4})[)}]?)';

const SIGN = '(?<sign>[+-]?)\\s*';
const FRACTION = new RegExp(`^${SIGN}(?:(?<whole>\\d+)\\s+)?${part('top')}\\s*/\\s*${part('bottom')}`);
const LATEX = new RegExp(`^${SIGN}(?<whole>\\d+)?\\s*\\\\[dt]?frac\\{${part('top')}\\}\\{${part('bottom')}\\}`);
const TEN = /^(?<sign>[+-]?)10(?:\^|\*\*)[{(]?(?<p>[+-]?\d{1,4})[)}]?/;
const PLAIN = new RegExp(`^${SIGN}(?<n>${DECIMAL})${POWER}?`);

const BEFORE = /^(?:[A-Za-z]\w{0,30}\s*)?(?:=|≈|~)\s*|^(?:about|approximately|roughly|exactly)\s+/i;
const SCALES: Readonly<Record<string, number>> = { hundred: 2, thousand: 3, million: 6, billion: 9, trillion: 12 };

/** The number that all of a text says; null when it says none, or more than one. */
export function readNumber(text: string, unit: string | null = null): Fraction | null {
  if (text.length > 2 * MOST_DIGITS) return null;
  const plain = plainDigits(text).replace(BEFORE, '');
  const found = startingNumber(withoutCurrency(plain, unit));
  if (found === null) return null;
  const scale = /^\s*(hundred|thousand|million|billion|trillion)s?\b/i.exec(found.rest);
  const value = scale === null ? found.value : found.value.mul(tenTo(SCALES[scale[1]!.toLowerCase()]!));
  const rest = found.rest.slice(scale?.[0].length ?? 0).trim();
  return isUnit(rest, unit) ? value : null;
}

/** Whether a read number is the right one: |x − y| ≤ max(absolute, relative · |y|). */
export function isClose(x: Fraction, right: Fraction, { absolute, relative }: NumberSettings): boolean {
  const [least, share] = [exactly(absolute), exactly(relative).mul(right.abs())];
  const off = x.sub(right).abs();
  return off.lte(least) || off.lte(share);
}

/** A tolerance as it was written: 0.1 is a tenth. */
const exactly = (value: number): Fraction => readNumber(String(value))!;

/** A minus as a hyphen, and raised digits as a power: 10⁵ is 10^5. */
function plainDigits(text: string): string {
  return text
    .trim()
    .replace(/[−–]/g, '-')
    .replace(/10([⁺⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+)/g, (_, raised: string) => `10^${raised.replace(/./gu, lowered)}`);
}

const RAISED = '⁰¹²³⁴⁵⁶⁷⁸⁹';
const lowered = (sign: string): string => (sign === '⁻' ? '-' : sign === '⁺' ? '+' : String(RAISED.indexOf(sign)));

interface Found {
  readonly value: Fraction;
  readonly rest: string;
}

function startingNumber(text: string): Found | null {
  for (const form of [FRACTION, LATEX, TEN, PLAIN]) {
    const match = form.exec(text);
    if (match === null) continue;
    const value = numberOf(match.groups!);
    return value === null ? null : { value, rest: text.slice(match[0].length) };
  }
  return null;
}

function numberOf({ sign, whole, top, bottom, n, e, p }: Record<string, string | undefined>): Fraction | null {
  const exponent = Number(e ?? p ?? 0);
  if (Math.abs(exponent) > MOST_EXPONENT) return null;
  const size = top === undefined ? digits(n ?? '1').mul(tenTo(exponent)) : ratio(whole, top, bottom!);
  return size === null ? null : sign === '-' ? size.neg() : size;
}

function ratio(whole: string | undefined, top: string, bottom: string): Fraction | null {
  const [above, below] = [digits(top), digits(bottom)];
  if (below.equals(0)) return null;
  // 1 234/5 may be 1234 fifths.
  if (whole !== undefined && above.gte(below)) return null;
  return above.div(below).add(digits(whole ?? '0'));
}

const digits = (text: string): Fraction => {
  const plain = text.replace(/[^\d.]/g, '');
  return new Fraction(plain.startsWith('.') ? `0${plain}` : plain);
};

const tenTo = (exponent: number): Fraction => {
  const power = new Fraction(10n ** BigInt(Math.abs(exponent)));
  return exponent < 0 ? power.inverse() : power;
};

/** `$5`, where the dollar is the unit or any unit is left aside. */
function withoutCurrency(text: string, unit: string | null): string {
  const currency = /^([+-]?)\s*(\\?\p{Sc})\s*/u.exec(text);
  if (currency === null || unit === null || (unit !== 'any' && unit !== currency[2]!.replace('\\', ''))) return text;
  return currency[1]! + text.slice(currency[0].length);
}

/** Whether what follows a number is a unit that is left aside. Digits may stand in one, but not a second number. */
function isUnit(rest: string, unit: string | null): boolean {
  if (rest === '' || rest === '.') return true;
  if (unit === null) return false;
  const plain = rest
    .replace(/\s+/g, ' ')
    .replace(/^\\(?=[%$])/, '')
    .replace(/^\\text\{(.*)\}$/, '$1')
    .trim();
  if (unit !== 'any') return plain === plainDigits(unit).replace(/\s+/g, ' ');
  return plain.length <= 60 && /^[\p{L}\p{Sc}%°µ]/u.test(plain) && !/(?:^|[\s-])\d|=/.test(plain);
}
