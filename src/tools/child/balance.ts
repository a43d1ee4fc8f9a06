/** Balances reactions: the whole numbers that conserve every element and the charge, by exact elimination. */

import { formulaOfName } from './compoundNames.js';
import { isElement, numberOf } from './elementTable.js';
import { parseFormula, plainFormula } from './formula.js';
import { gcd } from './integers.js';

export interface Species {
  readonly shown: string;
  readonly atoms: ReadonlyMap<string, number>;
  readonly charge: number;
  /** 1: reactant, -1: product, 0: goes where it is needed. */
  readonly side: 1 | -1 | 0;
  readonly given: number;
}

export const ARROW =
  /\s*(?:<?[-=]+>|→|⟶|⇌|⇄|⇋|↔|⟷|➔|\\(?:long)?rightarrow|\\to\b|\\rightleftharpoons|\\longrightarrow)\s*/;
const ELECTRON = /^e(?:lectrons?)?(?:\^?-|⁻|−)?$/;

export const isReaction = (text: string): boolean =>
  ARROW.test(text) ||
  (/ = /.test(text) && (/\bbalanc/i.test(text) || (/\s\+\s/.test(text) && !/[a-z]{4}|\bp[HK]/.test(text))));

/** Answers "balance A + B -> C". */
export function balanceReaction(input: string): string {
  const where = String.raw`(?:\s+(?:aqueous\s+)?(?:solution|medium|media|conditions?))?`;
  const medium = (kind: string): RegExp =>
    new RegExp(
      String.raw`\b(?:in|under)\s+(?:an?\s+)?(?:aqueous\s+)?${kind}\b${where}|\b${kind}\s+(?:solution|medium|media|conditions?)\b|\(${kind}\)`,
      'i',
    );
  const [acid, base] = [medium('acid(?:ic)?'), medium('(?:basic|alkaline|base)')];
  let text = input
    .replace(
      /\bbalanc(?:e|ed|ing)\b(?:\s+(?:the|this))?(?:\s+following)?(?:\s+(?:chemical|redox|half))?(?:[- ]?(?:equation|reaction))?(?:\s+(?:for|of))?\s*:?/gi,
      ' ',
    )
    .replace(/\bcoefficients?\s+(?:of|for)\s*:?/gi, ' ');
  const half = /\bhalf[- ]?(?:reaction|equation)?\b\s*:?/i;
  const take = (pattern: RegExp): boolean => {
    const found = pattern.test(text);
    text = text.replace(pattern, ' ');
    return found;
  };
  const inBase = take(base);
  const inAcid = !inBase && take(acid);
  const isHalf = take(half);
  text = text
    .replace(/[\s,.;:?()]+$/, (end) => (/\)/.test(end) ? end.replace(/[^)]/g, '') : ''))
    .replace(/^[\s,:;]+/, '');
  const sides = text.split(ARROW.test(text) ? new RegExp(ARROW, 'g') : / = /);
  if (sides.length !== 2) throw new Error('one arrow expected; write e.g. balance NH3 + O2 -> NO + H2O');
  const species = sides.flatMap((side, i) => sideOf(side, i === 0 ? 1 : -1));
  return solve(species, { inAcid, inBase, isHalf });
}

