/**
 * Ideal gas (PV = nRT; with a mass or a density also M), two states of one gas, and dilution (M1 V1 = M2 V2): one quantity
 * from the others, which have letters (`P = 1 atm`) or units alone (`2 mol at 300 K`).
 */
import { diatomicNamed, formulaOfName } from './compoundNames.js';
import { GAS_CONSTANT_ATM as R } from './constants.js';
import { isElement, massOfAtoms } from './elementTable.js';
import { parseFormula } from './formula.js';
import { NUMBER, numberFrom, significant } from './quantities.js';

type Kind = 'pressure' | 'volume' | 'amount' | 'temperature' | 'concentration';

/** Factors to atm, L, mol, K, mol/L. Celsius is not a factor. */
const UNITS: Readonly<Record<Kind, Readonly<Record<string, number>>>> = {
  pressure: {
    atm: 1,
    kPa: 1 / 101.325,
    Pa: 1 / 101325,
    bar: 1 / 1.01325,
    mbar: 1 / 1013.25,
    mmHg: 1 / 760,
    torr: 1 / 760,
    Torr: 1 / 760,
  },
  volume: {
    L: 1,
    l: 1,
    liter: 1,
    liters: 1,
    litre: 1,
    litres: 1,
    mL: 1e-3,
    ml: 1e-3,
    'cm^3': 1e-3,
    cm3: 1e-3,
    'm^3': 1e3,
    m3: 1e3,
    'dm^3': 1,
    dm3: 1,
  },
  amount: { mol: 1, mole: 1, moles: 1, mmol: 1e-3 },
  temperature: { K: 1, '°C': 0, C: 0, degC: 0 },
  concentration: { M: 1, 'mol/L': 1, mM: 1e-3 },
};
const KINDS: Readonly<Record<string, Kind>> = {
  P: 'pressure',
  V: 'volume',
  n: 'amount',
  T: 'temperature',
  M: 'concentration',
  C: 'concentration',
};

/** Units that are read without a letter, longest first. */
const unitsOf = (kind: Kind): string =>
  Object.keys(UNITS[kind])
    .filter((unit) => unit !== 'C')
    .sort((a, b) => b.length - a.length)
    .map((unit) => unit.replace('^', '\\^?'))
    .join('|');
const BARE = (['pressure', 'volume', 'amount', 'temperature'] as const).map(
  (kind) => [{ pressure: 'P', volume: 'V', amount: 'n', temperature: 'T' }[kind], unitsOf(kind)] as const,
);
const bare = (units: string): RegExp => new RegExp(`(${NUMBER})\\s*(${units})(?![A-Za-z^/°])`);
const GRAMS = { g: 1, gram: 1, grams: 1, mg: 1e-3, kg: 1e3 } as const;
/** Of what is asked, as words. */
const ASKED: readonly (readonly [RegExp, string])[] = [
  [/\bdensity\b/i, 'd'],
  [/\bmolar\s+mass\b|\bmolecular\s+(?:weight|mass)\b/i, 'M'],
  [/\bpressure\b/i, 'P'],
  [/\bvolume\b/i, 'V'],
  [/\btemperature\b/i, 'T'],
  [/\bmoles\b/i, 'n'],
];

const KEY = String.raw`([PVTMC])_?\{?([12])\}?|\b([PVnT])\b`;
const FILLER =
  /\b(?:ideal|gas|law|combined|boyle'?s?|charles'?s?|dilution|dilute|for|find|solve|calculate|what|is|with|at|and|if|given|of|the|a|using|constant|initial|final|how|many|much|there|are|have|has|does|do|by|on|to|pressure|volume|temperature|density|mass|molar|molecular|weight|moles|sample|under|occup(?:y|ies|ied)|exerted|contain(?:s|ed|ing)?|in(?:\s+(?:atm|kPa|liters?|litres?|L|mL|K|kelvin|g\/L))?)\b|PV\s*=\s*nRT|[PVT]_?1\s*\/?\s*[PVT]_?1?\s*=\s*[PVT]_?2\s*\/?\s*[PVT]_?2?|[MC]_?1\s*\*?\s*V_?1\s*=\s*[MC]_?2\s*\*?\s*V_?2|[,;:?.()=]/gi;

/** True for texts with equations such as `P = 1 atm` or `M1 = 12 M`. */
export const isAboutGas = (text: string): boolean =>
  /\bSTP\b/.test(text) ||
  BARE.filter(([, units]) => bare(units).test(text)).length > 1 ||
  /\bPV\s*=\s*nRT|\bideal gas\b|\b(?:P|V|T|M|C)_?\{?[12]\}?\s*=/.test(text) ||
  /\bn\s*=\s*[\d.]+\s*mol.*\b[PVT]\s*=|\b[PVT]\s*=.*\b[PVT]\s*=/.test(text);

