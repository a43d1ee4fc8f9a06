/** The tool `calculator` on mathjs, and the restricted mathjs that `statistics` uses too. */
import { all, create, type FactoryFunctionMap, type MathJsInstance, type MathNode, type MathType } from 'mathjs';
import type { Evaluate } from '../hostProtocol.js';
import { refusePrototypeNames } from './names.js';

/** Twelve digits are enough for any answer, and show 0.1 + 0.2 as 0.3. */
const FORMAT = { precision: 12, lowerExp: -6, upperExp: 15 };

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

export interface Arithmetic {
  readonly math: MathJsInstance;
  evaluate(expression: string, scope: Map<string, unknown>): unknown;
  /** True when evaluating the expression cannot change anything but its own scope. */
  isPlain(expression: string): boolean;
}

/** A tool on mathjs. `plain` returns 'true' for an input that cannot change the library. */
export type ArithmeticTool = Evaluate & { plain(input: string): string };

/** A mathjs of our own whose expressions cannot reach its configuration. */
export function createArithmetic(): Arithmetic {
  const math = create(all as FactoryFunctionMap, { randomSeed: 'spark' });
  const evaluate = math.evaluate.bind(math);
  const parse = math.parse.bind(math);
  const deny = (name: string) => () => {
    throw new Error(`${name} is not available`);
  };
  const names = [...DENIED, ...ALSO_DENIED];
  math.import(Object.fromEntries(names.map((name) => [name, deny(name)])), { override: true });
  return {
    math,
    evaluate: (expression, scope) => {
      refusePrototypeNames(expression);
      return evaluate(expression, scope as unknown as object) as unknown;
    },
    isPlain: (expression) => {
      let tree: MathNode;
      try {
        tree = parse(expression) as MathNode;
      } catch {
        // Text that does not parse is not evaluated either.
        return true;
      }
      return tree.filter((node) => !isPlainNode(node)).length === 0;
    },
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

export function createCalculator(): ArithmeticTool {
  const { math, evaluate, isPlain } = createArithmetic();
  const calculate: Evaluate = (input) => {
    const expression = normalise(input);
    const value = lastEntry(math, evaluate(expression, new Map()));
    if (value === undefined || value === null) throw new Error('the expression has no value');
    if (typeof value === 'function')
      throw new Error('the expression defines a function; write an expression with a value');
    requireValue(math, value);
    return formatValue(math, trigNoise(expression, value));
  };
  return Object.assign(calculate, { plain: (input: string) => String(isPlain(normalise(input))) });
}

/** Throws unless every number in the value is finite, also those inside lists and units. */
export function requireValue(math: MathJsInstance, value: unknown): void {
  const parts: unknown[] = [value];
  while (parts.length > 0) {
    const part = parts.pop();
    const number = typeof part === 'number' ? part : math.isBigNumber(part) ? part.toNumber() : 0;
    if (!Number.isFinite(number) && !(math.isBigNumber(part) && part.isFinite())) {
      throw new Error(`the result is not a finite number (${number}); numbers reach up to 1.8e308`);
    }
    if (math.isComplex(part)) parts.push(part.re, part.im);
    else if (math.isUnit(part)) parts.push((part as unknown as { value: unknown }).value ?? 1);
    else if (math.isMatrix(part)) parts.push(part.valueOf());
    else if (Array.isArray(part)) for (const item of part) parts.push(item);
    else if (math.typeOf(part) === 'Object') parts.push(...Object.values(part as object).filter(isNoFunction));
    else if (!isSingle(math, part)) {
      throw new Error('the expression has no value that can be shown; write one with a number, e.g. sqrt(2)');
    }
  }
}

/** The results of `qr` and `lup` are objects that also hold a function, for printing. */
function isNoFunction(part: unknown): boolean {
  return typeof part !== 'function';
}

function isSingle(math: MathJsInstance, part: unknown): boolean {
  return (
    ['number', 'bigint', 'boolean', 'string'].includes(typeof part) || math.isBigNumber(part) || math.isFraction(part)
  );
}

/** Replaces what people and models write by what mathjs understands. */
export function normalise(input: string): string {
  // 1,000 is a thousand, unless there are brackets, in which commas separate arguments.
  const text = /[([]/.test(input)
    ? input
    : input.replace(/\b\d{1,3}(?:,\d{3})+\b/g, (digits) => digits.replaceAll(',', ''));
  return text
    .replace(/%\s+of\s+/gi, '% * ')
    .replace(/[×·∙⋅]/g, '*')
    .replace(/÷/g, '/')
    .replace(/[−–]/g, '-')
    .replace(/\*\*/g, '^')
    .replace(/π/g, 'pi')
    .replace(/√\s*\(/g, 'sqrt(')
    .replace(/°\s*([CF])\b/g, ' deg$1')
    .replace(/°/g, ' deg')
    .replace(/\s*=\s*\??\s*$/, '');
}

/** For several lines, or `;`, mathjs returns a ResultSet, whose last value is the answer. */
export function lastEntry(math: MathJsInstance, value: unknown): unknown {
  if (!math.isResultSet(value)) return value;
  return (value as unknown as { entries: unknown[] }).entries.at(-1);
}

export function formatValue(math: MathJsInstance, value: unknown): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'number' && Object.is(value, -0)) return '0';
  return math.format(value as MathType, FORMAT);
}

/** Rounds noise of trigonometric functions to 0: sin(pi) is 1.2e-16 in floating point. Other tiny values are real. */
function trigNoise(expression: string, value: unknown): unknown {
  const noisy = typeof value === 'number' && Math.abs(value) < 1e-15 && /\b(sin|cos|tan)\b/.test(expression);
  return noisy ? 0 : value;
}
