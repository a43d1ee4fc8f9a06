/**
 * Arithmetic that is exact where it can be: fractions of big integers, and numbers of 64 digits where a root or a
 * logarithm is none. Walks the tree that mathjs parsed. What it does not know (units, matrices, complex numbers, rarer
 * functions) throws Inexact, and mathjs computes it with doubles.
 */
import type { BigNumber, Fraction, MathJsInstance, MathNode } from 'mathjs';
import { bitsOf, chosen, falling, gcd, INTEGER_BITS, isqrt, magnitude, rounded } from './integers.js';
import type { TreeNode as Node } from './tree.js';

export type Value = Fraction | BigNumber | boolean | readonly Value[];

/** Thrown for what this file does not compute. */
export class Inexact extends Error {}

/** Bits of a fraction's denominator up to which exact arithmetic is quick. */
const DENOMINATOR_BITS = 1 << 14;

/** Of 64 digits computed so many are right after cancellation; a smaller difference is taken for 0. */
const NOISE = '1e-50';

const BINARY: Readonly<Record<string, string>> = {
  add: 'add',
  subtract: 'sub',
  multiply: 'mul',
};
const COMPARED: Readonly<Record<string, (order: number) => boolean>> = {
  larger: (order) => order > 0,
  smaller: (order) => order < 0,
  largerEq: (order) => order >= 0,
  smallerEq: (order) => order <= 0,
  equal: (order) => order === 0,
  unequal: (order) => order !== 0,
};
/** Functions of mathjs that take and give numbers of 64 digits. */
const SMOOTH = new Set(
  'exp log10 log2 sin cos tan sec csc cot asin acos atan sinh cosh tanh asinh acosh atanh cbrt atan2 hypot'.split(' '),
);

type Big = BigNumber & {
  abs(): Big;
  lt(other: unknown): boolean;
  gt(other: unknown): boolean;
  isFinite(): boolean;
  isZero(): boolean;
  round(): Big;
  minus(other: unknown): Big;
  times(other: unknown): Big;
  toFixed(): string;
};
type Rational = Fraction & { n: bigint; d: bigint; s: bigint };

export class ExactArithmetic {
  readonly #math: MathJsInstance;

  readonly #constants = new Map<string, Value>();

  constructor(math: MathJsInstance) {
    this.#math = math;
  }

  /** Throws Inexact, or an error about the input such as a division by zero. `scope` is written to. */
  evaluate(tree: MathNode, scope: Map<string, Value>): Value {
    return this.#value(tree as Node, scope);
  }

  /** Of `12`, `-1.5e-7`, `2/3` or an integer. */
  fraction(text: string | bigint): Rational {
    if (typeof text !== 'string' || !/e/i.test(text)) return this.#math.fraction(text as string) as Rational;
    const [, sign, whole, part = '', exponent] = /^([-+]?)(\d*)\.?(\d*)e([-+]?\d+)$/i.exec(text) ?? [];
    if (exponent === undefined) throw new Inexact();
    const shift = Number(exponent) - part.length;
    if (Math.abs(shift) > 5000)
      throw new Error('a number is too large or too small; powers of ten reach from -5000 to 5000');
    const power = 10n ** BigInt(Math.abs(shift));
    const digits = BigInt(`${whole}${part}`);
    return this.#math.fraction(`${sign}${shift > 0 ? digits * power : digits}/${shift < 0 ? power : 1n}`) as Rational;
  }

  isFraction(value: unknown): value is Rational {
    return this.#math.isFraction(value);
  }

