/** Expressions that can be read in two ways, found in the tree; and letters that stand for physical constants. */
import type { MathJsInstance, MathNode, MathType } from 'mathjs';
import { type Arithmetic, QUOTIENTS } from './arithmetic.js';
import type { TreeNode as Node } from './tree.js';

/** Throws where people read the expression in two ways that give two values, and says what to write. */
export function refuseTwoReadings(math: MathJsInstance, tree: MathNode): void {
  if (tree.type === 'RangeNode') throw ways(`${tree}`, '3 / 4 for a ratio, [3, 4, 5] for numbers in a row');
  tree.traverse((one) => {
    const node = one as Node;
    if (node.type !== 'OperatorNode') return;
    if (node.fn === 'factorial' && (node.args[0] as Node).fn === 'factorial') {
      throw ways(`${node}`, '(3!)! or the product that the double factorial is, 5*3*1');
    }
    if (/^(?:and|or|xor|not)$/.test(node.op)) {
      throw new Error(`one expression expected, e.g. 3 * 4; "${node.op}" is for the tool logic`);
    }
    const [left, right] = node.args;
    if (left === undefined || right === undefined) return;
    if (isProduct(node) && right.type === 'ConstantNode') {
      throw new Error(`a sign is missing before ${right}; write e.g. 3 m + 20 cm or 3 * 20`);
    }
    if (node.op === '/' && isProduct(right) && !allUnits(math, right)) throw product(node);
    if (isProduct(node) && left.type === 'OperatorNode' && left.op === '/' && !allUnits(math, node))
      throw product(node);
    if ((node.op === '+' || node.op === '-') && isPercent(right) && !isShare(left)) throw percentOf(node);
    if (node.op === '+' || node.op === '-') {
      const inner = [left, right].find((part) => part.type === 'OperatorNode' && part.op === 'mod');
      if (inner !== undefined) throw ways(`${node}`, `(…) mod ${inner.args[1]} or brackets around ${inner}`);
    }
    if (node.fn === 'mod' && hasInverse(left)) {
      throw ways(`${node}`, 'invmod(7, 26) for an inverse, 2.5 mod 2 for what is left of a number');
    }
  });
}

function ways(text: string, write: string): Error {
  return new Error(`${text.slice(0, 60)} can be read in two ways; write ${write}`);
}

function product(node: Node): Error {
  return ways(node.toString({ implicit: 'show' }), 'a * sign and brackets: a/(b*c) or (a/b)*c');
}

function percentOf(node: Node): Error {
  return ways(
    String(node).replace(/percent\(([^()]*)\)/g, '$1%'),
    'the percentage as a factor, 100 * (1 + 10/100), or as a number, 100 + 0.10',
  );
}

function isProduct(node: Node): boolean {
  return node.type === 'OperatorNode' && node.op === '*' && node.implicit === true;
}

/** Whether all factors but the first are units: `3 km / 2 h`, `J / mol K`. */
function allUnits(math: MathJsInstance, node: Node): boolean {
  const [first, last] = node.args as [Node, Node];
  if (!isUnit(math, last)) return false;
  return isProduct(first) ? allUnits(math, first) : true;
}

function isUnit(math: MathJsInstance, node: Node): boolean {
  if (node.type === 'OperatorNode' && node.op === '^') return isUnit(math, node.args[0]!);
  if (node.type !== 'SymbolNode' || node.name === 'pi' || node.name === 'e') return false;
  return (math as unknown as { Unit: { isValuelessUnit(name: string): boolean } }).Unit.isValuelessUnit(node.name);
}

function isPercent(node: Node): boolean {
  return node.type === 'FunctionNode' && node.fn.type === 'SymbolNode' && node.fn.name === 'percent';
}

/** A percentage of 1, or a sum of percentages, is the same either way. */
function isShare(node: Node): boolean {
  let bare = node;
  while (bare.type === 'ParenthesisNode') bare = bare.content;
  if (bare.type === 'ConstantNode') return bare.value === 1;
  return bare.filter((one) => isPercent(one as Node)).length > 0;
}

/** Whether there is a `7^-1`, `inv(…)` or `1/3`, which modulo a number may be whole. */
function hasInverse(node: Node): boolean {
  return (
    node.filter((one) => {
      const { type, op, args, fn } = one as Node;
      if (type === 'FunctionNode') return String(fn) === 'inv';
      if (type !== 'OperatorNode') return false;
      if (op === '^') return /^\(?-\d+\)?$/.test(String(args[1]));
      const [above, under] = args.map((part) => (/^\d+$/.test(String(part)) ? Number(String(part)) : Number.NaN));
      return op === '/' && above! % under! > 0;
    }).length > 0
  );
}

/** Letters for physical constants. A letter that is a unit too (h: hours) is one only as a factor of its own. */
const LETTERS: Readonly<Record<string, string>> = {
  h: 'planckConstant',
  hbar: 'reducedPlanckConstant',
  c: 'speedOfLight',
  R: 'gasConstant',
  G: 'gravitationConstant',
  N_A: 'avogadro',
  NA: 'avogadro',
  k_B: 'boltzmann',
  kB: 'boltzmann',
  m_e: 'electronMass',
  m_p: 'protonMass',
  m_n: 'neutronMass',
  sigma_SB: 'stefanBoltzmann',
  epsilon_0: 'electricConstant',
  mu_0: 'magneticConstant',
  R_H: 'rydberg',
};

export interface Constants {
  readonly tree: MathNode;
  /** `h = planckConstant`, for every letter that was read as a constant. */
  readonly notes: readonly string[];
}

