/** Names of compounds from their formulas and back, by the rules of nomenclature for salts, acids and compounds of two nonmetals. */
import { ELECTRONEGATIVITY } from './elementData.js';
import { ELEMENT_NAMES } from './elements.js';
import { findElement, isElement, nameOf, numberOf } from './elementTable.js';
import { parseFormula } from './formula.js';
import { gcd } from './integers.js';
import { COMMON, FIXED_CHARGE, MONATOMIC, OLD_NAMES, POLYATOMIC, VARIABLE_CHARGE } from './ions.js';

const PREFIXES = ['', 'mono', 'di', 'tri', 'tetra', 'penta', 'hexa', 'hepta', 'octa', 'nona', 'deca'];
const ROMAN = ['', 'I', 'II', 'III', 'IV', 'V', 'VI', 'VII', 'VIII'];
const DIATOMIC = ['H', 'N', 'O', 'F', 'Cl', 'Br', 'I'];
const NONMETALS = [
  'H',
  'B',
  'C',
  'N',
  'O',
  'F',
  'Si',
  'P',
  'S',
  'Cl',
  'As',
  'Se',
  'Br',
  'Te',
  'I',
  'Xe',
  'Kr',
  'At',
  'Ge',
  'Sb',
];

const anionName = (stem: string): string => `${stem}ide`;
const isMetal = (symbol: string): boolean =>
  Object.hasOwn(FIXED_CHARGE, symbol) || Object.hasOwn(VARIABLE_CHARGE, symbol);

export const isNonmetal = (symbol: string): boolean => NONMETALS.includes(symbol);

interface Anion {
  readonly formula: string;
  readonly charge: number;
  readonly name: string;
}

const ANIONS: readonly Anion[] = [
  ...POLYATOMIC.map(([formula, charge, name]) => ({ formula, charge, name })),
  ...MONATOMIC.map(([formula, charge, stem]) => ({ formula, charge, name: anionName(stem) })),
];

/** The name of a compound. Throws where the rules here give none. */
export function nameOfFormula(text: string): string {
  const formula = text.replace(/[₀-₉]/g, (d) => String(d.charCodeAt(0) - 0x2080)).replace(/\s+/g, '');
  parseFormula(formula, isElement);
  const [body, water] = hydrate(formula);
  const byRule = acidName(body) ?? ionName(body) ?? saltName(body) ?? binaryName(body) ?? elementName(body);
  const common = AMBIGUOUS.test(body) ? undefined : COMMON.find(([, one]) => one === body)?.[0];
  const also = byRule !== undefined && common !== undefined && common !== byRule ? ` (${common})` : '';
  const name = byRule === undefined ? common : byRule + also;
  if (name === undefined)
    throw new Error(`no rule here names ${text}; this tool names salts, acids and compounds of two nonmetals`);
  return water === 0 ? name : `${name} ${prefixed(water, 'hydrate')}`;
}

/** Formulas of organic compounds, which several share. */
const AMBIGUOUS = /^(?!C3H8$|C6H6$)C(?:[3-9]|\d\d)H\d+(?:[NO]\d*)*$/;

function hydrate(formula: string): readonly [body: string, water: number] {
  const match = /^(.+?)[·•*.⋅](\d*)H2O$/.exec(formula);
  return match === null ? [formula, 0] : [match[1]!, match[2] === '' ? 1 : Number(match[2])];
}

/** `dinitrogen`, `tetroxide`: the prefix's last vowel goes before another. */
function prefixed(count: number, word: string): string {
  const prefix = PREFIXES[count];
  if (prefix === undefined) throw new Error(`no prefix for ${count}`);
  return /^[ao]/.test(word) && /[ao]$/.test(prefix) ? prefix.slice(0, -1) + word : prefix + word;
}

function elementName(formula: string): string | undefined {
  const match = /^([A-Z][a-z]?)(\d*)$/.exec(formula);
  if (match === null || !isElement(match[1]!)) return undefined;
  if (match[2] === '' || (DIATOMIC.includes(match[1]!) && match[2] === '2')) return nameOf(match[1]!).toLowerCase();
  return match[1] === 'P' && match[2] === '4' ? 'tetraphosphorus' : undefined;
}

