/** Solutions by their concentrations: molarity and molality from an amount, amounts from a volume, dilution and neutralisation in words. */
import { formulaOfName } from './compoundNames.js';
import { STRONG_ACIDS } from './constants.js';
import { isElement, massOfAtoms } from './elementTable.js';
import { parseFormula } from './formula.js';
import { NUMBER, numberFrom, significant } from './quantities.js';
import { MOLAR, Taking } from './taking.js';

const FORMS =
  'write e.g. molarity of 5.85 g NaCl in 500 mL, grams of NaOH in 250 mL of 0.1 M NaOH, or dilute 50 mL of 6 M HCl to 1 M';
const FORMULA = '([A-Z][A-Za-z0-9()]*)';
const VOLUME = String.raw`(${NUMBER})\s*(mL|ml|L|liters?|litres?)(?![A-Za-z/])`;
const FILLER =
  /\b(?:what|is|are|the|of|an?|in|for|to|with|from|by|how|many|much|volume|needed|required|need|make|prepare|dissolved|dissolving|solution|contains?|there|find|calculate|and|must|be|added|used|final|enough|water|stock|concentration|using|mL|L|M|aqueous|total|until|molarity|molality|moles?|mol|grams?|mass|g|if|each)\b/gi;
/** Protons that an acid gives, hydroxide that a base does. */
const EQUIVALENTS: Readonly<Record<string, number>> = {
  ...Object.fromEntries(Object.keys(STRONG_ACIDS).map((acid) => [acid, 1])),
  H2SO4: 2,
  CH3COOH: 1,
  NaOH: -1,
  KOH: -1,
  LiOH: -1,
  'Ca(OH)2': -2,
  'Ba(OH)2': -2,
  NH3: -1,
};

