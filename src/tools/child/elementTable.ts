/** The elements by symbol, name or number, nuclides as people write them, and masses. */
import { ATOMIC_WEIGHTS } from './elementData.js';
import { ELEMENT_NAMES } from './elements.js';

const NUMBERS: ReadonlyMap<string, number> = new Map(ELEMENT_NAMES.map(([symbol], index) => [symbol, index + 1]));
const OTHER_NAMES: Readonly<Record<string, string>> = {
  aluminum: 'Al',
  cesium: 'Cs',
  sulphur: 'S',
  deuterium: 'D',
  tritium: 'T',
};
/** Deuterium and tritium have symbols of their own. Masses: AME2020. */
const HYDROGENS: Readonly<Record<string, number>> = { D: 2.014102, T: 3.016049 };

export const isElement = (symbol: string): boolean => NUMBERS.has(symbol) || Object.hasOwn(HYDROGENS, symbol);

/** Atomic number; undefined for what is no symbol. */
export const numberOf = (symbol: string): number | undefined =>
  Object.hasOwn(HYDROGENS, symbol) ? 1 : NUMBERS.get(symbol);

export const symbolOf = (number: number): string => ELEMENT_NAMES[number - 1]![0];
export const nameOf = (symbol: string): string => ELEMENT_NAMES[numberOf(symbol)! - 1]![1];

/** Standard atomic weight, g/mol. */
export const massOf = (symbol: string): number => HYDROGENS[symbol] ?? ATOMIC_WEIGHTS[numberOf(symbol)! - 1]!;

/** Mass of atoms in g/mol. */
export const massOfAtoms = (atoms: ReadonlyMap<string, number>): number =>
  [...atoms].reduce((sum, [symbol, number]) => sum + number * massOf(symbol), 0);

/** The symbol of an element given by symbol, name or atomic number. */
export function findElement(text: string): string | undefined {
  const key = text.trim();
  if (isElement(key)) return key;
  const lower = key.toLowerCase();
  if (Object.hasOwn(OTHER_NAMES, lower)) return OTHER_NAMES[lower];
  const index = ELEMENT_NAMES.findIndex(
    ([symbol, name], i) => name.toLowerCase() === lower || String(i + 1) === key || symbol.toLowerCase() === lower,
  );
  return index < 0 ? undefined : symbolOf(index + 1);
}

export interface Nuclide {
  readonly symbol: string;
  readonly massNumber: number;
}

const SUPER = '⁰¹²³⁴⁵⁶⁷⁸⁹';

/** `U-235`, `uranium-235`, `^235U`, `²³⁵U`, `92U235`; undefined for anything else. */
export function readNuclide(text: string): Nuclide | undefined {
  const plain = text.trim().replace(/[⁰¹²³⁴-⁹]+/g, (run) => `^${[...run].map((c) => SUPER.indexOf(c)).join('')}`);
  const named = /^([A-Za-z]+)\s*-\s*(\d{1,3})$/.exec(plain);
  if (named !== null) return nuclide(findElement(named[1]!), Number(named[2]));
  const raised = /^\^\{?(\d{1,3})\}?_?\{?(\d{0,3})\}?\s*([A-Z][a-z]?)$/.exec(plain);
  if (raised !== null) return nuclide(isElement(raised[3]!) ? raised[3] : undefined, Number(raised[1]));
  const old = /^(\d{1,3})([A-Z][a-z]?)(\d{1,3})$/.exec(plain);
  if (old === null || numberOf(old[2]!) !== Number(old[1])) return undefined;
  const [number, mass] = [Number(old[1]), Number(old[3])];
  if (mass < number || mass > 3 * number + 4) return undefined;
  if (number < 15) {
    throw new Error(
      `${text} can mean the nuclide ${old[2]}-${mass} or ${number} ${old[2]}${mass}; write ${old[2]}-${mass}, or leave a space`,
    );
  }
  return nuclide(old[2], mass);
}

/** Every known nucleus has Z ≤ A ≤ 3 Z + 4 (H-1 to H-7, C-8 to C-22, U-215 to U-243). */
function nuclide(symbol: string | undefined, massNumber: number): Nuclide | undefined {
  if (symbol === undefined) return undefined;
  const number = numberOf(symbol)!;
  if (massNumber < number || massNumber > 3 * number + 4)
    throw new Error(`no isotope ${massNumber} of ${nameOf(symbol)}`);
  return { symbol, massNumber };
}
