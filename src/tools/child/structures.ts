/** Structures from SMILES, with OpenChemLib's masses and properties; and masses of nuclides, which it knows. */
import * as OCL from 'openchemlib';
import { numberOf as atomicNumber, type Nuclide, nameOf, symbolOf } from './elementTable.js';

const HELP = 'write e.g. smiles CCO';
/**
 * Skips computing coordinates for a drawing, which takes 1 s the first time, as it reads templates of cages. Only stereo centres
 * are found in a drawing, and one without the templates does for them.
 */
const WITHOUT_DRAWING = { noCoordinates: true };
const PLAIN_DRAWING = { skipDefaultTemplates: true };

/** Mass of one atom in g/mol. Throws for a nuclide whose mass is not known. */
export function nuclideMass({ symbol, massNumber }: Nuclide): number {
  const atom = new OCL.Molecule(1, 0);
  const index = atom.addAtom(atomicNumber(symbol)!);
  // Without bonds there are none of the hydrogens that OpenChemLib adds to fill valences.
  atom.setAtomAbnormalValence(index, 0);
  atom.setAtomMass(index, massNumber);
  const mass = atom.getMolecularFormula().absoluteWeight;
  if (!(Math.abs(mass - massNumber) < 1)) throw new Error(`the mass of ${symbol}-${massNumber} is not known here`);
  return mass;
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
    throw new Error(`no isotope ${isotope} of ${nameOf(symbolOf(number))}; write e.g. smiles [2H]O[2H]`);
  }
}

/** Atomic number of a symbol in SMILES, where aromatic atoms are in lower case. */
function numberOf(symbol: string): number | undefined {
  return atomicNumber(symbol[0]!.toUpperCase() + symbol.slice(1));
}

export function structure(smiles: string): string {
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
  molecule.inventCoordinates(PLAIN_DRAWING);
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
