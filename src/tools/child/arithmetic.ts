/** The restricted mathjs that calculator and statistics compute with, and the units and names it lacks. */
import { all, create, type FactoryFunctionMap, type MathJsInstance, type MathNode } from 'mathjs';
import type { Evaluate } from '../hostProtocol.js';
import { refusePrototypeNames } from './names.js';

/**
 * Functions that can change the parser, parse text themselves, or read properties by a name from the text. mathjs
 * itself advises to disable most of them.
 */
const DENIED = [
  'print',
  'import',
  'createUnit',
  'config',
  'evaluate',
  'parse',
  'compile',
  'parser',
  'simplify',
  'reviver',
];
const ALSO_DENIED = [
  'derivative',
  'rationalize',
  'resolve',
  'symbolicEqual',
  'simplifyCore',
  'simplifyConstant',
  'leafCount',
  'help',
  'chain',
];

/**
 * Units that people write and mathjs does not know, each of a dimension that it knows: a new dimension would change in
 * what it shows other results. Sources: NIST SP 811, CODATA 2018.
 */
const UNITS: Readonly<Record<string, string | { definition: string; prefixes: 'short' }>> = {
  cal: { definition: '4.184 J', prefixes: 'short' },
  Btu: '1055.05585262 J',
  therm: '105505585.262 J',
  yr: '1 year',
  yrs: '1 year',
  rev: '1 cycle',
  revs: '1 cycle',
  revolution: '1 cycle',
  revolutions: '1 cycle',
  psia: '1 psi',
  amu: '1.66053906660e-27 kg',
  dalton: '1.66053906660e-27 kg',
  slug: '14.593902937206364 kg',
  ly: '9460730472580800 m',
  lightyear: '9460730472580800 m',
  AU: '149597870700 m',
  parsec: '3.0856775814913673e16 m',
  gauss: '1e-4 T',
  Bq: '1 Hz',
  Ci: '3.7e10 Hz',
};

/** Units that are quotients of others. */
export const QUOTIENTS: Readonly<Record<string, string>> = {
  mph: 'mi / hour',
  kph: 'km / hour',
  kmh: 'km / hour',
  kmph: 'km / hour',
  fps: 'ft / s',
  mps: 'm / s',
  rpm: 'cycle / minute',
};

export interface Arithmetic {
  readonly math: MathJsInstance;
  /** Throws for names that every JavaScript object has, and for text that is no expression. */
  parse(expression: string): MathNode;
  /** True when evaluating the tree cannot change anything but its own scope. */
  isPlain(tree: MathNode): boolean;
}

/** A tool on mathjs. `plain` returns 'true' for an input that cannot change the library. */
export type ArithmeticTool = Evaluate & { plain(input: string): string };

/** A mathjs of our own whose expressions cannot reach its configuration. */
export function createArithmetic(): Arithmetic {
  const math = create(all as FactoryFunctionMap, { randomSeed: 'spark' });
  const parse = math.parse.bind(math);
  for (const [name, unit] of Object.entries(UNITS)) math.createUnit(name, unit as never);
  math.import({
    ln: (x: number, base?: number) => (base === undefined ? math.log(x) : math.log(x, base)),
    percent: (x: number) => math.divide(x, 100),
  });
  // mathjs has CODATA's values of 2010 and of 1998.
  math.createUnit('eV', { definition: '1.602176634e-19 J', prefixes: 'short' }, { override: true });
  math.import({ neutronMass: math.unit(1.67492749804e-27, 'kg') }, { override: true });
  const deny = (name: string) => () => {
    throw new Error(`${name} is not available`);
  };
  const names = [...DENIED, ...ALSO_DENIED];
  math.import(Object.fromEntries(names.map((name) => [name, deny(name)])), { override: true });
  return {
    math,
    parse: (expression) => {
      refusePrototypeNames(expression);
      return parse(expression) as MathNode;
    },
    isPlain: (tree) => tree.filter((node) => !isPlainNode(node)).length === 0,
  };
}

/** Operators and functions that only return a value; not members of objects, nor functions that draw random numbers. */
const PLAIN_NODES = new Set([
  'ConstantNode',
  'SymbolNode',
  'OperatorNode',
  'ParenthesisNode',
  'ArrayNode',
  'RangeNode',
  'ConditionalNode',
  'RelationalNode',
  'BlockNode',
  'AssignmentNode',
  'FunctionNode',
]);
const DRAWING = new Set(['random', 'randomInt', 'pickRandom', 'distribution']);

function isPlainNode(node: MathNode): boolean {
  const { type, name } = node as MathNode & { name?: string };
  if (!PLAIN_NODES.has(type)) return false;
  return !((type === 'SymbolNode' || type === 'FunctionNode') && DRAWING.has(name ?? ''));
}
