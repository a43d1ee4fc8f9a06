/** Oxidation numbers by the rules of textbooks. What they leave open is refused; a mean is called one. */
import { ELECTRONEGATIVITY } from './elementData.js';
import { isElement, numberOf } from './elementTable.js';
import { parseFormula } from './formula.js';
import { FIXED_CHARGE, MONATOMIC, POLYATOMIC, VARIABLE_CHARGE } from './ions.js';

const HALOGENS = ['F', 'Cl', 'Br', 'I'];
const ALKALI = ['Li', 'Na', 'K', 'Rb', 'Cs'];
/** Neutral and charged ligands in brackets. */
const LIGANDS: Readonly<Record<string, number>> = { CO: 0, NH3: 0, H2O: 0, NO: Number.NaN, CN: -1, SCN: -1, OH: -1 };
/** Their chains or mixed bonds give numbers that no rule here finds. */
const REFUSED = ['S4O6', 'CrO5', 'C3O2', 'Fe3O4', 'Pb3O4', 'S2O8', 'N2H4O3'];

const HIGHEST: Readonly<Record<string, number>> = {
  ...{
    B: 3,
    C: 4,
    N: 5,
    Si: 4,
    P: 5,
    S: 6,
    Cl: 7,
    Ti: 4,
    V: 5,
    Cr: 6,
    Mn: 7,
    Fe: 6,
    Cu: 3,
    As: 5,
    Se: 6,
    Br: 7,
    Sn: 4,
    Sb: 5,
    I: 7,
    Pb: 4,
  },
};

export interface Oxidation {
  readonly symbol: string;
  readonly number: number;
  readonly mean: boolean;
}

