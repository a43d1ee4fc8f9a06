/** Empirical and molecular formulas from what a compound is made of. */
import { isElement, massOfAtoms } from './elementTable.js';
import { parseFormula } from './formula.js';
import { NUMBER, numberFrom, significant } from './quantities.js';
import { IS, Taking } from './taking.js';

/** Analyses are good to about one percent of a number; 0.1 off is another ratio. */
const isNearlyWhole = (value: number): boolean =>
  Math.abs(value - Math.round(value)) <= Math.min(0.1, 0.01 + 0.012 * value);

/** `40 % C, 6.7 % H, 53.3 % O`: the simplest whole numbers, and with a molar mass the molecule's. */
export function empirical(input: string): string {
  const words = new Taking(input.replace(/\b(?:empirical|molecular)\b/gi, ' '));
  const molar = words.take(
    String.raw`\b(?:molar\s+mass|molecular\s+(?:weight|mass)|M)${IS}(${NUMBER})\s*(?:g\s*\/\s*mol|amu|u)?\b`,
  );
  const before = String.raw`(${NUMBER})\s*(%|g\b|grams?\b|percent\b|mol\b|moles\b)?\s*(?:of\s+)?([A-Z][a-z]?)(?![A-Za-z\d])`;
  const after = String.raw`(?<![A-Za-z])([A-Z][a-z]?)\s*(?:=|:)?\s*(${NUMBER})\s*(%|g\b|grams?\b|percent\b|mol\b|moles\b)`;
  const parts =
    words.has(after, '') && /^[^\d]*[A-Z][a-z]?\s*[=:]?\s*\d/.test(input)
      ? words.all(after, '').map(([, symbol, value, unit]) => ({ symbol: symbol!, value: value!, unit: unit! }))
      : words.all(before, '').map(([, value, unit, symbol]) => ({ symbol: symbol!, value: value!, unit: unit ?? '' }));
  const rest = words.rest(
    /\b(?:what|is|the|of|an?|with|formula|compound|that|contains|containing|find|determine|calculate|and|by|mass|for|from|composition|percent|given|has|having|which|its)\b/gi,
  );
  if (rest !== '' || parts.length < 2)
    throw new Error(
      `cannot read "${(rest || input).slice(0, 40)}"; write e.g. empirical formula 40 % C, 6.7 % H, 53.3 % O`,
    );
  return fromParts(parts, molar === null ? undefined : numberFrom(molar[1]!));
}

const FACTORS = Array.from({ length: 12 }, (_, i) => i + 1);

/** One unit of the last digit that is written. */
function lastDigit(value: string): number {
  const decimals = (value.match(/(?<=\.)\d+/)?.[0] ?? '').length;
  const mantissa = Number.parseFloat(value.replace(/,/g, '').replace('−', '-'));
  return (numberFrom(value) / mantissa) * 10 ** -decimals;
}

/** Whether a formula with these counts gives back what was found, to one unit of the last digit. */
function fits(
  parts: readonly { value: string }[],
  masses: readonly number[],
  counts: readonly number[],
  total: number,
): boolean {
  const whole = counts.reduce((sum, count, i) => sum + count * masses[i]!, 0);
  return parts.every(
    ({ value }, i) =>
      Math.abs((total * counts[i]! * masses[i]!) / whole - numberFrom(value)) <= 1.000001 * Math.abs(lastDigit(value)),
  );
}

function fromParts(
  parts: readonly { symbol: string; value: string; unit: string }[],
  molar: number | undefined,
): string {
  const units = new Set(
    parts.map(({ unit }) =>
      unit
        .replace(/^percent$/, '%')
        .replace(/^g.*/, 'g')
        .replace(/^mol.*/, 'mol'),
    ),
  );
  if (units.size > 1 || units.has('')) throw new Error('all parts in %, all in g or all in mol expected');
  const [unit] = [...units];
  const total = parts.reduce((sum, { value }) => sum + numberFrom(value), 0);
  if (unit === '%' && Math.abs(total - 100) > 1)
    throw new Error(`the percentages add up to ${significant(total)}, not to 100`);
  for (const { symbol } of parts) if (!isElement(symbol)) throw new Error(`no element ${symbol}`);
  if (new Set(parts.map(({ symbol }) => symbol)).size < parts.length) throw new Error('an element is given twice');
  const masses = parts.map(({ symbol }) => (unit === 'mol' ? 1 : massOfAtoms(new Map([[symbol, 1]]))));
  const moles = parts.map(({ value }, i) => numberFrom(value) / masses[i]!);
  if (!moles.every((one) => one > 0)) throw new Error('every part must be above 0');
  const least = Math.min(...moles);
  const fitting = FACTORS.filter((times) => {
    const near = moles.map((one) => (one / least) * times);
    return near.every(isNearlyWhole) && fits(parts, masses, near.map(Math.round), unit === '%' ? 100 : total);
  });
  // Among large numbers something always fits: there only one may.
  const factor = fitting[0]! > 6 && fitting.length > 1 ? undefined : fitting[0];
  const ratio = moles.map((one) => significant(Number((one / least).toPrecision(4)))).join(' : ');
  if (factor === undefined)
    throw new Error(`the ratio ${ratio} is near no small whole numbers; give the parts more exactly`);
  const counts = moles.map((one) => Math.round((one / least) * factor));
  const write = (times: number) =>
    parts.map(({ symbol }, i) => `${symbol}${counts[i]! * times === 1 ? '' : counts[i]! * times}`).join('');
  const formula = write(1);
  const mass = massOfAtoms(parseFormula(formula, isElement).atoms);
  const said = `empirical formula ${formula} (moles ${parts.map(({ symbol }) => symbol).join(' : ')} = ${ratio}; ${mass.toFixed(3)} g/mol)`;
  if (molar === undefined) return said;
  const times = Math.round(molar / mass);
  if (times < 1 || Math.abs(molar / mass - times) > 0.05 * times)
    throw new Error(`${said}: ${significant(molar)} g/mol is no multiple of it`);
  return `${said}; molecular formula ${write(times)}`;
}