function sideOf(text: string, side: 1 | -1): Species[] {
  const spaced = /\s\+\s/.test(text);
  const parts = text.split(spaced ? /\s\+\s/ : /\+(?=\s*[A-Z([\de])/).map((part) => part.trim());
  return parts.map((part) => speciesOf(part, side));
}

function speciesOf(part: string, side: Species['side']): Species {
  const plain = plainFormula(part);
  const match = /^(\d*)\s*(\S.*)$/s.exec(plain);
  if (match === null) throw new Error('a substance is missing; write e.g. balance NH3 + O2 -> NO + H2O');
  const given = match[1] === '' ? 1 : Number(match[1]);
  const body = match[2]!.trim();
  if (ELECTRON.test(body)) return { shown: 'e-', atoms: new Map(), charge: -1, side, given };
  const shown =
    /^[A-Z([{^]/.test(body) && !/\s[A-Za-z]{3,}|^[A-Z][a-z]{2,}/.test(body)
      ? body.replace(/\s+/g, '')
      : (formulaOfName(body) ?? body);
  const { atoms, charge } = parseFormula(shown, isElement);
  return { shown, atoms, charge, side, given };
}

function solve(given: readonly Species[], medium: { inAcid: boolean; inBase: boolean; isHalf: boolean }): string {
  const names = new Set(given.map(({ shown }) => shown));
  const both = [...names].filter((name) => given.filter(({ shown }) => shown === name).length > 1);
  if (both.length > 0) throw new Error(`${both[0]} stands in more than one place; name each substance once`);
  const free = (formulas: readonly string[]) =>
    formulas.filter((one) => !names.has(one)).map((one) => speciesOf(one, 0));
  let species = [...given, ...(medium.inBase ? free(['H2O', 'OH-']) : medium.inAcid ? free(['H2O', 'H+']) : [])];
  if (medium.isHalf) species = [...species, ...free(['e-'])];
  let space = nullSpace(matrixOf(species));
  let note = '';
  if (space.length === 0 && (medium.inAcid || medium.inBase) && !medium.isHalf) {
    species = [...species, ...free(['e-'])];
    space = nullSpace(matrixOf(species));
  }
  if (space.length === 2 && peroxideReduces(species)) {
    const rows = [
      ...matrixOf(species),
      species.map(({ shown }) => (shown === 'H2O2' ? 1n : shown === 'O2' ? -1n : 0n)),
    ];
    space = nullSpace(rows);
    note = '; taking H2O2 as the reducing agent, one O2 from each: atoms and charge alone do not decide';
  }
  if (space.length === 0) {
    const charged = species.some(({ charge }) => charge !== 0);
    throw new Error(
      `no numbers balance this: ${missing(given)}${charged ? '; for ions say "in acidic solution" or "in basic solution", or "half-reaction"' : ''}`,
    );
  }
  if (space.length > 1)
    throw new Error('more than one way to balance this: two reactions are in it; balance them one at a time');
  return shownBalance(species, space[0]!, note);
}

export interface Balanced {
  readonly species: readonly Species[];
  /** One for each species, above 0. */
  readonly numbers: readonly number[];
  readonly shown: string;
}

/** A reaction of substances alone, of two sides. Numbers that balance as given are kept; others are found, if there is one way. */
export function balanced(left: string, right: string): Balanced {
  const species = [...sideOf(left, 1), ...sideOf(right, -1)];
  const given = species.map((one) => one.given);
  const conserved = matrixOf(species).every(
    (row) => row.reduce((sum, value, i) => sum + value * BigInt(given[i]!), 0n) === 0n,
  );
  if (conserved) {
    const write = (side: 1 | -1) =>
      species
        .filter((one) => one.side === side)
        .map((one) => `${one.given === 1 ? '' : `${one.given} `}${one.shown}`)
        .join(' + ');
    return { species, numbers: given, shown: `${write(1)} -> ${write(-1)}` };
  }
  const shown = solve(species, { inAcid: false, inBase: false, isHalf: false });
  return { species, numbers: nullSpace(matrixOf(species))[0]!.map((value) => Math.abs(Number(value))), shown };
}

/** H2O2 → O2 beside another oxidant: two reactions at once, of which chemistry knows the one where O2 comes from H2O2 alone. */
function peroxideReduces(species: readonly Species[]): boolean {
  const has = (formula: string, side: number) => species.some((one) => one.shown === formula && one.side === side);
  const oxidant = species.some(
    ({ side, atoms }) => side === 1 && ['Mn', 'Cr', 'Ce', 'Au', 'Ag', 'Cl'].some((symbol) => atoms.has(symbol)),
  );
  return has('H2O2', 1) && has('O2', -1) && oxidant;
}

/** One row for each element and, where there are ions, the charge; products count negative. */
function matrixOf(species: readonly Species[]): bigint[][] {
  const elements = [...new Set(species.flatMap(({ atoms }) => [...atoms.keys()]))].sort(
    (a, b) => numberOf(a)! - numberOf(b)!,
  );
  const sign = ({ side }: Species) => (side === -1 ? -1n : 1n);
  const rows = elements.map((element) => species.map((one) => sign(one) * BigInt(one.atoms.get(element) ?? 0)));
  return [...rows, species.map((one) => sign(one) * BigInt(one.charge))];
}

function missing(species: readonly Species[]): string {
  const on = (side: number) =>
    new Set(species.filter((one) => one.side === side).flatMap(({ atoms }) => [...atoms.keys()]));
  const [left, right] = [on(1), on(-1)];
  const alone = [...left].filter((one) => !right.has(one)).concat([...right].filter((one) => !left.has(one)));
  return alone.length === 0 ? 'the numbers of atoms contradict each other' : `${alone.join(', ')} on one side only`;
}

/** A basis of the whole-number vectors that `rows` send to 0, each without a common divisor. */
export function nullSpace(rows: readonly (readonly bigint[])[]): bigint[][] {
  const width = rows[0]?.length ?? 0;
  const left = rows.map((row) => [...row]);
  const pivots: number[] = [];
  for (let column = 0, row = 0; column < width && row < left.length; column++) {
    const at = left.findIndex((one, i) => i >= row && one[column] !== 0n);
    if (at < 0) continue;
    [left[row], left[at]] = [left[at]!, left[row]!];
    const pivot = left[row]!;
    for (const [i, other] of left.entries()) {
      const factor = other[column]!;
      if (i === row || factor === 0n) continue;
      const next = other.map((value, k) => value * pivot[column]! - pivot[k]! * factor);
      const divisor = next.reduce(gcd, 0n) || 1n;
      left[i] = next.map((value) => value / divisor);
    }
    pivots.push(column);
    row += 1;
  }
  const free = Array.from({ length: width }, (_, i) => i).filter((i) => !pivots.includes(i));
  return free.map((column) => {
    const scale = pivots.reduce((product, pivot, row) => {
      const value = left[row]![pivot]!;
      return (product * value) / gcd(product, value);
    }, 1n);
    const vector = Array.from({ length: width }, () => 0n);
    vector[column] = scale;
    for (const [row, pivot] of pivots.entries()) vector[pivot] = (-left[row]![column]! * scale) / left[row]![pivot]!;
    const divisor = vector.reduce(gcd, 0n) || 1n;
    return vector.map((value) => value / divisor);
  });
}

function shownBalance(species: readonly Species[], solution: readonly bigint[], note: string): string {
  const fixed = species.findIndex((one, i) => one.side !== 0 && solution[i] !== 0n);
  const vector = solution[fixed]! < 0n ? solution.map((value) => -value) : solution;
  for (const [i, one] of species.entries()) {
    if (one.side === 0 || vector[i]! > 0n) continue;
    throw new Error(
      vector[i] === 0n
        ? `${one.shown} takes no part in this reaction`
        : `${one.shown} belongs on the other side of the arrow`,
    );
  }
  const side = (which: 1 | -1): string =>
    species
      .flatMap((one, i) => {
        const count = one.side === 0 ? vector[i]! * BigInt(which) : one.side === which ? vector[i]! : 0n;
        return count <= 0n ? [] : [count === 1n ? one.shown : `${count} ${one.shown}`];
      })
      .join(' + ');
  const numbered = species.some(({ given }) => given !== 1);
  const right = numbered && species.every(({ given, side: where }, i) => where !== 0 && BigInt(given) === vector[i]);
  return `${side(1)} -> ${side(-1)}${right ? ' (balanced as given)' : ''}${note}`;
}