export function answerGas(input: string): string {
  const given = new Map<string, number>();
  const number = new RegExp(`(?:${KEY})\\s*=\\s*(${NUMBER})\\s*([A-Za-z°^/0-9]+)?`, 'g');
  const rest = input
    .replace(/\bPV\s*=\s*nRT\b/gi, ' ')
    .replace(
      number,
      (
        _,
        letter: string | undefined,
        index: string | undefined,
        single: string | undefined,
        value: string,
        unit: string | undefined,
      ) => {
        const key = single ?? `${letter}${index}`;
        if (given.has(key)) throw new Error(`${key} is given twice`);
        given.set(key, inBase(key, numberFrom(value), unit));
        return ' ';
      },
    );
  const states = [...given.keys()].some((key) => /[12]$/.test(key));
  const { left, mass, density } = states ? { left: rest } : withoutLetters(rest, given);
  const substance = left
    .replace(FILLER, ' ')
    .replace(/\b(?:[PVTMC]_?[12]|[PVnT])\b/g, ' ')
    .trim();
  if (states && substance !== '') throw unreadable(substance);
  if ([...given.keys()].some((key) => /^[MC][12]$/.test(key))) return dilution(given);
  return states ? twoStates(given) : oneState(given, { text: input, substance, mass, density });
}

const unreadable = (text: string): Error =>
  new Error(`cannot read "${text.slice(0, 40)}"; write e.g. ideal gas P = 1 atm, V = 22.4 L, T = 273.15 K`);

/** Takes quantities out of a text by their units alone. */
function withoutLetters(
  text: string,
  given: Map<string, number>,
): { left: string; mass?: number | undefined; density?: number | undefined } {
  let left = text;
  const take = (pattern: RegExp): RegExpExecArray | null => {
    const match = pattern.exec(left);
    if (match !== null) left = left.replace(match[0], ' ');
    return match;
  };
  const density = take(new RegExp(`(${NUMBER})\\s*g\\s*(?:/\\s*L|\\s+L\\^?-1)(?![A-Za-z])`));
  for (const [key, units] of BARE) {
    const match = take(bare(units));
    if (match === null) continue;
    if (given.has(key)) throw new Error(`${key} is given twice`);
    given.set(key, inBase(key, numberFrom(match[1]!), match[2]!));
  }
  if (take(/\bSTP\b/) !== null) {
    if (given.has('P') || given.has('T')) throw new Error('STP beside another pressure or temperature');
    given.set('P', 1).set('T', 273.15);
  }
  const grams = take(new RegExp(`(${NUMBER})\\s*(${Object.keys(GRAMS).join('|')})(?![A-Za-z/])`));
  return {
    left,
    mass: grams === null ? undefined : numberFrom(grams[1]!) * GRAMS[grams[2] as keyof typeof GRAMS],
    density: density === null ? undefined : numberFrom(density[1]!),
  };
}

interface Sample {
  readonly text: string;
  /** A formula or a name, or empty. */
  readonly substance: string;
  /** g. */
  readonly mass: number | undefined;
  /** g/L. */
  readonly density: number | undefined;
}

function oneState(given: Map<string, number>, { text, substance, mass, density }: Sample): string {
  const molar = substance === '' ? undefined : molarMassOf(substance);
  const asked = ASKED.find(([words, key]) => words.test(text) && (key !== 'd' || density === undefined))?.[1];
  const stp = /\bSTP\b/.test(text) ? ' (STP: 0 °C and 1 atm)' : '';
  const [P, V, T] = ['P', 'V', 'T'].map((key) => given.get(key));
  if (asked === 'd') {
    if (P === undefined || T === undefined || molar === undefined || given.size > 2 || mass !== undefined)
      throw new Error('the density of a gas needs its formula, P and T, no more');
    return `density = PM/(RT) = ${significant((P * molar) / (R * T))} g/L${stp}`;
  }
  if (asked === 'M' || density !== undefined) {
    const perLitre = density ?? (mass === undefined || V === undefined ? undefined : mass / V);
    if (asked !== 'M' || P === undefined || T === undefined || perLitre === undefined || molar !== undefined)
      throw new Error('the molar mass of a gas needs P, T, and its density or its mass and V');
    return `M = mRT/(PV) = ${significant((perLitre * R * T) / P)} g/mol${stp}`;
  }
  if (mass !== undefined) {
    if (molar === undefined || given.has('n')) throw new Error('a mass of which gas? write e.g. 2 g of N2');
    given.set('n', mass / molar);
  }
  if (asked !== undefined && given.has(asked)) throw new Error(`${asked} is asked and given`);
  return `${ideal(given)}${stp}`;
}