export const isAboutSolutions = (text: string): boolean => {
  // Letters with numbers are gases.ts': M1 V1 = M2 V2.
  if (/\b[MCV]_?\{?[12]\b|\bK[a-z]*\s*=|->/.test(text)) return false;
  const molar = new RegExp(String.raw`(?<![\w.])${NUMBER}${MOLAR}`).test(text);
  return (
    /\bmolarity\b|\bmolality\b|\bneutrali[sz]\w*|\btitrat\w*/i.test(text) ||
    (molar && /\bdilut\w*|\b(?:moles?|mol|grams?|mass|volume)\b/i.test(text))
  );
};

export function answerSolutions(input: string): string {
  const words = new Taking(input.replace(/_/g, ''));
  if (/\bneutrali[sz]|\btitrat/i.test(input)) return neutral(words);
  if (/\bmolality\b/i.test(input)) return molality(words);
  if (/\bmolarity\b/i.test(input) && !words.has(`(${NUMBER})${MOLAR}`, '')) return molarity(words);
  if (words.found(`(?:${NUMBER})${MOLAR}`, '').length === 2) return dilution(words, input);
  if (/\bdilut/i.test(input) && !/\b(?:moles?|grams?|mass)\b/i.test(input) && words.found(VOLUME, '').length === 2)
    return diluted(words);
  return amount(words);
}

const litres = (match: RegExpExecArray): number => positive(numberFrom(match[1]!) * (/^m/i.test(match[2]!) ? 1e-3 : 1));

function positive(value: number): number {
  if (!(value > 0)) throw new Error('amounts, volumes and concentrations are above 0');
  return value;
}

function done(words: Taking, filler = FILLER): void {
  const rest = words.rest(filler);
  if (rest !== '') throw new Error(`cannot read "${rest.slice(0, 40)}"; ${FORMS}`);
}

function massOf(substance: string): number {
  const formula = formulaOfName(substance) ?? substance;
  return massOfAtoms(parseFormula(formula, isElement).atoms);
}

/** Moles of `5.85 g NaCl`, `0.5 mol NaCl`. */
function dissolved(words: Taking): { moles: number; substance: string } {
  const found = words.take(
    String.raw`(${NUMBER})\s*(g|grams?|mg|kg|mol|moles?|mmol)\s+(?:of\s+)?([A-Z][A-Za-z0-9()]*|[a-z]+(?:\s+[a-z]+(?:ide|ate|ite))?)(?![\w(])`,
    '',
  );
  if (found === null) throw new Error(`an amount of which substance? ${FORMS}`);
  const [, value, unit, substance] = found as unknown as [string, string, string, string];
  const number = positive(numberFrom(value));
  const factor = /^m(?:g|mol)$/.test(unit) ? 1e-3 : unit === 'kg' ? 1e3 : 1;
  return { moles: (number * factor) / (/mol/.test(unit) ? 1 : massOf(substance)), substance };
}

function molarity(words: Taking): string {
  const { moles, substance } = dissolved(words);
  const volume = words.take(VOLUME, '');
  if (volume === null) throw new Error(`the volume of the solution is needed; ${FORMS}`);
  done(words);
  return `molarity of ${substance}: ${significant(moles)} mol in ${significant(litres(volume))} L = ${significant(moles / litres(volume))} M`;
}

function molality(words: Taking): string {
  const solvent = words.take(String.raw`(${NUMBER})\s*(g|kg|grams?)\s+(?:of\s+)?(?:water|solvent|H2O)\b`, '');
  if (solvent === null)
    throw new Error('the mass of the solvent is needed; write e.g. molality of 10 g NaCl in 500 g water');
  const { moles, substance } = dissolved(words);
  done(words);
  const kilograms = positive(numberFrom(solvent[1]!) * (solvent[2] === 'kg' ? 1 : 1e-3));
  return `molality of ${substance}: ${significant(moles)} mol in ${significant(kilograms)} kg = ${significant(moles / kilograms)} mol/kg`;
}

/** `grams of NaOH in 250 mL of 0.1 M NaOH`, `moles in 25 mL of 0.1 M HCl`. */
function amount(words: Taking): string {
  const volume = words.take(VOLUME, '');
  const molar = words.take(`(${NUMBER})${MOLAR}`, '');
  if (volume === null || molar === null) throw new Error(`a volume and a concentration are needed; ${FORMS}`);
  const formulas = [
    ...new Set(
      words
        .all(String.raw`(?<![\w])${FORMULA}(?![\w])`, '')
        .map(([, one]) => one!)
        .filter((one) => !/^[ML]$/.test(one)),
    ),
  ];
  if (formulas.length > 1) throw new Error(`${formulas.join(' and ')}: one substance at a time; ${FORMS}`);
  done(words);
  const moles = litres(volume) * positive(numberFrom(molar[1]!));
  const [formula] = formulas;
  return `${significant(litres(volume))} L of ${significant(numberFrom(molar[1]!))} M${formula === undefined ? '' : ` ${formula}`}: ${significant(moles)} mol${formula === undefined ? '' : ` = ${significant(moles * massOf(formula))} g`}`;
}

/** Two concentrations and one volume: `to make 500 mL of 1 M HCl` is the volume afterwards. */
function dilution(words: Taking, input: string): string {
  const whole = words.take(String.raw`${VOLUME}\s+(?:of\s+)?(?:an?\s+)?(${NUMBER})${MOLAR}`, '');
  const alone = words.take(`(${NUMBER})${MOLAR}`, '');
  if (whole === null || alone === null)
    throw new Error(`a volume of one of the two concentrations is needed; ${FORMS}`);
  const formulas = new Set(words.all(String.raw`(?<![\w])${FORMULA}(?![\w])`, '').map(([, one]) => one!));
  if (formulas.size > 1) throw new Error(`${[...formulas].join(' and ')}: two substances are no dilution; ${FORMS}`);
  done(words, new RegExp(`${FILLER.source}|\\bdilut\\w*\\b`, 'gi'));
  const [volume, given, other] = [litres(whole), positive(numberFrom(whole[3]!)), positive(numberFrom(alone[1]!))];
  refuseStronger(given, other, whole[0], input);
  const result = (volume * given) / other;
  const before = given > other;
  const shown = `${significant(result)} L = ${significant(result * 1000)} mL of ${significant(other)} M`;
  return before
    ? `final volume ${shown}: water added ${significant((result - volume) * 1000)} mL (M1 V1 = M2 V2)`
    : `volume needed ${shown}, water up to ${significant(volume * 1000)} mL (M1 V1 = M2 V2)`;
}

/** One concentration and two volumes: `dilute 50 mL of 2 M HCl to 200 mL`, or by so much water. */
function diluted(words: Taking): string {
  const start = words.take(String.raw`${VOLUME}\s+(?:of\s+)?(?:an?\s+)?(${NUMBER})${MOLAR}`, '');
  const whole = words.take(
    String.raw`\bto\s+(?:an?\s+)?(?:(?:total|final)\s+)?(?:volume\s+of\s+)?(?:make\s+)?${VOLUME}(?!\s+(?:of\s+)?(?:it|water))`,
    '',
  );
  const water = words.take(String.raw`\b(?:with|adding|in|and)\s+${VOLUME}\s+(?:of\s+)?(?:distilled\s+)?water\b`, '');
  words.all(String.raw`(?<![\w])${FORMULA}(?![\w])`, '');
  done(words, new RegExp(`${FILLER.source}|\\bdilut\\w*\\b`, 'gi'));
  if (start === null || (whole === null) === (water === null))
    throw new Error(`a volume with its concentration, and the volume afterwards or of the water, are needed; ${FORMS}`);
  const before = litres(start);
  const after = whole === null ? before + litres(water!) : litres(whole);
  if (after < before) throw new Error('the volume afterwards is smaller than the one at the start');
  const molar = positive(numberFrom(start[3]!));
  const result = (molar * before) / after;
  return `${significant(result)} M in ${significant(after * 1000)} mL (M1 V1 = M2 V2)${water === null ? '' : '; volumes added'}`;
}

/** Water makes no solution stronger: the words must not say that the weaker one is the start. */
function refuseStronger(given: number, other: number, whole: string, input: string): void {
  const [before = '', after = ''] = input.replace(/_/g, '').split(whole);
  const start =
    /\b(?:dilut\w*|from|using|take)\s+(?:the\s+|an?\s+)?$/i.test(before) ||
    /^\s*(?:[A-Z]\S*\s+)?(?:(?:is|are|must|be|dilut\w*)\s+)*to\b(?!\s+be)/.test(after);
  const otherFirst = new RegExp(`(?:${NUMBER})${MOLAR}`).test(before);
  const target =
    /\b(?:make|prepare|need(?:ed)?|get|obtain|final\s+volume)\s+(?:of\s+|an?\s+|the\s+)*$/i.test(before) ||
    /\b(?:from|using|stock|with|of)\b/i.test(after);
  if (given < other ? start || !(otherFirst || target) : given > other && otherFirst && !start)
    throw new Error('the solution to be made is stronger than the one at the start, which no dilution gives');
}

function neutral(words: Taking): string {
  const read = (): { formula: string; molar: number; volume?: number } | null => {
    const found = words.take(
      String.raw`(?:${VOLUME}\s+(?:of\s+)?(?:an?\s+)?)?(?<![\d.])(${NUMBER})${MOLAR}\s*${FORMULA}`,
      '',
    );
    if (found === null) return null;
    const volume = found[1] === undefined ? undefined : litres(found);
    return { formula: found[4]!, molar: positive(numberFrom(found[3]!)), ...(volume !== undefined && { volume }) };
  };
  const [one, other] = [read(), read()];
  done(words, new RegExp(`${FILLER.source}|\\b(?:neutrali[sz]\\w*|titrat\\w*|acid|base|completely)\\b`, 'gi'));
  if (one === null || other === null || (one.volume === undefined) === (other.volume === undefined))
    throw new Error(
      'two solutions and the volume of one are needed; write e.g. neutralize 25 mL of 0.1 M HCl with 0.2 M NaOH',
    );
  const [n, m] = [one, other].map(({ formula }) =>
    Object.hasOwn(EQUIVALENTS, formula) ? EQUIVALENTS[formula]! : 0,
  ) as [number, number];
  if (n * m >= 0)
    throw new Error(
      `${one.formula} and ${other.formula}: an acid and a base that are known here are needed, such as HCl, H2SO4, NaOH, Ca(OH)2`,
    );
  const [known, asked, of, by] = one.volume === undefined ? [other, one, m, n] : [one, other, n, m];
  const volume = (known.volume! * known.molar * Math.abs(of)) / (asked.molar * Math.abs(by));
  return `${significant(volume)} L = ${significant(volume * 1000)} mL of ${significant(asked.molar)} M ${asked.formula} (${significant(known.volume! * known.molar)} mol ${known.formula}, ${Math.abs(by)} : ${Math.abs(of)})`;
}