function acidName(formula: string): string | undefined {
  for (const [anion, charge, , acid] of POLYATOMIC) {
    const hydrogens = charge === -1 ? 'H' : `H${-charge}`;
    if (acid !== undefined && (formula === hydrogens + anion || (anion === 'CH3COO' && formula === 'CH3COOH')))
      return acid;
  }
  for (const [symbol, charge, stem, acid] of MONATOMIC) {
    if (acid !== undefined && formula === `${charge === -1 ? 'H' : 'H2'}${symbol}`)
      return `hydrogen ${anionName(stem)} (in water ${acid})`;
  }
  return undefined;
}

/** A single ion, which has a charge. */
function ionName(formula: string): string | undefined {
  const { atoms, charge } = parseFormula(formula, isElement);
  if (charge === 0) return undefined;
  const written = atomsOf(formula);
  if (written === 'H4 N1' && charge === 1) return 'ammonium ion';
  if (written === 'H3 O1' && charge === 1) return 'hydronium ion';
  const symbol = atoms.size === 1 ? [...atoms.keys()][0]! : '';
  if (atoms.get(symbol) === 1 && charge > 0 && (isMetal(symbol) || symbol === 'H')) {
    const metal = nameOf(symbol).toLowerCase();
    return symbol === 'H' || FIXED_CHARGE[symbol] === charge ? `${metal} ion` : `${metal}(${ROMAN[charge]}) ion`;
  }
  const anion = ANIONS.find((one) => one.charge === charge && atomsOf(one.formula) === written);
  return anion === undefined ? undefined : `${anion.name} ion`;
}

const atomsOf = (formula: string): string =>
  [...parseFormula(formula, isElement).atoms]
    .map(([symbol, count]) => symbol + count)
    .sort()
    .join(' ');

function saltName(formula: string): string | undefined {
  for (const { anion, anions, cation, cations } of salts(formula)) {
    // PbO2 and MnO2 are oxides; carbides seldom hold C4-.
    if (anion.name === 'carbide' || (anion.name === 'peroxide' && !Object.hasOwn(FIXED_CHARGE, cation))) continue;
    const negative = anions * -anion.charge;
    if (cation === 'NH4') {
      if (cations === negative) return `ammonium ${anion.name}`;
      continue;
    }
    if (negative % cations !== 0) continue;
    const charge = negative / cations;
    const metal = nameOf(cation).toLowerCase();
    if (FIXED_CHARGE[cation] === charge) return `${metal} ${anion.name}`;
    if (cation === 'Hg' && charge === 1 && cations === 2) return `mercury(I) ${anion.name}`;
    if (VARIABLE_CHARGE[cation]?.includes(charge) === true) return `${metal}(${ROMAN[charge]}) ${anion.name}`;
  }
  return undefined;
}

/** Every way to see a formula as a cation followed by an anion. */
function salts(formula: string): { anion: Anion; anions: number; cation: string; cations: number }[] {
  const cationOf = /^(\(NH4\)|NH4|[A-Z][a-z]?)(\d*)(.+)$/.exec(formula);
  if (cationOf === null) return [];
  const cation = cationOf[1]!.replace(/[()]/g, '');
  if (cation !== 'NH4' && !isMetal(cation)) return [];
  const rest = cationOf[3]!;
  return ANIONS.flatMap((anion) => {
    const grouped = rest.startsWith(`(${anion.formula})`) ? rest.slice(anion.formula.length + 2) : undefined;
    const plain = rest.startsWith(anion.formula) ? rest.slice(anion.formula.length) : undefined;
    const single = /^[A-Z][a-z]?$/.test(anion.formula);
    const count =
      grouped !== undefined && /^\d+$/.test(grouped)
        ? Number(grouped)
        : plain === ''
          ? 1
          : single && plain !== undefined && /^\d+$/.test(plain)
            ? Number(plain)
            : 0;
    return count === 0 ? [] : [{ anion, anions: count, cation, cations: cationOf[2] === '' ? 1 : Number(cationOf[2]) }];
  });
}

export interface SaltIons {
  /** `Hg2` in mercury(I) salts. */
  readonly cation: string;
  readonly cations: number;
  readonly charge: number;
  readonly anion: string;
  readonly anions: number;
  readonly anionCharge: number;
}

