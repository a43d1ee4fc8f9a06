/** Arrhenius: k = A e^(-Ea/RT), at one temperature, or the ratio of two rate constants. */
import { GAS_CONSTANT as R } from './constants.js';
import { NUMBER, numberFrom, significant } from './quantities.js';
import { IS, Taking } from './taking.js';

const ENERGY: Readonly<Record<string, number>> = { 'J/mol': 1, 'kJ/mol': 1e3, 'cal/mol': 4.184, 'kcal/mol': 4184 };
const FORMS =
  'write e.g. Arrhenius k1 = 0.01 s^-1, T1 = 300 K, k2 = 0.02 s^-1, T2 = 310 K, or Ea = 50 kJ/mol, T1 = 300 K, T2 = 310 K';
const DEGREE = String.raw`(?:K|°\s*C|deg\s?C|C)(?![A-Za-z])`;
const FILLER =
  /\b(?:what|is|are|the|of|an?|in|at|for|to|if|and|when|with|given|find|calculate|compute|determine|arrhenius|equation|activation|energy|ea|rate|constants?|reaction|temperature|factor|frequency|pre-?exponential|ratio|k[12]?|how|many|times|faster|does|it|by|using|from|increases?|its|has|double|doubles|A|T[12]?)\b|k_?2\s*\/\s*k_?1/gi;

export const isAboutArrhenius = (text: string): boolean =>
  /\barrhenius\b|\bactivation energy\b|\bE_?\{?a\}?\s*=/i.test(text);

export function answerArrhenius(input: string): string {
  const text = bound(input.replace(/E_?\{?a\}?(?![a-z])/g, 'Ea').replace(/\b([kT])_?\{?([12])\}?/g, '$1$2'));
  const words = new Taking(text);
  const energy = words.take(
    String.raw`(?:\bEa\b|\bactivation\s+energy\b)(?:\s*\(?Ea\)?)?${IS}(${NUMBER})\s*(k?(?:J|cal))\s*(?:\/|per|·)?\s*(?:mol(?:e)?)(?:\^?-1)?`,
  );
  const ratio =
    words.take(String.raw`k2\s*\/\s*k1${IS}(${NUMBER})`) ??
    words.take(String.raw`\b(?:rate|k|rate\s+constant)\s+(doubles|triples)\b`);
  const constant = (index: string) =>
    words.take(
      String.raw`\bk${index}${IS}(${NUMBER})\s*((?:[A-Z]\^?-?\d*\s*(?:·|\*)?\s*)?\/?\s*s(?:\^?-1)?|\/\s*min|min\^?-1|\/\s*\(?M\s*s\)?)?(?=\s*(?:[,;.]|at\b|and\b|$|T))`,
      '',
    );
  const one = constant('1');
  const other = constant('2');
  const single = words.take(
    String.raw`\bk(?!\d)${IS}(${NUMBER})\s*(?:s\^?-1|\/\s*s)?(?=\s*(?:[,;.]|at\b|and\b|$))`,
    '',
  );
  const factor = words.take(
    String.raw`(?:\bA|\bfrequency\s+factor|\bpre-?exponential\s+factor)(?:\s*\(?A\)?)?${IS}(${NUMBER})\s*(?:[A-Z]\^?-?\d*\s*)?(?:s\^?-1|\/\s*s)?`,
  );
  const temperatures = words
    .all(String.raw`(?:\bT([12])?${IS})?(${NUMBER})\s*(${DEGREE})`, '')
    .map(([, index, value, unit]) => ({
      index,
      kelvin: numberFrom(value!) + (unit === 'K' ? 0 : 273.15),
    }));
  const rest = words.rest(FILLER);
  if (rest !== '') throw new Error(`cannot read "${rest.slice(0, 40)}"; ${FORMS}`);
  if (temperatures.some(({ kelvin }) => !(kelvin > 0))) throw new Error('a temperature above 0 K expected');
  const ea = energy === null ? undefined : numberFrom(energy[1]!) * ENERGY[`${energy[2]!.replace(/cal/i, 'cal')}/mol`]!;
  const number = (match: RegExpExecArray | null) => (match === null ? undefined : numberFrom(match[1]!));
  if (one?.[2] !== undefined && other?.[2] !== undefined && one[2].replace(/\s/g, '') !== other[2].replace(/\s/g, ''))
    throw new Error('both rate constants in one unit expected');
  const quotient =
    ratio === null ? undefined : ratio[1] === 'doubles' ? 2 : ratio[1] === 'triples' ? 3 : numberFrom(ratio[1]!);
  if (temperatures.length === 1) {
    // What is asked or given at another temperature would be dropped in silence.
    const twoAsked = /\b[kT]2\b|\b(?:double[sd]?|triple[sd]?|times|faster|ratio|increases?)\b/i.test(text);
    if (other !== null || ratio !== null || (single !== null && one !== null) || twoAsked)
      throw new Error(`something of a second temperature, but only one temperature, is given; ${FORMS}`);
    return atOne(temperatures[0]!.kelvin, ea, number(factor), number(single) ?? number(one));
  }
  if (temperatures.length !== 2) throw new Error(`one temperature with A, or two, expected; ${FORMS}`);
  if (factor !== null || single !== null)
    throw new Error(`with two temperatures k1, k2 or their ratio, and Ea, are what is read; ${FORMS}`);
  const [a, b] = temperatures as [Temperature, Temperature];
  return atTwo(inOrder(a, b, text), ea, number(one), number(other), quotient);
}