/** `text`: a formula. Throws where the rules are not enough. */
export function oxidationNumbers(text: string): readonly Oxidation[] {
  const whole = parseFormula(text, isElement);
  const bare = text.replace(/[[\]\s]/g, '');
  const ammonium = bare.startsWith('NH4') || bare.startsWith('(NH4)');
  const groups = Number(/^\(NH4\)(\d+)/.exec(bare)?.[1] ?? 1);
  if (ammonium && whole.atoms.size > 2 && whole.atoms.get('N')! > groups) {
    throw new Error(
      `N has two oxidation numbers in ${text}: -3 in NH4+ and another in the anion; ask for NH4+ and the anion`,
    );
  }
  const ligand = /\(([A-Z][A-Za-z0-9]*)\)(\d+)/.exec(text)?.[1];
  const core = /^([A-Z][a-z]?)\((CO|NH3|H2O|CN|SCN|OH)\)(\d*)|\[([A-Z][a-z]?)\(([A-Z][A-Za-z0-9]*)\)(\d*)\]/.exec(text);
  if (
    core !== null &&
    ligand !== undefined &&
    Object.hasOwn(LIGANDS, ligand) &&
    (core[1] !== undefined ? ligand === 'CO' : true)
  )
    return complex(text, core, whole.charge);
  if (/\[/.test(text) && whole.atoms.size > 2) throw new Error(`the ligands of ${text} are not known here`);
  return simple(text, whole.atoms, whole.charge, ammonium);
}

function complex(text: string, core: RegExpExecArray, charge: number): readonly Oxidation[] {
  const [metal, ligand, count] = [(core[1] ?? core[4])!, (core[2] ?? core[5])!, Number((core[3] ?? core[6]) || 1)];
  const outside = text.replace(core[0], '');
  const counter = /^(?:([A-Z][a-z]?)(\d*))?\^?\(?[\d+-]*\)?$/.exec(outside.trim());
  const symbol = counter?.[1];
  const ion = symbol === undefined ? 0 : (FIXED_CHARGE[symbol] ?? (HALOGENS.includes(symbol) ? -1 : Number.NaN));
  const number = charge - LIGANDS[ligand]! * count - ion * (symbol === undefined ? 0 : Number(counter![2] || 1));
  if (counter === null || Number.isNaN(number))
    throw new Error(`the ligands or counter-ions of ${text} are not known here`);
  return [{ symbol: metal, number, mean: false }];
}

function simple(
  text: string,
  atoms: ReadonlyMap<string, number>,
  charge: number,
  ammonium: boolean,
): readonly Oxidation[] {
  const symbols = [...atoms.keys()];
  if (REFUSED.some((one) => text.replace(/\s/g, '').includes(one))) {
    throw new Error(`atoms of one element in ${text} have several oxidation numbers; no single one is right`);
  }
  if (symbols.length === 1) {
    const number = charge / atoms.get(symbols[0]!)!;
    return [{ symbol: symbols[0]!, number, mean: !Number.isInteger(number) }];
  }
  const known = new Map<string, number>();
  const unknown: string[] = [];
  for (const symbol of symbols) {
    const number = ammonium && symbol === 'N' ? -3 : byRule(symbol, atoms, charge);
    if (number === undefined) unknown.push(symbol);
    else known.set(symbol, number);
  }
  if (unknown.length > 1) {
    const split = withAnion(text, atoms, unknown, known, charge);
    if (split === undefined) throw new Error(`the rules leave ${unknown.join(' and ')} open in ${text}`);
    for (const [symbol, number] of split) known.set(symbol, number);
    unknown.length = 0;
  }
  const rest = charge - [...known].reduce((sum, [symbol, number]) => sum + number * atoms.get(symbol)!, 0);
  const left = unknown[0];
  if (left === undefined) {
    if (Math.abs(rest) > 1e-9) throw new Error(`the rules contradict each other for ${text}; is its charge missing?`);
  } else known.set(left, rest / atoms.get(left)!);
  const several = (symbol: string) =>
    atoms.get(symbol)! > 1 && (symbol === 'C' || !Number.isInteger(known.get(symbol)!));
  for (const [symbol, number] of known) {
    if (number > highest(symbol) || number < -4)
      throw new Error(`${symbol} would be ${number} in ${text}; is its charge right?`);
  }
  return symbols.map((symbol) => ({
    symbol,
    number: known.get(symbol)!,
    mean: several(symbol) || (symbol === 'S' && text.includes('S2O3')),
  }));
}

/** No atom loses more than its outer electrons; in peroxy acids it would. */
function highest(symbol: string): number {
  return HIGHEST[symbol] ?? 8;
}

/** What a rule says of an element in this company; undefined where it follows from the others. */
function byRule(symbol: string, atoms: ReadonlyMap<string, number>, charge: number): number | undefined {
  const others = [...atoms.keys()].filter((one) => one !== symbol);
  const metals = others.every((one) => Object.hasOwn(FIXED_CHARGE, one));
  if (symbol === 'F') return -1;
  if (Object.hasOwn(FIXED_CHARGE, symbol)) return FIXED_CHARGE[symbol];
  if (symbol === 'H' || symbol === 'D') {
    if (metals && others.length > 0) return -1;
    if (others.length === 1 && others[0] === 'Si') throw new Error('books differ on hydrogen with silicon: -1 or +1');
    // Hydrides of aluminium and boron: AlH4-, BH4-.
    return others.some((one) => one === 'B' || one === 'Al') && !others.includes('O') ? -1 : 1;
  }
  if (symbol === 'O') return oxygen(atoms, others, charge);
  if (HALOGENS.includes(symbol)) {
    const stronger = [
      'O',
      ...(symbol === 'Br' || symbol === 'I' ? ['N'] : []),
      ...HALOGENS.slice(0, HALOGENS.indexOf(symbol)),
    ];
    return others.some((one) => stronger.includes(one)) ? undefined : -1;
  }
  // Of two elements the more electronegative one has the charge of its ion, if the other then has one that it is known for.
  const anion = MONATOMIC.find(([one]) => one === symbol)?.[1];
  const [other] = others;
  if (
    others.length !== 1 ||
    anion === undefined ||
    charge !== 0 ||
    HALOGENS.includes(other!) ||
    !['C', 'N', 'P', 'S', 'Se'].includes(symbol)
  )
    return undefined;
  const number = (-anion * atoms.get(symbol)!) / atoms.get(other!)!;
  if (Object.hasOwn(VARIABLE_CHARGE, other!)) return VARIABLE_CHARGE[other!]!.includes(number) ? anion : undefined;
  const stronger = ELECTRONEGATIVITY[numberOf(symbol)! - 1]! > ELECTRONEGATIVITY[numberOf(other!)! - 1]!;
  return stronger && Number.isInteger(number) && other !== 'H' ? anion : undefined;
}

function oxygen(atoms: ReadonlyMap<string, number>, others: readonly string[], charge: number): number | undefined {
  if (others.includes('F')) return others.length === 1 ? undefined : -2;
  const count = atoms.get('O')!;
  const positive =
    others.reduce((sum, one) => sum + atoms.get(one)! * (one === 'H' ? 1 : (FIXED_CHARGE[one] ?? Number.NaN)), 0) -
    charge;
  // With nothing but hydrogen or metals of one charge: oxides, peroxides, superoxides.
  if (!Number.isNaN(positive)) {
    const number = -positive / count;
    if (number === -2 || number === -1 || (number === -0.5 && others.every((one) => ALKALI.includes(one))))
      return number;
    throw new Error('oxygen would have no usual oxidation number here; is the charge right?');
  }
  return -2;
}

/** FeSO4, Fe(NO3)3, CuCN: the anion's charge and its own element decide. */
function withAnion(
  text: string,
  atoms: ReadonlyMap<string, number>,
  unknown: readonly string[],
  known: ReadonlyMap<string, number>,
  charge: number,
): readonly (readonly [string, number])[] | undefined {
  if (unknown.length !== 2 || charge !== 0) return undefined;
  const bare = text.replace(/\s/g, '');
  for (const [formula, ion] of POLYATOMIC) {
    const match = new RegExp(`^([A-Z][a-z]?)(\\d*)(?:\\(${formula}\\)(\\d+)|${formula})$`).exec(bare);
    if (match === null || !unknown.includes(match[1]!)) continue;
    const metal = match[1]!;
    const inside = unknown.find((one) => one !== metal)!;
    const parts = parseFormula(formula, isElement).atoms;
    if (parts.has(metal) || !parts.has(inside)) continue;
    const groups = Number(match[3] ?? 1);
    const own = [...parts].reduce(
      (sum, [symbol, number]) => sum + (symbol === inside ? 0 : number * (known.get(symbol) ?? 0)),
      0,
    );
    return [
      [metal, (-ion * groups) / atoms.get(metal)!],
      [inside, (ion - own) / parts.get(inside)!],
    ];
  }
  return undefined;
}