/** The ions of a salt by its formula; undefined for what is none of the tables'. */
export function ionsOfSalt(formula: string): SaltIons | undefined {
  for (const { anion, anions, cation, cations } of salts(formula)) {
    const negative = anions * -anion.charge;
    const charge = negative / cations;
    const of = { anion: anion.formula, anions, anionCharge: anion.charge };
    if (anion.name === 'carbide' || anion.name === 'peroxide') continue;
    if (cation === 'Hg' && charge === 1 && cations === 2) return { cation: 'Hg2', cations: 1, charge: 2, ...of };
    const known = cation === 'NH4' ? [1] : [FIXED_CHARGE[cation], ...(VARIABLE_CHARGE[cation] ?? [])];
    if (known.includes(charge)) return { cation, cations, charge, ...of };
  }
  return undefined;
}

/** N2O4 → dinitrogen tetroxide. */
function binaryName(formula: string): string | undefined {
  const match = /^([A-Z][a-z]?)(\d*)([A-Z][a-z]?)(\d*)$/.exec(formula);
  if (match === null) return undefined;
  const [, first = '', m = '', second = '', n = ''] = match;
  const stem = MONATOMIC.find(([symbol]) => symbol === second)?.[2];
  // Carbides are named without numbers.
  if (!isNonmetal(first) || stem === undefined || first === second || first === 'H' || /^[CH]$/.test(second))
    return undefined;
  const electro = (symbol: string) => ELECTRONEGATIVITY[numberOf(symbol)! - 1]!;
  if (electro(first) > electro(second) && !(second === 'O' && first !== 'F')) return undefined;
  const head = nameOf(first).toLowerCase();
  return `${m === '' ? head : prefixed(Number(m), head)} ${prefixed(n === '' ? 1 : Number(n), anionName(stem))}`;
}

/** The formula of a compound by its name; undefined for a name that the rules here do not read. */
export function formulaOfName(text: string): string | undefined {
  const name = text
    .trim()
    .toLowerCase()
    .replace(/\bsulph/g, 'sulf')
    .replace(/\s*\(aq\)$/, '')
    .replace(/\b(?:aluminum)\b/g, 'aluminium')
    .replace(/\bcesium\b/g, 'caesium')
    .replace(/\bbi(sulfate|sulfite|carbonate|sulfide)\b/g, 'hydrogen $1')
    .replace(/\bhydrogen(?=carbonate|sulfate|sulfite|phosphate)/g, 'hydrogen ')
    .replace(/\s+/g, ' ');
  const water = /^(.+?) (mono|di|tri|tetra|penta|hexa|hepta|octa|nona|deca)hydrate$/.exec(name);
  if (water !== null) {
    const body = formulaOfName(water[1]!);
    const count = PREFIXES.indexOf(water[2]!);
    return body === undefined ? undefined : `${body}·${count === 1 ? '' : count}H2O`;
  }
  const ion = /^(.+?) ions?$/.exec(name)?.[1];
  if (ion !== undefined) return ionFormula(ion);
  const common = COMMON.find(([one]) => one === name)?.[1];
  return common ?? acidFormula(name) ?? saltFormula(name) ?? binaryFormula(name) ?? diatomicFormula(name);
}

function ionFormula(name: string): string | undefined {
  if (name === 'ammonium') return 'NH4^+';
  const anion = ANIONS.find((one) => one.name === name);
  return anion === undefined ? undefined : `${anion.formula}^${anion.charge === -1 ? '' : -anion.charge}-`;
}

function diatomicFormula(name: string): string | undefined {
  const match = /^(?:molecular (\w+)|(\w+) (?:gas|molecules?))$/.exec(name);
  const symbol = match === null ? undefined : findElement((match[1] ?? match[2])!);
  return symbol !== undefined && DIATOMIC.includes(symbol) ? `${symbol}2` : undefined;
}

/** Elements whose name means the atom or the molecule of two. */
export function diatomicNamed(name: string): string | undefined {
  const symbol = DIATOMIC.find((one) => nameOf(one).toLowerCase() === name.trim().toLowerCase());
  return symbol;
}