/**
 * The tree with the letters of `LETTERS` replaced by mathjs' constants, unless the text assigns them, and with units that
 * are quotients.
 */
export function withConstants({ math, parse }: Arithmetic, tree: MathNode): Constants {
  const assigned = new Set<string>();
  tree.traverse((one) => {
    const node = one as Node;
    if (node.type === 'AssignmentNode') assigned.add(node.object.name);
  });
  const notes = new Set<string>();
  const constants = tree.filter(
    (one) => one.type === 'SymbolNode' && ['h', 'c', 'hbar', 'k_B'].includes((one as Node).name),
  );
  const replaced = tree.transform((one, path, parent) => {
    const node = one as Node;
    if (node.type === 'SymbolNode' && Object.hasOwn(QUOTIENTS, node.name) && !assigned.has(node.name)) {
      return new math.ParenthesisNode(parse(QUOTIENTS[node.name]!));
    }
    if (
      node.type === 'SymbolNode' &&
      node.name === 'g' &&
      !assigned.has('g') &&
      isOwnFactor(path, parent as Node | null)
    ) {
      throw new Error('g may be a gram or the acceleration of gravity; write 1 g or 9.80665 m/s^2');
    }
    if (
      node.type === 'SymbolNode' &&
      node.name === 'e' &&
      constants.length > 0 &&
      !assigned.has('e') &&
      isOwnFactor(path, parent as Node | null)
    ) {
      throw new Error(
        'e may be the elementary charge or 2.718…; write 1.602176634e-19 C, or eV for its energy, or exp(1)',
      );
    }
    if (node.type !== 'SymbolNode' || !Object.hasOwn(LETTERS, node.name) || assigned.has(node.name)) return one;
    if (isUnit(math, node) && !isOwnFactor(path, parent as Node | null)) return one;
    const name = LETTERS[node.name]!;
    notes.add(
      `${node.name} = ${name} (${math.format(new math.SymbolNode(name).evaluate() as MathType, { precision: 7 })})`,
    );
    return new math.SymbolNode(name);
  });
  return { tree: replaced, notes: [...notes] };
}

/** The first operand of an explicit product or quotient, or the later one of a product. `km / h` is a unit. */
function isOwnFactor(path: string, parent: Node | null): boolean {
  if (parent === null || parent.type !== 'OperatorNode' || parent.implicit === true) return false;
  return (parent.op === '*' || parent.op === '/') && (path === 'args[0]' || parent.op === '*');
}

export interface LogReadings {
  readonly natural: MathNode;
  readonly decimal: MathNode;
}

/** Both trees when the text has a `log` of one argument, of which nobody can say the base; else null. */
export function logReadings(math: MathJsInstance, tree: MathNode): LogReadings | null {
  const bare = (node: Node) =>
    node.type === 'FunctionNode' && node.fn.type === 'SymbolNode' && node.fn.name === 'log' && node.args.length === 1;
  if (tree.filter((one) => bare(one as Node)).length === 0) return null;
  const as = (name: string) =>
    tree.transform((one) => {
      const node = one as Node;
      return bare(node) ? new math.FunctionNode(new math.SymbolNode(name), node.args) : one;
    });
  return { natural: as('ln'), decimal: as('log10') };
}

/**
 * The tree with every root of odd order of a negative number as the real one; null when there is none. `fraction` gives the
 * exact value of a subtree that has one.
 */
export function realRoots(
  math: MathJsInstance,
  tree: MathNode,
  fraction: (node: MathNode) => { s: bigint; n: bigint; d: bigint } | null,
): MathNode | null {
  let found = false;
  const replaced = tree.transform((one) => {
    const node = one as Node;
    if (node.type !== 'OperatorNode' || node.fn !== 'pow') return one;
    const [base, exponent] = node.args.map(fraction);
    if (!base || !exponent || !(base.s < 0n && base.n !== 0n) || exponent.d === 1n || exponent.d % 2n === 0n)
      return one;
    found = true;
    const size = new math.FunctionNode(new math.SymbolNode('abs'), [node.args[0]!]);
    const root = new math.OperatorNode('^', 'pow', [size, node.args[1]!]);
    return new math.ParenthesisNode(exponent.n % 2n === 1n ? new math.OperatorNode('-', 'unaryMinus', [root]) : root);
  });
  return found ? replaced : null;
}

const TRIG = new Set(['sin', 'cos', 'tan', 'sec', 'csc', 'cot']);

/** True when a trigonometric function has a plain number, which is radians. */
export function usesRadians(tree: MathNode): boolean {
  return (
    tree.filter((one) => {
      const node = one as Node;
      if (node.type !== 'FunctionNode' || !TRIG.has(node.fn.name)) return false;
      const symbols =
        node.args[0]?.filter((inner) => inner.type === 'SymbolNode' || inner.type === 'FunctionNode') ?? [];
      return symbols.length === 0;
    }).length > 0
  );
}

/** True where mathjs takes the numbers for a sample. */
export function usesSample(tree: MathNode): boolean {
  return (
    tree.filter((one) => one.type === 'FunctionNode' && /^(?:std|variance)$/.test(String((one as Node).fn.name)))
      .length > 0
  );
}

/** The name of the function the whole expression is. */
export function outermost(tree: MathNode): string {
  let node = tree as Node;
  while (node.type === 'ParenthesisNode') node = node.content;
  return node.type === 'FunctionNode' ? String(node.fn.name) : '';
}
