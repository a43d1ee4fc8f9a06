import { all, create, type FactoryFunctionMap, type MathJsInstance, type MathType } from 'mathjs';
import type { Evaluate } from '../hostProtocol.js';

/** Twelve digits: enough for any answer, and 0.1 + 0.2 reads 0.3. */
const FORMAT = { precision: 12, lowerExp: -6, upperExp: 15 };

/** Functions that would change the parser for later calls, or parse text a second time. mathjs advises the same. */
const DENIED = ['import', 'createUnit', 'config', 'evaluate', 'parse', 'compile', 'parser', 'simplify', 'reviver'];
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
  evaluate(expression: string, scope: Record<string, unknown>): unknown;
}

/** A mathjs of our own whose expressions cannot reach its configuration. */
export function createArithmetic(): Arithmetic {
  const math = create(all as FactoryFunctionMap, { randomSeed: 'spark' });
  const evaluate = math.evaluate.bind(math);
  const deny = (name: string) => () => {
    throw new Error(`${name} is not available`);
  };
  const names = [...DENIED, ...ALSO_DENIED];
  math.import(Object.fromEntries(names.map((name) => [name, deny(name)])), { override: true });
  return { math, evaluate: (expression, scope) => evaluate(expression, scope) as unknown };
}

export function createCalculator(): Evaluate {
  const { math, evaluate } = createArithmetic();
  return (input) => {
    const expression = normalise(input);
    const value = lastEntry(math, evaluate(expression, {}));
    if (value === undefined || value === null) throw new Error('the expression has no value');
    if (typeof value === 'function')
      throw new Error('the expression defines a function; write an expression with a value');
    if (typeof value === 'number' && !Number.isFinite(value)) {
      throw new Error(`the result is not a finite number (${value}); numbers reach up to 1.8e308`);
    }
    return formatValue(math, trigNoise(expression, value));
  };
}

/** What people and models write for the operators mathjs knows. */
export function normalise(input: string): string {
  // 1,000 is a thousand where no comma can separate arguments.
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

/** Several lines or `;` give a ResultSet: the last value is the answer. */
export function lastEntry(math: MathJsInstance, value: unknown): unknown {
  if (math.typeOf(value) !== 'ResultSet') return value;
  return (value as { entries: unknown[] }).entries.at(-1);
}

export function formatValue(math: MathJsInstance, value: unknown): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'number' && Object.is(value, -0)) return '0';
  return math.format(value as MathType, FORMAT);
}

/** sin(pi) is 1.2e-16 in floating point; a tiny physical constant is really tiny. Only the former is noise. */
function trigNoise(expression: string, value: unknown): unknown {
  const noisy = typeof value === 'number' && Math.abs(value) < 1e-15 && /\b(sin|cos|tan)\b/.test(expression);
  return noisy ? 0 : value;
}
