/** Shapes of molecules with one central atom of a main group, by counting electron pairs (VSEPR). */
import { ELECTRONEGATIVITY } from './elementData.js';
import { isElement, numberOf } from './elementTable.js';
import { parseFormula } from './formula.js';

/** Outer electrons of the atoms that can stand in the middle. */
const OUTER: Readonly<Record<string, number>> = {
  ...{
    Be: 2,
    B: 3,
    Al: 3,
    C: 4,
    Si: 4,
    Ge: 4,
    Sn: 4,
    N: 5,
    P: 5,
    As: 5,
    Sb: 5,
    O: 6,
    S: 6,
    Se: 6,
    Te: 6,
    Cl: 7,
    Br: 7,
    I: 7,
    Kr: 8,
    Xe: 8,
  },
};
/** Electrons that an outer atom takes from the middle one: a half of each bond that the atom lacks. */
const TAKES: Readonly<Record<string, number>> = { H: 1, F: 1, Cl: 1, Br: 1, I: 1, O: 2, S: 2 };

/** Atoms around, lone pairs → shape, and the arrangement of all pairs with its hybrid. */
const SHAPES: Readonly<Record<string, string>> = {
  ...{
    '2,0': 'linear',
    '3,0': 'trigonal planar',
    '2,1': 'bent',
    '4,0': 'tetrahedral',
    '3,1': 'trigonal pyramidal',
    '2,2': 'bent',
  },
  ...{ '5,0': 'trigonal bipyramidal', '4,1': 'seesaw', '3,2': 'T-shaped', '2,3': 'linear', '6,0': 'octahedral' },
  ...{ '5,1': 'square pyramidal', '4,2': 'square planar', '7,0': 'pentagonal bipyramidal' },
};
const PAIRS: readonly string[] = [
  '',
  '',
  'linear, sp',
  'trigonal planar, sp2',
  'tetrahedral, sp3',
  'trigonal bipyramidal, sp3d',
  'octahedral, sp3d2',
  'pentagonal bipyramidal, sp3d3',
];

export function shapeOf(text: string): string {
  const { atoms, charge } = parseFormula(text, isElement);
  const refuse = (why: string) => new Error(`no shape of ${text} by counting electron pairs: ${why}`);
  const total = [...atoms.values()].reduce((sum, count) => sum + count, 0);
  if (total === 2) return `${text}: linear (two atoms)`;
  const once = [...atoms].filter(([symbol, count]) => count === 1 && symbol !== 'H').map(([symbol]) => symbol);
  const electro = (symbol: string) => ELECTRONEGATIVITY[numberOf(symbol)! - 1]! || 3;
  const centre = once.sort((a, b) => electro(a) - electro(b))[0];
  if (centre === undefined) throw refuse('no single atom in the middle');
  if (['Si', 'Ge', 'Sn'].includes(centre) && atoms.has('O') && atoms.size === 2 && charge === 0)
    throw refuse('it is a solid of atoms, not of molecules');
  if (!Object.hasOwn(OUTER, centre)) throw refuse(`${centre} is no main-group atom with known outer electrons`);
  const around = [...atoms].filter(([symbol]) => symbol !== centre);
  const odd = around.find(([symbol]) => !Object.hasOwn(TAKES, symbol));
  // HCN, ClCN, SCN-: nitrogen has three of carbon's bonds.
  const nitrile = centre === 'C' && odd?.[0] === 'N' && total === 3;
  if (odd !== undefined && !nitrile) throw refuse(`${odd[0]} around ${centre}`);
  // H2SO4 and HNO3 have hydrogen on oxygen, not on the middle.
  if (atoms.has('H') && around.some(([symbol]) => symbol === 'O') && !(centre === 'C' && total === 4))
    throw refuse('hydrogen is bound to oxygen; ask for the ion');
  if (nitrile) return `${text}: linear (2 atoms around ${centre}, no lone pairs; sp)`;
  const count = around.reduce((sum, [, number]) => sum + number, 0);
  const lone =
    (OUTER[centre]! - charge - around.reduce((sum, [symbol, number]) => sum + TAKES[symbol]! * number, 0)) / 2;
  // In ions such as SO4^2- some oxygens take one electron; the pairs left over say the same.
  const pairs = Math.ceil(Math.max(0, lone));
  const shape = SHAPES[`${count},${pairs}`];
  if (shape === undefined) throw refuse(`${count} atoms and ${pairs} lone pairs around ${centre}`);
  return `${text}: ${shape} (${count} atoms and ${pairs} lone pair${pairs === 1 ? '' : 's'} around ${centre}; electron pairs ${PAIRS[count + pairs] ?? ''})`;
}
