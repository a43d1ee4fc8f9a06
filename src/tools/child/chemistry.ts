/** The tool `chemistry`: formulas, masses, elements and structures, with OpenChemLib's masses and structure properties. */
import * as OCL from 'openchemlib';
import type { Evaluate } from '../hostProtocol.js';
import { ELEMENT_NAMES } from './elements.js';
import { parseFormula } from './formula.js';

const HELP = 'write e.g. mass H2O, formula C6H12O6, smiles CCO, or element Fe';
const COMMAND =
  /^(molar\s*mass|molecular\s*weight|mass|weight|formula|composition|smiles|element)\b\s*(?:of\s+)?[:=]?\s*(.*)$/is;
/** Skips computing coordinates for a drawing: it takes 1 s the first time, and nothing we print depends on it. */
const WITHOUT_DRAWING = { noCoordinates: true };

export function createChemistry(): Evaluate {
  const masses = new Map<string, number>();
  const mass = (symbol: string): number => {
    const known = masses.get(symbol);
    if (known !== undefined) return known;
    // Not from the SMILES string `[Al]`, to which OpenChemLib adds three hydrogens. Without bonds there are none.
    const atom = new OCL.Molecule(1, 0);
    atom.setAtomAbnormalValence(atom.addAtom(SYMBOLS.get(symbol)!), 0);
    const value = atom.getMolecularFormula().relativeWeight;
    masses.set(symbol, value);
    return value;
  };
  return (input) => {
    const match = COMMAND.exec(input.trim().replace(/^["'`]|["'`]$/g, ''));
    const [verb, argument] = match === null ? ['mass', input.trim()] : [match[1]!.toLowerCase(), unwrap(match[2]!)];
    if (argument === '') throw new Error(HELP);
    switch (verb) {
      case 'formula':
      case 'composition':
        return composition(argument, mass);
      case 'smiles':
        return structure(argument);
      case 'element':
        return element(argument, mass);
      default:
        return molarMass(argument, mass);
    }
  };
}

function unwrap(text: string): string {
  const inner = /^\((.*)\)$/s.exec(text.trim())?.[1];
  // Brackets are removed only when the first one is closed by the last character; not in `(NH4)2SO4` or `Ca(OH)2`.
  const balanced =
    inner !== undefined &&
    [...inner].reduce((depth, c) => (depth < 0 ? depth : depth + Number(c === '(') - Number(c === ')')), 0) === 0;
  return (balanced ? inner : text).trim().replace(/^["'`]|["'`]$/g, '');
}

const isElement = (symbol: string): boolean => SYMBOLS.has(symbol);
const SYMBOLS: ReadonlyMap<string, number> = new Map(ELEMENT_NAMES.map(([symbol], index) => [symbol, index + 1]));

function molarMass(text: string, mass: (symbol: string) => number): string {
  const { atoms } = read(text);
  const total = [...atoms].reduce((sum, [symbol, number]) => sum + number * mass(symbol), 0);
  return `${text.replace(/\s+/g, '')}: ${total.toFixed(3)} g/mol`;
}

function composition(text: string, mass: (symbol: string) => number): string {
  const { atoms, charge } = read(text);
  const total = [...atoms].reduce((sum, [symbol, number]) => sum + number * mass(symbol), 0);
  const parts = [...atoms].map(([symbol, n]) => `${symbol} ${n} (${((100 * n * mass(symbol)) / total).toFixed(2)}%)`);
  const sign = charge === 0 ? '' : `, charge ${charge > 0 ? '+' : ''}${charge}`;
  return `${text.replace(/\s+/g, '')}: ${parts.join(', ')}${sign}; ${total.toFixed(3)} g/mol`;
}

function read(text: string): ReturnType<typeof parseFormula> {
  try {
    const formula = parseFormula(text, isElement);
    const electrons = [...formula.atoms].reduce((sum, [symbol, number]) => sum + number * SYMBOLS.get(symbol)!, 0);
    if (Math.abs(formula.charge) > electrons) {
      throw new Error(`a charge of ${formula.charge} is more than its ${electrons} electrons`);
    }
    return formula;
  } catch (error) {
    throw new Error(`${(error as Error).message}; ${HELP}`);
  }
}

function element(text: string, mass: (symbol: string) => number): string {
  const key = text.toLowerCase();
  const index = ELEMENT_NAMES.findIndex(
    ([symbol, name], i) => symbol.toLowerCase() === key || name.toLowerCase() === key || String(i + 1) === key,
  );
  if (index < 0) throw new Error(`no element ${text}; ${HELP}`);
  const [symbol, name] = ELEMENT_NAMES[index]!;
  return `${symbol}: ${name}, atomic number ${index + 1}, atomic mass ${Number(mass(symbol).toFixed(4))} g/mol`;
}

/**
 * Refuses wildcards and impossible isotopes, for which OpenChemLib gives masses of 0 or NaN. Every known nucleus has
 * Z ≤ A ≤ 3 Z + 4 (H-1 to H-7, C-8 to C-22, U-215 to U-243).
 */
function checkAtoms(smiles: string): void {
  if (/[*?]/.test(smiles)) throw new Error(`a SMILES string with wildcards (* or ?) has no mass; ${HELP}`);
  for (const [, isotope, symbol = ''] of smiles.matchAll(/\[(\d+)([A-Za-z][a-z]?)/g)) {
    const number = numberOf(symbol) ?? numberOf(symbol[0]!);
    if (number === undefined || (Number(isotope) >= number && Number(isotope) <= 3 * number + 4)) continue;
    throw new Error(`no isotope ${isotope} of ${ELEMENT_NAMES[number - 1]![1]}; write e.g. smiles [2H]O[2H]`);
  }
}

/** Atomic number of a symbol in SMILES, where aromatic atoms are in lower case. */
function numberOf(symbol: string): number | undefined {
  return SYMBOLS.get(symbol[0]!.toUpperCase() + symbol.slice(1));
}

function structure(smiles: string): string {
  checkAtoms(smiles);
  let molecule: OCL.Molecule;
  try {
    molecule = OCL.Molecule.fromSmiles(smiles, WITHOUT_DRAWING);
  } catch (error) {
    throw new Error(
      `not a SMILES string: ${String((error as Error).message).replace(/^.*SmilesParser:\s*/, '')}; ${HELP}`,
    );
  }
  if (molecule.getAllAtoms() === 0) throw new Error(`not a SMILES string: ${smiles}; ${HELP}`);
  const formula = molecule.getMolecularFormula();
  if (!(formula.relativeWeight > 0 && Number.isFinite(formula.relativeWeight))) {
    throw new Error(`${smiles} has an atom without a known mass; ${HELP}`);
  }
  const properties = new OCL.MoleculeProperties(molecule);
  const rings = molecule.getRingSet();
  const aromatic = Array.from({ length: rings.getSize() }, (_, i) => rings.isAromatic(i)).filter(Boolean).length;
  const facts = [
    `formula ${formula.formula}`,
    `mass ${formula.relativeWeight.toFixed(3)} g/mol`,
    `rings ${rings.getSize()} (${aromatic} aromatic)`,
    `H-bond donors ${properties.donorCount}`,
    `H-bond acceptors ${properties.acceptorCount}`,
    // logP is -999 when OpenChemLib has no increments for the molecule, as for salts.
    ...(properties.logP > -900 ? [`logP ${properties.logP.toFixed(2)}`] : []),
    `polar surface ${properties.polarSurfaceArea.toFixed(1)} A^2`,
    `rotatable bonds ${properties.rotatableBondCount}`,
    `stereo centres ${properties.stereoCenterCount}`,
  ];
  return `${smiles}: ${facts.join(', ')}`;
}