  #value(node: Node, scope: Map<string, Value>): Value {
    const of = (one: Node) => this.#value(one, scope);
    switch (node.type) {
      case 'ConstantNode':
        return this.#literal(node.value);
      case 'ParenthesisNode':
        return of(node.content);
      case 'SymbolNode':
        return scope.get(node.name) ?? this.#constant(node.name);
      case 'ArrayNode':
        return node.items.map(of);
      case 'BlockNode':
        return node.blocks.map(({ node: one }) => of(one)).at(-1) ?? refuse();
      case 'AssignmentNode': {
        if (node.index !== null || node.object.type !== 'SymbolNode') throw new Inexact();
        const value = of(node.value as Node);
        scope.set(node.object.name, value);
        return value;
      }
      case 'OperatorNode':
        return this.#operator(node, scope);
      case 'FunctionNode':
        if (node.fn.type !== 'SymbolNode' || scope.has(node.fn.name)) throw new Inexact();
        return this.call(node.fn.name, node.args.map(of));
      default:
        throw new Inexact();
    }
  }

  #operator(node: Node, scope: Map<string, Value>): Value {
    const { fn, args } = node;
    if (fn === 'mod' && args.length === 2) {
      const quick = this.#powerMod(args[0]!, args[1]!, scope);
      if (quick !== null) return quick;
    }
    const values = args.map((one) => this.#value(one, scope));
    if (fn === 'unaryPlus') return this.#number(values[0]);
    if (fn === 'unaryMinus') return this.#arithmetic('multiply', this.fraction('-1'), this.#number(values[0]));
    return this.call(fn, values);
  }

  /** A function or operator by mathjs' name. */
  call(name: string, args: readonly Value[]): Value {
    const numbers = () => args.flatMap((one) => this.#flat(one));
    const [a, b] = args as [Value, Value];
    if (Object.hasOwn(BINARY, name) && args.length === 2)
      return this.#arithmetic(name, this.#number(a), this.#number(b));
    if (Object.hasOwn(COMPARED, name) && args.length === 2) {
      return COMPARED[name]!(this.#order(this.#number(a), this.#number(b)));
    }
    switch (name) {
      case 'divide':
        return this.#divide(this.#number(a), this.#number(b));
      case 'percent':
        return this.#divide(this.#number(a), this.fraction('100'));
      case 'degrees':
        return this.#divide(this.#arithmetic('multiply', this.#number(a), this.fraction('180')), this.#pi());
      case 'radians':
        return this.#divide(this.#arithmetic('multiply', this.#number(a), this.#pi()), this.fraction('180'));
      case 'pow':
        if (args.length === 2) return this.#power(this.#number(a), this.#number(b));
        throw new Inexact();
      case 'sqrt':
        return this.#root(this.#number(a));
      case 'mod':
        return this.#mod(this.#number(a), this.#number(b));
      case 'abs':
        return this.#isNegative(this.#number(a))
          ? this.#arithmetic('multiply', this.fraction('-1'), this.#number(a))
          : a;
      case 'min':
      case 'max':
        return numbers().reduce((x, y) => (this.#order(x, y) < 0 === (name === 'min') ? x : y));
      case 'sum':
        return numbers().reduce((x, y) => this.#arithmetic('add', x, y));
      case 'prod':
        return numbers().reduce((x, y) => this.#arithmetic('multiply', x, y));
      case 'mean':
        return this.#divide(this.call('sum', args) as Fraction, this.fraction(BigInt(numbers().length)));
      case 'ln':
        return args.length === 1 ? this.#logarithm(this.#number(a)) : this.#log(this.#number(a), this.#number(b));
      case 'log':
        if (args.length === 2) return this.#log(this.#number(a), this.#number(b));
        throw new Inexact();
      default:
        return SMOOTH.has(name) ? this.#smooth(name, args) : this.#whole(name, args);
    }
  }

  /** Functions on integers, and those that make integers. */
  #whole(name: string, args: readonly Value[]): Value {
    if (name === 'round' && args.length === 2) {
      const scale = this.#power(this.fraction('10'), this.#number(args[1]));
      return this.#divide(
        this.call('round', [this.#arithmetic('multiply', this.#number(args[0]), scale)]) as Fraction,
        scale,
      );
    }
    if (['floor', 'ceil', 'round', 'fix'].includes(name) && args.length === 1) {
      return this.fraction(rounded(name, this.#snapped(this.#number(args[0]))));
    }
    const numbers = args.flatMap((one) => this.#flat(one)).map((one) => this.#integer(one));
    const [n, k] = numbers as [bigint, bigint];
    switch (name) {
      case 'gcd':
        return this.fraction(numbers.reduce(gcd));
      case 'lcm':
        return this.fraction(numbers.reduce((x, y) => (x === 0n || y === 0n ? 0n : magnitude((x / gcd(x, y)) * y))));
      case 'factorial':
        return this.fraction(falling(n, n));
      case 'permutations':
        return this.fraction(numbers.length === 1 ? falling(n, n) : k > n ? 0n : falling(n, k));
      case 'combinations': {
        if (numbers.length !== 2) throw new Inexact();
        return this.fraction(chosen(n, k));
      }
      default:
        throw new Inexact();
    }
  }

  #literal(value: unknown): Value {
    if (typeof value === 'boolean') return value;
    if (typeof value !== 'number') throw new Inexact();
    if (!Number.isFinite(value)) throw new Error('a number is too large; numbers reach up to 1.8e308');
    return this.fraction(String(value));
  }

  #constant(name: string): Value {
    if (this.#constants.size === 0) {
      const pi = this.#math.acos(this.#math.bignumber(-1)) as unknown as BigNumber;
      const five = this.#math.sqrt(this.#math.bignumber(5)) as unknown as BigNumber;
      this.#constants
        .set('pi', pi)
        .set('PI', pi)
        .set('tau', this.#arithmetic('multiply', this.fraction('2'), pi));
      const e = this.#math.exp(this.#math.bignumber(1));
      this.#constants.set('e', e).set('E', e);
      this.#constants.set('phi', this.#divide(this.#arithmetic('add', this.fraction('1'), five), this.fraction('2')));
      this.#constants.set('true', true).set('false', false);
    }
    return this.#constants.get(name) ?? refuse();
  }

  #pi(): BigNumber {
    return this.#constant('pi') as BigNumber;
  }

  #number(value: Value | undefined): Fraction | BigNumber {
    if (value === undefined || typeof value === 'boolean' || Array.isArray(value)) throw new Inexact();
    return value as Fraction | BigNumber;
  }

  #flat(value: Value): (Fraction | BigNumber)[] {
    return Array.isArray(value) ? value.flatMap((one: Value) => this.#flat(one)) : [this.#number(value)];
  }

  #big(value: Fraction | BigNumber): Big {
    const big = this.isFraction(value)
      ? this.#math.divide(
          this.#math.bignumber((value.s * value.n).toString()),
          this.#math.bignumber(value.d.toString()),
        )
      : value;
    return big as Big;
  }

  #finite(value: unknown): BigNumber {
    if (!this.#math.isBigNumber(value)) throw new Inexact();
    if (!(value as Big).isFinite()) throw new Error('the result is not a finite number');
    return value;
  }

  /** Fractions stay exact while they are small enough; longer ones become 64 digits. */
  #kept(value: Rational): Fraction | BigNumber {
    if (bitsOf(value.d) > DENOMINATOR_BITS) return this.#big(value);
    return bitsOf(value.n) > INTEGER_BITS ? this.#big(value) : value;
  }

  #arithmetic(name: string, a: Fraction | BigNumber, b: Fraction | BigNumber): Fraction | BigNumber {
    if (this.isFraction(a) && this.isFraction(b)) {
      return this.#kept((a as unknown as Record<string, (x: Fraction) => Rational>)[BINARY[name]!]!(b));
    }
    const [x, y] = [this.#big(a), this.#big(b)];
    const result = this.#finite(
      (this.#math as unknown as Record<string, (x: Big, y: Big) => unknown>)[name]!(x, y),
    ) as Big;
    if (name === 'multiply' || result.isZero()) return result;
    const size = x.abs().gt(y.abs()) ? x.abs() : y.abs();
    return result.abs().lt(size.times(NOISE)) ? this.fraction('0') : result;
  }

  #divide(a: Fraction | BigNumber, b: Fraction | BigNumber): Fraction | BigNumber {
    if (this.#isZero(b)) throw new Error('the result is not a finite number (a division by zero)');
    if (this.isFraction(a) && this.isFraction(b)) {
      return this.#kept((a as unknown as { div(x: Fraction): Rational }).div(b));
    }
    return this.#finite(this.#math.divide(this.#big(a), this.#big(b)));
  }

  #power(base: Fraction | BigNumber, exponent: Fraction | BigNumber): Fraction | BigNumber {
    if (this.isFraction(base) && this.isFraction(exponent) && exponent.d === 1n) {
      const n = exponent.s * exponent.n;
      if (n < 0n && base.n === 0n) throw new Error('the result is not a finite number (a division by zero)');
      if (n === 0n) return this.fraction('1');
      if (base.n <= 1n && base.d === 1n) return n % 2n === 0n ? this.fraction(base.n) : base;
      const bits = Math.max(bitsOf(base.n) / INTEGER_BITS, bitsOf(base.d) / DENOMINATOR_BITS) * Number(magnitude(n));
      const top = n > 0n ? base.n : base.d;
      if (bits <= 1 && (n > 0n || bitsOf(top) <= DENOMINATOR_BITS)) {
        const size = magnitude(n);
        const [up, down] = [(base.s * base.n) ** size, base.d ** size];
        const value = `${n > 0n ? up : down}/${n > 0n ? down : up}`;
        return this.#kept(this.fraction(value.replace(/^(\d+)\/-/, '-$1/')));
      }
    }
    if (this.#isZero(base)) {
      if (this.#isNegative(exponent)) throw new Error('the result is not a finite number (a division by zero)');
      return this.fraction(this.#isZero(exponent) ? '1' : '0');
    }
    if (this.#isNegative(base) && !(this.isFraction(exponent) && exponent.d === 1n)) throw new Inexact();
    if (this.isFraction(exponent) && exponent.d === 2n && exponent.n === 1n && exponent.s > 0n) return this.#root(base);
    return this.#finite(this.#math.pow(this.#big(base), this.#big(exponent)));
  }

  #root(value: Fraction | BigNumber): Fraction | BigNumber {
    if (this.#isNegative(value)) throw new Inexact();
    if (this.isFraction(value)) {
      const [n, d] = [isqrt(value.n), isqrt(value.d)];
      if (n * n === value.n && d * d === value.d) return this.fraction(`${n}/${d}`);
    }
    return this.#finite(this.#math.sqrt(this.#big(value) as never));
  }

  #logarithm(value: Fraction | BigNumber): BigNumber {
    if (this.#isZero(value)) throw new Error('the logarithm of 0 is not a finite number');
    if (this.#isNegative(value)) throw new Inexact();
    return this.#finite(this.#math.log(this.#big(value)));
  }

  #log(value: Fraction | BigNumber, base: Fraction | BigNumber): Fraction | BigNumber {
    return this.#divide(this.#logarithm(value), this.#logarithm(base));
  }

  #smooth(name: string, args: readonly Value[]): Value {
    // Near a pole decimal.js' tan has half its digits.
    if (name === 'tan' || name === 'sec') {
      const cosine = this.#number(this.#smooth('cos', args));
      return this.#divide(name === 'sec' ? this.fraction('1') : this.#number(this.#smooth('sin', args)), cosine);
    }
    if (name === 'cot' || name === 'csc') {
      const sine = this.#number(this.#smooth('sin', args));
      return this.#divide(name === 'csc' ? this.fraction('1') : this.#number(this.#smooth('cos', args)), sine);
    }
    const bigs = args.map((one) => this.#big(this.#number(one)));
    if (/^log/.test(name) && (args.length !== 1 || !bigs[0]!.gt(0))) throw new Inexact();
    const value = this.#finite(
      (this.#math as unknown as Record<string, (...x: Big[]) => unknown>)[name]!(...bigs),
    ) as Big;
    // The argument is right to 64 digits, so sin(pi) is 1e-64.
    const noise = /^(?:sin|cos)$/.test(name) && value.abs().lt(NOISE) && bigs[0]!.abs().gt('1e-9');
    return noise ? this.fraction('0') : value;
  }

  #mod(a: Fraction | BigNumber, b: Fraction | BigNumber): Value {
    if (this.#isZero(b)) throw new Error('the remainder of a division by zero is not defined');
    const times = rounded('floor', this.#snapped(this.#divide(a, b)));
    return this.#arithmetic('subtract', a, this.#arithmetic('multiply', b, this.fraction(times)));
  }

  /** `7^1000000 mod 13` without the power; null when it is no such thing. */
  #powerMod(left: Node, right: Node, scope: Map<string, Value>): Value | null {
    let power = left;
    while (power.type === 'ParenthesisNode') power = power.content;
    if (power.type !== 'OperatorNode' || power.fn !== 'pow') return null;
    const parts = [...power.args, right].map((one) => this.#value(one, scope));
    if (!parts.every((one): one is Rational => this.isFraction(one) && one.d === 1n)) return null;
    let [base, exponent, modulus] = parts.map(({ s, n }) => s * n) as [bigint, bigint, bigint];
    if (exponent < 0n || modulus <= 0n) return null;
    let result = 1n % modulus;
    for (base = ((base % modulus) + modulus) % modulus; exponent > 0n; exponent >>= 1n) {
      if (exponent & 1n) result = (result * base) % modulus;
      base = (base * base) % modulus;
    }
    return this.fraction(result);
  }

  #isZero(value: Fraction | BigNumber): boolean {
    return this.isFraction(value) ? value.n === 0n : (value as Big).isZero();
  }

  #isNegative(value: Fraction | BigNumber): boolean {
    return this.isFraction(value) ? value.s < 0n && value.n !== 0n : (value as Big).lt(0);
  }

  #order(a: Fraction | BigNumber, b: Fraction | BigNumber): number {
    const difference = this.#arithmetic('subtract', a, b);
    return this.#isZero(difference) ? 0 : this.#isNegative(difference) ? -1 : 1;
  }

  /** An integer that 64 digits have missed by their last few is meant to be one. */
  #snapped(value: Fraction | BigNumber): Rational {
    if (this.isFraction(value)) return value;
    const big = value as Big;
    if (big.abs().gt('1e45')) throw new Error('the number is too large to be rounded exactly');
    const near = big.round();
    return this.fraction(big.minus(near).abs().lt(NOISE) ? near.toFixed() : big.toFixed());
  }

  #integer(value: Fraction | BigNumber): bigint {
    if (!this.isFraction(value) || value.d !== 1n || value.s * value.n < 0n) throw new Inexact();
    return value.n;
  }
}

function refuse(): never {
  throw new Inexact();
}
