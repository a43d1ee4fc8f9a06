/** Electron configurations of atoms and ions in the ground state. */
import { numberOf } from './elementTable.js';

const ORDER = [
  '1s',
  '2s',
  '2p',
  '3s',
  '3p',
  '4s',
  '3d',
  '4p',
  '5s',
  '4d',
  '5p',
  '6s',
  '4f',
  '5d',
  '6p',
  '7s',
  '5f',
  '6d',
  '7p',
];
const ROOM: Readonly<Record<string, number>> = { s: 2, p: 6, d: 10, f: 14 };
const NOBLE: readonly (readonly [symbol: string, number: number])[] = [
  ...([
    ['Rn', 86],
    ['Xe', 54],
    ['Kr', 36],
    ['Ar', 18],
    ['Ne', 10],
    ['He', 2],
  ] as const),
];

/** Atoms that do not follow the order (NIST): what stands outside the noble gas. */
const EXCEPTIONS: Readonly<Record<string, string>> = {
  ...{
    Cr: '3d5 4s1',
    Cu: '3d10 4s1',
    Nb: '4d4 5s1',
    Mo: '4d5 5s1',
    Ru: '4d7 5s1',
    Rh: '4d8 5s1',
    Pd: '4d10',
    Ag: '4d10 5s1',
  },
  ...{
    La: '5d1 6s2',
    Ce: '4f1 5d1 6s2',
    Gd: '4f7 5d1 6s2',
    Pt: '4f14 5d9 6s1',
    Au: '4f14 5d10 6s1',
    Ac: '6d1 7s2',
    Th: '6d2 7s2',
  },
  ...{ Pa: '5f2 6d1 7s2', U: '5f3 6d1 7s2', Np: '5f4 6d1 7s2', Cm: '5f7 6d1 7s2', Lr: '5f14 7s2 7p1' },
};

type Shells = Map<string, number>;

export function configuration(symbol: string, charge: number): string {
  const number = numberOf(symbol)!;
  const electrons = number - charge;
  if (electrons < 0 || electrons > 118) throw new Error(`${symbol} has no ion of charge ${charge}`);
  if (electrons === 0) return 'no electrons';
  const shells = charge === 0 ? ofAtom(symbol, number) : ofIon(symbol, number, charge);
  const noble = NOBLE.find(([, count]) => count < electrons && holds(shells, count));
  const outside = noble === undefined ? shells : new Map([...shells].filter(([name]) => !filled(noble[1]).has(name)));
  const full = shown(shells);
  return noble === undefined ? full : `[${noble[0]}] ${shown(outside)} = ${full}`;
}

function filled(electrons: number): Shells {
  const shells: Shells = new Map();
  let left = electrons;
  for (const name of ORDER) {
    if (left === 0) break;
    const count = Math.min(left, ROOM[name[1]!]!);
    shells.set(name, count);
    left -= count;
  }
  return shells;
}

function holds(shells: Shells, noble: number): boolean {
  return [...filled(noble)].every(([name, count]) => shells.get(name) === count);
}

function ofAtom(symbol: string, number: number): Shells {
  const exception = EXCEPTIONS[symbol];
  if (exception === undefined) return filled(number);
  const shells = filled(NOBLE.find(([, count]) => count < number)![1]);
  for (const part of exception.split(' ')) shells.set(part.slice(0, 2), Number(part.slice(2)));
  return shells;
}

/** Cations lose the electrons of the highest shell first, p before s, then d; anions fill on. */
function ofIon(symbol: string, number: number, charge: number): Shells {
  if (charge < 0) return filled(number - charge);
  const shells = ofAtom(symbol, number);
  for (let left = charge; left > 0; left--) {
    const outermost = [...shells]
      .filter(([, count]) => count > 0)
      .sort(([a], [b]) => Number(b[0]) - Number(a[0]) || 'spdf'.indexOf(b[1]!) - 'spdf'.indexOf(a[1]!))[0]!;
    shells.set(outermost[0], outermost[1] - 1);
  }
  return new Map([...shells].filter(([, count]) => count > 0));
}

function shown(shells: Shells): string {
  return [...shells]
    .sort(([a], [b]) => Number(a[0]) - Number(b[0]) || 'spdf'.indexOf(a[1]!) - 'spdf'.indexOf(b[1]!))
    .map(([name, count]) => `${name}${count}`)
    .join(' ');
}
