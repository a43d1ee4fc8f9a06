/**
 * The tool `calculator`: reads what models write (expression.ts), computes exactly where that is possible (exact.ts) and
 * with mathjs where units, matrices or complex numbers need it.
 */
import type { BigNumber, MathJsInstance, MathNode, MathType, Unit } from 'mathjs';
import type { Evaluate } from '../hostProtocol.js';
import { clip } from '../observation.js';
import { type Arithmetic, type ArithmeticTool, createArithmetic } from './arithmetic.js';
import { ExactArithmetic, Inexact, type Value } from './exact.js';
import { type Expression, readExpression } from './expression.js';
import {
  logReadings,
  outermost,
  realRoots,
  refuseTwoReadings,
  usesRadians,
  usesSample,
  withConstants,
} from './readings.js';
import { expandSeries } from './series.js';
import type { TreeNode } from './tree.js';

/** Twelve digits are enough for any answer, and show 0.1 + 0.2 as 0.3. */
const FORMAT = { precision: 12, lowerExp: -6, upperExp: 15 };

/** Integers are written out up to so many digits. */
const MOST_DIGITS = 200;

export function createCalculator(): ArithmeticTool {
  const calculator = new Calculator(createArithmetic());
  const calculate: Evaluate = (input, maxChars) => {
    const read = readExpression(input, 'calculator');
    const { text, notes } = explained(read, () => calculator.evaluate(read));
    return withReading(text, read, notes, maxChars);
  };
  return Object.assign(calculate, {
    plain: (input: string) => {
      try {
        return String(calculator.isPlain(readExpression(input, 'calculator')));
      } catch {
        // What cannot be read is not evaluated either.
        return 'true';
      }
    },
  });
}

/** Errors say what was understood, when that is not what was written. */
function explained<T>(read: Expression, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!read.changed) throw error;
    throw new Error(`${(error as Error).message} (understood as ${clip(read.shown, 120)})`);
  }
}

/** `742.97 (understood as 500 * (1 + 0.08/4)^(4*5), in $)`; the reading is cut where the observation ends. */
export function withReading(text: string, read: Expression, notes: readonly string[], maxChars: number): string {
  const said = [
    ...(read.changed ? [`understood as ${clip(read.shown.replace(/\s*\n\s*/g, '; '), 160)}`] : []),
    ...(read.money === undefined ? [] : [`in ${read.money}`]),
    ...notes,
  ].join('; ');
  const room = maxChars - text.length - 3;
  return said === '' || room < 20 ? text : `${text} (${clip(said, room)})`;
}

export interface Result {
  readonly text: string;
  readonly notes: readonly string[];
}

export class Calculator {
  readonly math: MathJsInstance;

  readonly #arithmetic: Arithmetic;

  readonly #exact: ExactArithmetic;

  constructor(arithmetic: Arithmetic) {
    this.#arithmetic = arithmetic;
    this.math = arithmetic.math;
    this.#exact = new ExactArithmetic(arithmetic.math);
  }

  isPlain({ text }: Expression): boolean {
    return this.#arithmetic.isPlain(this.#arithmetic.parse(text));
  }

