/** Answers about one substance, element or nuclide: masses, compositions, amounts, names, electrons, constants. */
import { diatomicNamed, formulaOfName, nameOfFormula } from './compoundNames.js';
import { configuration } from './electronShells.js';
import { ELECTRONEGATIVITY, HALF_LIVES, IONIZATION_EV, WITHOUT_STABLE } from './elementData.js';
import { findElement, isElement, massOf, massOfAtoms, nameOf, numberOf, readNuclide } from './elementTable.js';
import { type Formula, parseFormula, plainFormula } from './formula.js';
import { shapeOf } from './molecularShape.js';
import { oxidationNumbers } from './oxidation.js';
import { NUMBER, numberFrom, significant } from './quantities.js';
import { nuclideMass } from './structures.js';

/** CODATA 2018: eV in kJ/mol, and Avogadro's number. */
const EV = 96.48533212;
const AVOGADRO = 6.02214076e23;
/** CODATA 2018, in u. */
const PARTICLES: Readonly<Record<string, string>> = {
  electron: '5.48579909e-4',
  proton: '1.00727647',
  neutron: '1.00866492',
};
const MASS_WORDS = { g: 1, gram: 1, grams: 1, kg: 1e3, mg: 1e-3 } as const;
const MOLE_WORDS = { mol: 1, mole: 1, moles: 1, mmol: 1e-3 } as const;

interface Substance extends Formula {
  readonly formula: string;
  /** Set where the text was a name, or held more than the formula. */
  readonly understood: string;
}