function molarMassOf(substance: string): number {
  const symbol = diatomicNamed(substance);
  const formula = symbol === undefined ? (formulaOfName(substance) ?? substance) : `${symbol}2`;
  if (!/^[A-Z][A-Za-z0-9()]*$/.test(formula)) throw unreadable(substance);
  return massOfAtoms(parseFormula(formula, isElement).atoms);
}

function inBase(key: string, value: number, unit: string | undefined): number {
  const kind = KINDS[key[0]!]!;
  // M1 is named for its unit.
  if (unit === undefined && /^M[12]$/.test(key) && value > 0) return value;
  const factor = unit !== undefined && Object.hasOwn(UNITS[kind], unit) ? UNITS[kind][unit] : undefined;
  if (factor === undefined)
    throw new Error(`${key} needs a unit of ${kind}: ${Object.keys(UNITS[kind]).slice(0, 6).join(', ')}`);
  const base = kind === 'temperature' && factor === 0 ? value + 273.15 : value * factor;
  if (!(base > 0)) throw new Error(`${key} must be above 0${kind === 'temperature' ? ' K' : ''}`);
  return base;
}

function ideal(given: ReadonlyMap<string, number>): string {
  const missing = ['P', 'V', 'n', 'T'].filter((key) => !given.has(key));
  if (missing.length !== 1)
    throw new Error(`three of P, V, n, T needed, got ${[...given.keys()].join(', ') || 'none'}`);
  const [P = 0, V = 0, n = 0, T = 0] = ['P', 'V', 'n', 'T'].map((key) => given.get(key));
  switch (missing[0]) {
    case 'P':
      return `P = nRT/V = ${significant((n * R * T) / V)} atm = ${significant(((n * R * T) / V) * 101.325)} kPa`;
    case 'V':
      return `V = nRT/P = ${significant((n * R * T) / P)} L`;
    case 'n':
      return `n = PV/(RT) = ${significant((P * V) / (R * T))} mol`;
    default:
      return `T = PV/(nR) = ${temperature((P * V) / (n * R))}`;
  }
}

const temperature = (kelvin: number): string => `${significant(kelvin)} K = ${significant(kelvin - 273.15)} °C`;

/** P1 V1 / T1 = P2 V2 / T2; a quantity that is given for neither state is constant. */
function twoStates(given: ReadonlyMap<string, number>): string {
  const letters = ['P', 'V', 'T'].filter((letter) => given.has(`${letter}1`) || given.has(`${letter}2`));
  const missing = letters
    .flatMap((letter) => ['1', '2'].map((index) => letter + index))
    .filter((key) => !given.has(key));
  if (missing.length !== 1 || letters.length < 2)
    throw new Error('all but one of P1, V1, T1, P2, V2, T2 needed; leave out what is constant');
  const key = missing[0]!;
  const power = (letter: string) => (letter === 'T' ? -1 : 1);
  const other = (index: string) =>
    letters
      .filter((letter) => letter + index !== key)
      .reduce((product, letter) => product * given.get(letter + index)! ** power(letter), 1);
  const [here, there] = key[1] === '1' ? [other('1'), other('2')] : [other('2'), other('1')];
  const value = (there / here) ** power(key[0]!);
  const unit = { P: 'atm', V: 'L' }[key[0]!];
  const constant = ['P', 'V', 'T'].filter((letter) => !letters.includes(letter));
  return `${key} = ${unit === undefined ? temperature(value) : `${significant(value)} ${unit}`}${constant.length === 0 ? '' : ` (${constant.join(', ')} constant)`}`;
}

function dilution(given: ReadonlyMap<string, number>): string {
  const letter = [...given.keys()].some((key) => key.startsWith('M')) ? 'M' : 'C';
  const keys = [`${letter}1`, 'V1', `${letter}2`, 'V2'];
  const missing = keys.filter((key) => !given.has(key));
  if (missing.length !== 1 || given.size !== 3) throw new Error(`three of ${keys.join(', ')} needed`);
  const key = missing[0]!;
  const partner = key.startsWith('V') ? `${letter}${key[1]}` : `V${key[1]}`;
  const whole =
    key[1] === '1' ? given.get(`${letter}2`)! * given.get('V2')! : given.get(`${letter}1`)! * given.get('V1')!;
  const value = whole / given.get(partner)!;
  return `${key} = ${significant(value)} ${key.startsWith('V') ? `L = ${significant(value * 1000)} mL` : 'mol/L'}`;
}