function acidFormula(name: string): string | undefined {
  const poly = POLYATOMIC.find(([, , , acid]) => acid === name);
  if (poly !== undefined) return `${poly[1] === -1 ? 'H' : `H${-poly[1]}`}${poly[0]}`;
  const mono = MONATOMIC.find(([, , stem, acid]) => acid === name || `hydrogen ${anionName(stem)}` === name);
  return mono === undefined || mono[3] === undefined ? undefined : `${mono[1] === -1 ? 'H' : 'H2'}${mono[0]}`;
}

function saltFormula(name: string): string | undefined {
  const match = /^([a-z]+)\s*(?:\(\s*([ivx]+)\s*\))?\s+(.+)$/.exec(name);
  if (match === null) return undefined;
  const anion = ANIONS.find((one) => one.name === match[3]);
  const cation = anion === undefined ? undefined : cationNamed(match[1]!, match[2]);
  if (anion === undefined || cation === undefined || anion.name === 'carbide') return undefined;
  const [symbol, charge] = cation;
  const common = Number(gcd(BigInt(charge), BigInt(anion.charge)));
  const [many, others] = [-anion.charge / common, charge / common];
  // Mercury(I) is Hg2 with two charges.
  const pair = symbol === 'Hg' && charge === 1;
  if (pair && anion.charge < -2) return undefined;
  const head = pair ? `Hg${2 * Math.max(1, many / 2)}` : unit(symbol, many);
  return head + unit(anion.formula, pair ? (anion.charge === -1 ? 2 : 1) : others);
}

function unit(formula: string, count: number): string {
  if (count === 1) return formula;
  return /^[A-Z][a-z]?$/.test(formula) ? `${formula}${count}` : `(${formula})${count}`;
}

function cationNamed(word: string, roman: string | undefined): readonly [symbol: string, charge: number] | undefined {
  if (word === 'ammonium') return roman === undefined ? ['NH4', 1] : undefined;
  if (Object.hasOwn(OLD_NAMES, word)) return OLD_NAMES[word];
  const symbol = ELEMENT_NAMES.find(([, name]) => name.toLowerCase() === word)?.[0];
  if (symbol === undefined || !isMetal(symbol)) return undefined;
  const charges = Object.hasOwn(FIXED_CHARGE, symbol) ? [FIXED_CHARGE[symbol]!] : VARIABLE_CHARGE[symbol]!;
  if (roman !== undefined) {
    const charge = ROMAN.indexOf(roman.toUpperCase());
    if (!charges.includes(charge))
      throw new Error(`${word}(${roman.toUpperCase()}) is no charge known here for ${symbol}`);
    return [symbol, charge];
  }
  if (charges.length > 1)
    throw new Error(
      `${word} has several charges; write e.g. ${word}(${ROMAN[charges[0]!]}) or ${word}(${ROMAN[charges[1]!]})`,
    );
  return [symbol, charges[0]!];
}

function binaryFormula(name: string): string | undefined {
  const words = name.split(' ');
  if (words.length !== 2) return undefined;
  const [first, second] = words.map((word) => splitPrefix(word!));
  const symbol = ELEMENT_NAMES.find(([, one]) => one.toLowerCase() === first!.word)?.[0];
  const anion = MONATOMIC.find(
    ([, , stem]) => anionName(stem) === second!.word || anionName(stem).slice(1) === second!.word,
  );
  if (symbol === undefined || anion === undefined || !isNonmetal(symbol) || second!.count === 0) return undefined;
  return unit(symbol, first!.count || 1) + unit(anion[0], second!.count);
}

/** `tetroxide` → 4 oxide; without a prefix the count is 0. */
function splitPrefix(text: string): { count: number; word: string } {
  for (let count = PREFIXES.length - 1; count > 0; count--) {
    const prefix = PREFIXES[count]!;
    if (text.startsWith(prefix) && text.length > prefix.length + 2) return { count, word: text.slice(prefix.length) };
    const short = prefix.slice(0, -1);
    if (/[ao]$/.test(prefix) && text.startsWith(`${short}o`)) return { count, word: text.slice(short.length) };
  }
  return { count: 0, word: text };
}