/** A formula, a name, or both (`ammonia NH3`), which must agree. */
function substance(text: string): Substance {
  const plain = plainFormula(text).replace(/^(?:an?|the)\s+/i, '');
  const byName = plain.length > 2 ? formulaOfName(plain) : undefined;
  if (byName !== undefined) return { ...read(byName), formula: byName, understood: `${plain} = ` };
  const both = /^(.+?)\s*[,( ]\s*([A-Z(][^\s,]*?)\)?$/.exec(plain);
  if (both !== null && /^[a-z]/i.test(plain)) {
    const named = formulaOfName(both[1]!);
    const written = named === undefined || !looksLikeFormula(both[2]!) ? undefined : both[2]!;
    if (named !== undefined && written !== undefined) {
      const [one, other] = [read(named), read(written)];
      if (!sameAtoms(one, other)) throw new Error(`${both[1]} is ${named}, not ${written}; ask for one of them`);
      return { ...other, formula: written, understood: `${both[1]} = ` };
    }
  }
  return { ...read(plain), formula: plain.replace(/\s+/g, ''), understood: '' };
}

const looksLikeFormula = (text: string): boolean => /^[A-Z(][A-Za-z0-9()[\]]*$/.test(text);

function sameAtoms(one: Formula, other: Formula): boolean {
  return (
    one.atoms.size === other.atoms.size &&
    [...one.atoms].every(([symbol, number]) => other.atoms.get(symbol) === number)
  );
}

function read(text: string): Formula {
  // Run together, two formulas or words would be read as one.
  const spaced = text
    .trim()
    .replace(/\s*[·•*⋅]\s*/g, '')
    .replace(/\s+(?=\^?\d*[+-]+$)/, '')
    .replace(/^\d+\s+/, '');
  if (/\s/.test(spaced)) throw new Error(`cannot read "${text.slice(0, 40)}"`);
  // Carbon beside carbon and no hydrogen: `CCO` is ethanol to a chemist's program.
  if (/^(?:Cl|Br|[BCNOPSFI]|\d)+$/.test(spaced) && /(?:C\d*C|N\d*N|O\d*O)(?![a-z])/.test(spaced)) {
    throw new Error(`${text} looks like SMILES; write smiles ${text}, or each element once with its number`);
  }
  const formula = parseFormula(text, isElement);
  const electrons = [...formula.atoms].reduce((sum, [symbol, number]) => sum + number * numberOf(symbol)!, 0);
  if (Math.abs(formula.charge) > electrons)
    throw new Error(`a charge of ${formula.charge} is more than its ${electrons} electrons`);
  return formula;
}

export function molarMass(text: string): string {
  const particle = text.toLowerCase().replace(/^an?\s+/, '');
  if (Object.hasOwn(PARTICLES, particle)) return `${particle}: ${PARTICLES[particle]} u`;
  const nuclide = readNuclide(text);
  if (nuclide !== undefined) {
    const name = `${nuclide.symbol}-${nuclide.massNumber}`;
    const heavy =
      nuclide.symbol === 'H' && nuclide.massNumber <= 3
        ? [1.007825, massOf('D'), massOf('T')][nuclide.massNumber - 1]!
        : nuclideMass(nuclide);
    return `${name}: ${heavy.toFixed(3)} g/mol (nuclide of ${nameOf(nuclide.symbol).toLowerCase()}; mass of its atom in u is the same number)`;
  }
  const diatomic = diatomicNamed(text);
  if (diatomic !== undefined) {
    return `${text.toLowerCase()}: atom ${diatomic} ${massOf(diatomic).toFixed(3)} g/mol, molecule ${diatomic}2 ${(2 * massOf(diatomic)).toFixed(3)} g/mol`;
  }
  const symbol = /^[A-Za-z]{3,}$/.test(text) ? findElement(text) : undefined;
  if (symbol !== undefined) return `${text.toLowerCase()} = ${symbol}: ${massOf(symbol).toFixed(3)} g/mol`;
  const { atoms, formula, understood } = substance(text);
  const mass = massOfAtoms(atoms);
  const coefficient = /^(\d+)([A-Z([].*)$/.exec(formula);
  if (coefficient !== null && !/[·•*.⋅]/.test(formula)) {
    if (isElement(coefficient[2]!) && Number(coefficient[1]) >= numberOf(coefficient[2]!)!) {
      const nuclide = `${coefficient[2]}-${coefficient[1]}`;
      throw new Error(
        `${formula} can mean the nuclide ${nuclide} or ${coefficient[1]} atoms; write ${nuclide}, or ${coefficient[2]}`,
      );
    }
    const one = mass / Number(coefficient[1]);
    return `${coefficient[2]}: ${one.toFixed(3)} g/mol; ${coefficient[1]} mol of it: ${mass.toFixed(3)} g`;
  }
  return `${understood}${formula}: ${mass.toFixed(3)} g/mol`;
}

export function composition(text: string): string {
  const { atoms, charge, formula, understood } = substance(text);
  const total = massOfAtoms(atoms);
  const parts = [...atoms].map(([symbol, n]) => `${symbol} ${n} (${((100 * n * massOf(symbol)) / total).toFixed(2)}%)`);
  const sign = charge === 0 ? '' : `, charge ${charge > 0 ? '+' : ''}${charge}`;
  return `${understood}${formula}: ${parts.join(', ')}${sign}; ${total.toFixed(3)} g/mol`;
}

/** `formula C6H12O6` is taken apart, `formula of sodium sulfate` is found. */
export function formulaFor(text: string): string {
  const found = formulaOfName(text);
  if (found === undefined) return composition(text);
  return `${text}: ${found}, ${massOfAtoms(parseFormula(found, isElement).atoms).toFixed(3)} g/mol`;
}

export function percent(element: string, text: string): string {
  const symbol = findElement(element);
  const { atoms, formula } = substance(text);
  if (symbol === undefined || !atoms.has(symbol)) throw new Error(`no ${element} in ${formula}`);
  const share = (100 * atoms.get(symbol)! * massOf(symbol)) / massOfAtoms(atoms);
  return `${symbol} in ${formula}: ${share.toFixed(2)} % by mass`;
}

/** `18 g of H2O` to moles, `2 mol NaCl` to grams. */
export function convert(from: string, to: string): string {
  const match = new RegExp(`^(${NUMBER})\\s*(g|grams?|kg|mg|moles?|mol|mmol)\\s+(?:of\\s+)?(.+)$`, 'is').exec(from);
  if (match === null) throw new Error(`cannot read the amount "${from.slice(0, 40)}"; write e.g. moles in 18 g H2O`);
  const [, value, unit, text] = match as unknown as [string, string, string, string];
  if (diatomicNamed(text) !== undefined)
    throw new Error(`${text} can be atoms or molecules; write ${diatomicNamed(text)} or ${diatomicNamed(text)}2`);
  const symbol = /^[A-Za-z]{3,}$/.test(text) ? findElement(text) : undefined;
  const { atoms, formula } = substance(symbol ?? text);
  if (/^\d/.test(formula)) throw new Error(`${formula} has a number before it; give the amount of one formula`);
  const mass = massOfAtoms(atoms);
  const word = unit.toLowerCase();
  const moles =
    word in MASS_WORDS
      ? (numberFrom(value) * MASS_WORDS[word as keyof typeof MASS_WORDS]) / mass
      : numberFrom(value) * MOLE_WORDS[word as keyof typeof MOLE_WORDS];
  const wanted = to.toLowerCase();
  const count = /^(?:molecules|atoms)$/.test(wanted) ? `; ${significant(moles * AVOGADRO)} formula units` : '';
  if (wanted === 'atoms' && atoms.size + [...atoms.values()][0]! > 2)
    throw new Error('atoms of which element? ask for molecules');
  return `${value.trim()} ${unit} ${formula}: ${significant(moles)} mol = ${significant(moles * mass)} g (${mass.toFixed(3)} g/mol)${count}`;
}

export function element(text: string): string {
  const symbol = findElement(text);
  if (symbol === undefined) throw new Error(`no element ${text}`);
  return `${symbol}: ${nameOf(symbol)}, atomic number ${numberOf(symbol)}, atomic mass ${weight(symbol)}`;
}

function weight(symbol: string): string {
  const text = `${massOf(symbol)} g/mol`;
  return WITHOUT_STABLE(numberOf(symbol)!) && symbol !== 'T' ? `${text} (mass number of a long-lived isotope)` : text;
}

export function atomicMass(text: string): string {
  if (readNuclide(text) !== undefined) return molarMass(text);
  return element(text);
}

function elementOnly(text: string): string {
  const symbol = findElement(text);
  if (symbol === undefined) throw new Error(`no element ${text}`);
  return symbol;
}

export function ionization(text: string): string {
  const symbol = elementOnly(text);
  const value = IONIZATION_EV[numberOf(symbol)! - 1]!;
  if (value === 0) throw new Error(`the ionization energy of ${symbol} has not been measured`);
  return `${symbol}: first ionization energy ${value} eV = ${(value * EV).toFixed(1)} kJ/mol`;
}

export function electronegativity(text: string): string {
  const symbol = elementOnly(text);
  const value = ELECTRONEGATIVITY[numberOf(symbol)! - 1]!;
  if (value === 0) throw new Error(`${symbol} has no value on Pauling's scale`);
  return `${symbol}: electronegativity ${value} (Pauling)`;
}

export function halfLife(text: string): string {
  const nuclide = readNuclide(text);
  if (nuclide === undefined)
    throw new Error(`half-life of which nuclide? write e.g. half-life of C-14, got "${text.slice(0, 40)}"`);
  const key = `${nuclide.symbol}-${nuclide.massNumber}`;
  const found = HALF_LIVES.get(key);
  if (found === undefined) throw new Error(`the half-life of ${key} is not in the table here`);
  const note = key === 'C-14' ? '; books often take 5730 y' : '';
  return `${key}: half-life ${found[0]} ${found[1]} (NUBASE2020${note})`;
}

export function electrons(text: string): string {
  const formula = plainFormula(text);
  const named = findElement(formula.replace(/\s+(?:atom|element)$/i, ''));
  if (named !== undefined) return `${named}: ${configuration(named, 0)}`;
  const { atoms, charge } = parseFormula(formula, isElement);
  const [symbol] = atoms.keys();
  if (atoms.size !== 1 || atoms.get(symbol!) !== 1)
    throw new Error(`the configuration of one atom or ion, not of ${formula}`);
  return `${formula}: ${configuration(symbol!, charge)}`;
}

export function particles(what: string, text: string): string {
  const nuclide = readNuclide(text.replace(/\s*\^?\d*[+-]$/, ''));
  const charged = /(?:\^)?(\d*)([+-])$/.exec(text.trim());
  if (nuclide !== undefined) {
    const charge = charged === null ? 0 : Number(charged[1] || 1) * (charged[2] === '-' ? -1 : 1);
    const number = numberOf(nuclide.symbol)!;
    return `${nuclide.symbol}-${nuclide.massNumber}${charge === 0 ? '' : ` with charge ${charge}`}: ${number} protons, ${nuclide.massNumber - number} neutrons, ${number - charge} electrons`;
  }
  if (what === 'neutrons') throw new Error('neutrons need a mass number; write e.g. neutrons in U-235');
  const symbol = findElement(text);
  const { atoms, charge } =
    symbol === undefined ? read(plainFormula(text)) : { atoms: new Map([[symbol, 1]]), charge: 0 };
  const protons = [...atoms].reduce((sum, [one, number]) => sum + number * numberOf(one)!, 0);
  return `${text.trim()}: ${protons} protons, ${protons - charge} electrons`;
}

export function oxidation(text: string, element?: string): string {
  const plain = text.replace(/^the\s+/i, '');
  const { formula, charge, understood } = substance(
    formulaOfName(plain) === undefined ? plain.replace(/\s+ion$/i, '') : plain,
  );
  const numbers = oxidationNumbers(formula);
  const symbol = element === undefined ? undefined : findElement(element);
  if (element !== undefined && !numbers.some((one) => one.symbol === symbol))
    throw new Error(`no ${element} in ${formula}`);
  const shown = numbers
    .filter((one) => symbol === undefined || one.symbol === symbol)
    .map(
      ({ symbol: one, number, mean }) =>
        `${one} ${number > 0 ? '+' : ''}${Number.isInteger(number) ? number : significant(number)}${mean ? ' (mean)' : ''}`,
    );
  return `${understood}${formula}${charge === 0 ? '' : ` (charge ${charge > 0 ? '+' : ''}${charge})`}: oxidation number ${shown.join(', ')}`;
}

/** `element`: the atom in the middle, where the question names one. */
export function shape(text: string, element?: string): string {
  const { formula } = substance(text);
  const answer = shapeOf(formula);
  const symbol = element === undefined ? undefined : findElement(element);
  if (element !== undefined && (symbol === undefined || !new RegExp(` around ${symbol}\\b`).test(answer)))
    throw new Error(
      `${element} is not the atom in the middle of ${formula}; counting electron pairs says that one alone`,
    );
  return answer;
}

export function name(text: string): string {
  const formula = plainFormula(text).replace(/^(?:the\s+)?(?:compound|molecule|ion)\s+/i, '');
  const known = formulaOfName(formula);
  if (known !== undefined) return `${formula}: ${known}`;
  return `${formula}: ${nameOfFormula(formula)}`;
}