interface Temperature {
  readonly index: string | undefined;
  readonly kelvin: number;
}

/** `k2 = 0.02 s^-1 at 310 K` with the temperature's number, so that it stays with its rate constant. */
function bound(text: string): string {
  if (
    new RegExp(String.raw`\b(?:by|(?:increase|rise|decrease)\s+of)\s+${NUMBER}\s*(?:${DEGREE}|degrees?\b)`).test(text)
  )
    throw new Error('write both temperatures, such as from 300 K to 310 K, not their difference');
  if (/\bk1\b[^,;kT]*\bat\s+T2\b|\bk2\b[^,;kT]*\bat\s+T1\b/.test(text))
    throw new Error('k1 belongs to T1, and k2 to T2');
  return text.replace(
    new RegExp(String.raw`\bk([12])((?:${IS}${NUMBER}[^,;kT]{0,20}?)?)\s+at\s+(?=${NUMBER}\s*${DEGREE})`, 'g'),
    'k$1$2, T$1 = ',
  );
}

/** T1 and T2 by their numbers; without any only where the words say which comes first. */
function inOrder(a: Temperature, b: Temperature, text: string): readonly [number, number] {
  if (a.index !== undefined && a.index === b.index) throw new Error(`T${a.index} is given twice`);
  if (a.index === '2' || b.index === '1') return [b.kelvin, a.kelvin];
  if (a.index === '1' || b.index === '2') return [a.kelvin, b.kelvin];
  const degrees = String.raw`${NUMBER}\s*${DEGREE}`;
  const fromTo = new RegExp(String.raw`\bfrom\s+${degrees}\s+to\s+${degrees}`).test(text);
  const both = new RegExp(String.raw`${degrees}\s*and\s+(?:at\s+)?${degrees}`).test(text);
  // Of `ratio of k at 310 K and 300 K` either may be meant to stand above.
  const unclear = /\bratio\b|\bfaster\b|\btimes\b|\bk2\b.*\bk1\s*(?:=|is\b)/.test(text);
  // Out of order, the rate constant that falls is more likely a misreading.
  if (!(fromTo || (both && !unclear && a.kelvin < b.kelvin)))
    throw new Error(`which temperature is T1, and which T2? ${FORMS}`);
  return [a.kelvin, b.kelvin];
}

function atOne(T: number, ea: number | undefined, A: number | undefined, k: number | undefined): string {
  if (ea !== undefined && A !== undefined && k === undefined)
    return `k = A e^(-Ea/RT) = ${significant(A * Math.exp(-ea / (R * T)))}, in the unit of A (T = ${significant(T)} K)`;
  if (ea !== undefined && k !== undefined && A === undefined)
    return `A = k e^(Ea/RT) = ${significant(k * Math.exp(ea / (R * T)))}, in the unit of k (T = ${significant(T)} K)`;
  if (A !== undefined && k !== undefined && ea === undefined)
    return `Ea = RT ln(A/k) = ${significant((R * T * Math.log(A / k)) / 1e3)} kJ/mol (T = ${significant(T)} K)`;
  throw new Error(`two of k, A and Ea needed at one temperature; ${FORMS}`);
}

function atTwo(
  [first, second]: readonly [number, number],
  ea: number | undefined,
  one: number | undefined,
  other: number | undefined,
  quotient: number | undefined,
): string {
  const difference = 1 / first - 1 / second;
  if (difference === 0) throw new Error('two different temperatures expected');
  const read = `T1 = ${significant(first)} K, T2 = ${significant(second)} K`;
  if (ea !== undefined) {
    if (quotient !== undefined || (one !== undefined && other !== undefined))
      throw new Error('more is given than is needed: leave out Ea or one rate constant');
    const ratio = Math.exp((ea / R) * difference);
    const k =
      one !== undefined
        ? `, k2 = ${significant(one * ratio)}`
        : other !== undefined
          ? `, k1 = ${significant(other / ratio)}`
          : '';
    return `k2/k1 = e^(Ea/R (1/T1 - 1/T2)) = ${significant(ratio)}${k} (${read})`;
  }
  const ratio = quotient ?? (one !== undefined && other !== undefined ? other / one : undefined);
  if (ratio === undefined || !(ratio > 0)) throw new Error(`k1 and k2, or Ea, needed; ${FORMS}`);
  return `Ea = R ln(k2/k1) / (1/T1 - 1/T2) = ${significant((R * Math.log(ratio)) / difference / 1e3)} kJ/mol (${read})`;
}