  /** Throws for what has no finite value, and for what can be read in two ways. */
  evaluate(read: Omit<Expression, 'changed'>): Result {
    const parsed = this.#arithmetic.parse(read.text);
    refuseTwoReadings(this.math, parsed);
    const { tree: written, notes: letters } = withConstants(this.#arithmetic, parsed);
    const tree = expandSeries(this.math, written, (bound) => this.#whole(bound));
    const notes = [...letters];
    const logs = logReadings(this.math, tree);
    if (usesRadians(tree)) notes.push('angles in radians; sin(30 deg) for degrees');
    if (usesSample(tree)) notes.push('of a sample, n - 1');
    if (logs === null) return { text: this.#bothRoots(tree, read), notes };
    const [natural, decimal] = [this.#show(logs.natural, read), this.#show(logs.decimal, read)];
    if (natural === decimal) return { text: natural, notes };
    return { text: `${natural} with log = ln; ${decimal} with log = log10`, notes };
  }

  /** `(-8)^(1/3)` is -2 at school and complex elsewhere: both are shown. */
  #bothRoots(tree: MathNode, read: Omit<Expression, 'changed'>): string {
    const principal = this.#show(tree, read);
    let real = tree;
    // A root may be of a name whose value is a root: again, until there is none left.
    for (let next: MathNode | null = tree; next !== null; ) {
      real = next;
      const scope = this.#assigned(real, read);
      next = realRoots(this.math, real, (node) => this.#signed(node, scope));
    }
    if (real === tree) return principal;
    const shown = this.#show(real, read);
    return shown === principal
      ? principal
      : `${shown} with the real root; ${principal} with the principal (complex) root`;
  }

  #value(node: MathNode, scope: ReadonlyMap<string, Value>): Value | null {
    try {
      return this.#exact.evaluate(node, new Map(scope));
    } catch {
      return null;
    }
  }

  /** The exact value of what has one, such as `-8` or `1/3`. */
  #fraction(node: MathNode): { s: bigint; n: bigint; d: bigint } | null {
    const value = this.#value(node, new Map());
    return this.#exact.isFraction(value) ? value : null;
  }

  /** For roots: of a number that is no fraction only the sign. */
  #signed(node: MathNode, scope: ReadonlyMap<string, Value>): { s: bigint; n: bigint; d: bigint } | null {
    const value = this.#value(node, scope);
    if (this.#exact.isFraction(value)) return value;
    if (!this.math.isBigNumber(value) || value.isZero()) return null;
    return { s: value.isNegative() ? -1n : 1n, n: 1n, d: 1n };
  }

  /** The names that have one exact value throughout; a name assigned twice has none. */
  #assigned(tree: MathNode, { literals }: Omit<Expression, 'changed'>): Map<string, Value> {
    const scope = new Map<string, Value>([...literals].map(([name, digits]) => [name, this.#exact.fraction(digits)]));
    const all = tree.filter((one) => one.type === 'AssignmentNode') as TreeNode[];
    // In `f(x) = x^(1/3)` the x is another one.
    if (tree.filter((one) => one.type === 'FunctionAssignmentNode').length > 0) return scope;
    for (const one of all) {
      const value = this.#value(one.value as TreeNode, scope);
      const times = all.filter(({ object }) => object.name === one.object.name).length;
      if (value !== null && times === 1) scope.set(one.object.name, value);
    }
    return scope;
  }

  #whole(bound: MathNode): number {
    if (/Infinity/.test(bound.toString())) throw new Error('a sum without end is for the tool algebra');
    const value = this.#fraction(bound);
    if (value === null || value.d !== 1n || value.n > 1_000_000_000n)
      throw new Error(`the bounds of a sum must be whole numbers, got ${bound.toString().slice(0, 40)}`);
    return Number(value.s * value.n);
  }

  #show(tree: MathNode, { text, literals }: Omit<Expression, 'changed'>): string {
    try {
      const scope = new Map<string, Value>([...literals].map(([name, digits]) => [name, this.#exact.fraction(digits)]));
      const shown = showExact(this.math, this.#exact, this.#exact.evaluate(tree, scope), /\.|\de/.test(text));
      return inDegrees(outermost(tree), shown);
    } catch (error) {
      if (!(error instanceof Inexact)) throw error;
    }
    const scope = new Map<string, unknown>([...literals].map(([name, digits]) => [name, Number(digits)]));
    const value = lastEntry(
      this.math,
      readable(() => tree.compile().evaluate(scope as unknown as object) as unknown),
    );
    if (value === undefined || value === null) throw new Error('the expression has no value');
    if (typeof value === 'function') {
      throw new Error('the expression defines a function; write an expression with a value');
    }
    requireValue(this.math, value);
    if (this.math.isUnit(value) && (value as unknown as { value: unknown }).value === null) {
      throw new Error('the expression has units and no number; write e.g. 3 km / 2 h');
    }
    return formatValue(this.math, this.math.isUnit(value) ? tidyUnit(value, text) : value);
  }
}

/** mathjs' messages about types, in the words of units. */
function readable<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    const message = (error as Error).message;
    if (/^Unexpected type of argument.*(?:expected: Unit|actual: Unit)/.test(message)) {
      throw new Error('a quantity with a unit and a plain number do not go together here; give both units');
    }
    throw error;
  }
}

interface Parts {
  units: { unit: { name: string }; prefix: { name: string }; power: number }[];
}

/** mathjs shows (J K) / (mol K), calls kg m/s^2 a kgf, and a product of names an energy in eV, whether or not the text has it. */
function tidyUnit(value: Unit, text: string): Unit {
  const left = value.clone() as unknown as Parts;
  const powers = new Map<string, number>();
  const name = (one: Parts['units'][number]) => `${one.prefix.name} ${one.unit.name}`;
  for (const one of left.units) powers.set(name(one), (powers.get(name(one)) ?? 0) + one.power);
  const seen = new Set<string>();
  left.units = left.units.filter((one) => !seen.has(name(one)) && seen.add(name(one)));
  for (const one of left.units) one.power = powers.get(name(one))!;
  left.units = left.units.filter(({ power }) => power !== 0);
  const tidied = left as unknown as Unit;
  // Of a root of units, eV^0.5 / kg^0.5, the SI form is a unit.
  if (left.units.some(({ power }) => !Number.isInteger(power))) return tidied.toSI();
  const [simple, ...more] = (tidied.clone() as unknown as { simplify(): Parts }).simplify().units;
  if (simple?.unit.name === 'eV' && simple.power === 1 && more.length === 0 && !text.includes('eV'))
    return tidied.to('J');
  return left.units.length === 1 && left.units[0]!.unit.name === 'kgf' ? tidied.to('N') : tidied;
}

function inDegrees(name: string, shown: string): string {
  if (!/^a(?:sin|cos|tan|tan2|sec|csc|cot)$/.test(name) || !Number.isFinite(Number(shown))) return shown;
  return `${shown} rad = ${Number(((Number(shown) * 180) / Math.PI).toPrecision(11))} deg`;
}

/** `measured`: the input has decimals, whose long results are no exact integers. */
function showExact(math: MathJsInstance, exact: ExactArithmetic, value: Value, measured: boolean): string {
  if (typeof value === 'boolean') return String(value);
  if (Array.isArray(value)) return `[${value.map((one: Value) => showExact(math, exact, one, measured)).join(', ')}]`;
  if (!exact.isFraction(value)) return math.format(value as BigNumber, FORMAT);
  const { s, n, d } = value;
  const sign = s < 0n && n !== 0n ? '-' : '';
  const decimal = math.divide(math.bignumber(String(s * n)), math.bignumber(String(d))) as unknown as BigNumber;
  if (d === 1n) {
    const digits = n.toString();
    const significant = digits.replace(/0+$/, '').length;
    if (digits.length <= 15 || (digits.length <= 40 && (!measured || significant > 12))) return sign + digits;
    const rounded = math.format(decimal, FORMAT);
    if (measured) return rounded;
    return digits.length <= MOST_DIGITS
      ? `${sign}${digits} (about ${rounded})`
      : `${rounded} (an integer of ${digits.length} digits)`;
  }
  // A decimal of up to 15 digits that ends is written whole.
  const whole = math.format(decimal, { ...FORMAT, precision: 15 });
  if (exact.fraction(whole).equals(value)) return whole;
  const short = n.toString().length + d.toString().length <= 12 && !measured;
  return `${math.format(decimal, FORMAT)}${short ? ` (exactly ${sign}${n}/${d})` : ''}`;
}

/** Throws unless every number in the value is finite, also those inside lists and units. */
function requireValue(math: MathJsInstance, value: unknown): void {
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

/** For several lines, or `;`, mathjs returns a ResultSet, whose last value is the answer. */
function lastEntry(math: MathJsInstance, value: unknown): unknown {
  if (!math.isResultSet(value)) return value;
  return (value as unknown as { entries: unknown[] }).entries.at(-1);
}

export function formatValue(math: MathJsInstance, value: unknown): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'number' && Object.is(value, -0)) return '0';
  return math.format(value as MathType, FORMAT);
}
