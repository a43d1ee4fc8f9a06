/**
 * Evaluates the expressions of the tool `statistics`: calls with arguments by name, methods of distributions and lists,
 * and lists as Python and R mean them. mathjs only parses; no function of it is called with what a model wrote but those
 * of one or two numbers.
 */
import type { MathJsInstance, MathNode } from 'mathjs';
import { type Arg, type Args, familyOf, lawOf, methodOf } from './lawNames.js';
import type { Law } from './laws.js';
import type { TreeNode as Node } from './tree.js';

/** What a function answers when a number alone would not say enough. */
export class Answer {
  constructor(
    /** What it is worth inside an expression; undefined when it is only text. */
    readonly value: number | bigint | readonly number[] | undefined,
    /** Shown behind the value, or instead of it. */
    readonly note: string,
    readonly fields: Readonly<Record<string, number>> = {},
  ) {}
}

export class Distribution {
  constructor(readonly law: Law) {}
}

export type StatValue = number | bigint | boolean | string | Answer | Distribution | readonly StatValue[];
export type StatFunction = (args: Args) => StatValue;

export interface Environment {
  readonly math: MathJsInstance;
  find(name: string): StatFunction | undefined;
  callLaw(law: Law, method: string, args: Args): StatValue;
  /** What must be said once beside the result. */
  note(text: string): void;
}

const MODULES = new Set([
  'scipy',
  'stats',
  'np',
  'numpy',
  'statistics',
  'math',
  'st',
  'ss',
  'sps',
  'special',
  'pd',
  'sm',
]);
const CONSTANTS: Readonly<Record<string, number | boolean>> = {
  pi: Math.PI,
  e: Math.E,
  true: true,
  false: false,
  True: true,
  False: false,
  TRUE: true,
  FALSE: false,
};
/** Functions of numbers that are mathjs'. Lists are mapped. */
const PLAIN = new Set(
  `sqrt exp ln log10 log2 abs floor ceil round factorial sin cos tan asin acos atan cbrt pow erf gamma percent`.split(
    /\s+/,
  ),
);

export function evaluateStatistics(tree: MathNode, scope: Map<string, StatValue>, env: Environment): StatValue {
  return new Walker(scope, env).value(tree as Node);
}

class Walker {
  readonly #scope: Map<string, StatValue>;

  readonly #env: Environment;

  constructor(scope: Map<string, StatValue>, env: Environment) {
    this.#scope = scope;
    this.#env = env;
  }

  value(node: Node): StatValue {
    switch (node.type) {
      case 'ConstantNode':
        if (!['number', 'boolean', 'string'].includes(typeof node.value)) throw new Error(`unexpected ${node.value}`);
        return node.value as number;
      case 'ParenthesisNode':
        return this.value(node.content);
      case 'ArrayNode':
        return node.items.map((item) => this.value(item));
      case 'RangeNode':
        return this.#range(node);
      case 'SymbolNode':
        return this.#symbol(node.name);
      case 'AssignmentNode': {
        if (node.object.type !== 'SymbolNode' || node.index !== null)
          throw new Error('assign to a name, e.g. x = [1, 2, 3]');
        const value = this.value(node.value as Node);
        this.#scope.set(node.object.name, value);
        return value;
      }
      case 'BlockNode':
        return node.blocks.map(({ node: one }) => this.value(one)).at(-1) ?? '';
      case 'OperatorNode':
        return this.#operator(node);
      case 'FunctionNode':
        return this.#call(node);
      case 'AccessorNode':
        return this.#member(node);
      default:
        throw new Error(`${String(node).slice(0, 40)} is not available here; a call expected, e.g. mean(1, 2, 3)`);
    }
  }

  /** An answer inside an expression is its value; what it says stays to be said. */
  #worth(value: Arg): Arg {
    if (Array.isArray(value)) return value.map((one: Arg) => this.#worth(one));
    if (!(value instanceof Answer)) return value;
    if (value.value === undefined) throw new Error('this result is no number; call it alone');
    this.#env.note(value.note);
    return value.value;
  }

  #range(node: Node): readonly number[] {
    const [from, to] = [numeric(this.value(node.start)), numeric(this.value(node.end))];
    return row(from, to, node.step === null ? 1 : numeric(this.value(node.step)));
  }

  #symbol(name: string): StatValue {
    const known = this.#scope.get(name);
    if (known !== undefined) return known;
    if (Object.hasOwn(CONSTANTS, name)) return CONSTANTS[name]!;
    if (this.#env.find(name) !== undefined || PLAIN.has(name))
      throw new Error(`a call expected, e.g. mean(1, 2, 3); got ${name}`);
    throw new Error(`Undefined symbol ${name}`);
  }

  /** `scipy.stats.norm` as `norm`; null when the node is no chain of names. */
  #path(node: Node): string[] | null {
    if (node.type === 'SymbolNode') return [node.name];
    if (node.type !== 'AccessorNode') return null;
    const before = this.#path(node.object);
    const key = keyOf(node);
    if (before === null || key === null) return null;
    return before.length === 1 && MODULES.has(before[0]!) && !this.#scope.has(before[0]!) ? [key] : [...before, key];
  }

  #member(node: Node): StatValue {
    const path = this.#path(node);
    if (path?.length === 1) return this.#symbol(path[0]!);
    const key = keyOf(node);
    if (key === null) {
      throw new Error(`${String(node).slice(0, 30)}: elements of a list are not available; write the number`);
    }
    const object = this.value(node.object);
    if (object instanceof Answer && Object.hasOwn(object.fields, key)) return object.fields[key]!;
    throw new Error(`no ${key} here; a call expected, e.g. norm.cdf(1.96)`);
  }

  #args(nodes: readonly Node[]): Args {
    const list: Arg[] = [];
    const named: Record<string, Arg> = {};
    for (const node of nodes) {
      if (node.type === 'AssignmentNode') named[node.object.name] = this.#flag(node.value as Node);
      else list.push(this.value(node));
    }
    const worth = (value: Arg) => this.#worth(value);
    return { list: list.map(worth), named: Object.fromEntries(Object.entries(named).map(([k, v]) => [k, worth(v)])) };
  }

  /** R's `T` and `F` as values of arguments. */
  #flag(node: Node): StatValue {
    if (node.type === 'SymbolNode' && (node.name === 'T' || node.name === 'F')) return node.name === 'T';
    return this.value(node);
  }

  #call(node: Node): StatValue {
    const path = this.#path(node.fn);
    if (path !== null && !(path.length > 1 && this.#scope.has(path[0]!))) return this.#named(path, node);
    if (node.fn.type !== 'AccessorNode') throw new Error(`${String(node.fn).slice(0, 30)} is no function`);
    const object = this.value(node.fn.object);
    const method = keyOf(node.fn) ?? '';
    const args = this.#args(node.args);
    if (object instanceof Distribution) return this.#env.callLaw(object.law, method, args);
    const own = Array.isArray(object) ? this.#env.find(method) : undefined;
    if (own === undefined) throw new Error(`Undefined function ${method}`);
    return own({ list: [this.#worth(object), ...args.list], named: args.named });
  }

  #named(path: readonly string[], node: Node): StatValue {
    const name = path.join('.');
    const only = path.length === 1 ? path[0]! : undefined;
    if (only === 'list' || only === 'sorted' || only === 'tuple') {
      const inner = node.args[0];
      if (inner?.type === 'FunctionNode' && String(inner.fn) === 'range') return pythonRange(this.#args(inner.args));
    }
    const args = this.#args(node.args);
    const found = this.#env.find(name);
    if (found !== undefined) return found(args);
    if (only !== undefined) {
      const family = familyOf(only);
      if (family !== undefined) return new Distribution(lawOf(family, args));
      if (PLAIN.has(only)) return this.#mapped(only, args.list);
    }
    const family = path.length === 2 ? familyOf(path[0]!) : undefined;
    if (family !== undefined && methodOf(path[1]!) !== undefined) return this.#method(family, path[1]!, args);
    if (only === 'log') throw new Error('log may be ln or log10; write ln(x) or log10(x)');
    throw new Error(`Undefined function ${name}; write e.g. mean(1, 2, 3), norm.cdf(1.96) or t.ppf(0.975, df=12)`);
  }

  /** `binom.pmf(3, 10, 0.5)`: the first argument is where, the others are parameters. */
  #method(family: string, method: string, args: Args): StatValue {
    const where = ['mean', 'var', 'std', 'median', 'entropy', 'expect', 'variance'].includes(method) ? 0 : 1;
    const named = { ...args.named };
    const list = [...args.list];
    let first: Arg[] = list.splice(0, where);
    // As scipy names it: k for counts, x, q for quantiles.
    for (const name of where === 1 ? ['x', 'q', 'k'] : []) {
      if (!Object.hasOwn(named, name) || (name === 'k' && family === 'chi2')) continue;
      list.unshift(...first);
      first = [named[name]];
      delete named[name];
      break;
    }
    return this.#env.callLaw(lawOf(family, { list, named }), method, { list: first, named: {} });
  }

  #mapped(name: string, args: readonly Arg[]): StatValue {
    const [first, ...rest] = args;
    if (Array.isArray(first)) return first.map((one: Arg) => this.#mapped(name, [one, ...rest]));
    const numbers = args.map((one) => numeric(one as StatValue));
    const f = (this.#env.math as unknown as Record<string, (...x: number[]) => unknown>)[name]!;
    const value = f(...numbers);
    if (typeof value !== 'number') throw new Error(`${name} has no real value there`);
    return value;
  }

  #operator(node: Node): StatValue {
    const args = node.args.map((one) => this.#worth(this.value(one)) as StatValue);
    if (args.some((one) => Array.isArray(one))) return this.#lists(node, args);
    const [a, b] = args.map(numeric) as [number, number];
    switch (node.fn as string) {
      case 'add':
        return a + b;
      case 'subtract':
        return a - b;
      case 'multiply':
        return a * b;
      case 'divide':
        return a / b;
      case 'pow':
        return a ** b;
      case 'unaryMinus':
        return -a;
      case 'unaryPlus':
        return a;
      case 'factorial':
        return this.#mapped('factorial', [a]);
      case 'mod':
        return a - b * Math.floor(a / b);
      default:
        throw new Error(`${node.op} is not available here; P(X > 3) or a call expected`);
    }
  }

  /** `[60] * 22` repeats, as in Python; `[1, 2] * 2` may be a repetition or a product of each and is refused. */
  #lists(node: Node, args: readonly StatValue[]): StatValue {
    const [a, b] = args as [StatValue, StatValue];
    const [left, right] = node.args as [Node, Node];
    if (node.fn === 'add' && Array.isArray(a) && Array.isArray(b)) {
      if (a.length !== b.length || isRepetition(left) || isRepetition(right)) return [...a, ...b];
      throw new Error('a sum of two lists may join them or add each; write one list');
    }
    if (node.fn === 'multiply' && Array.isArray(a) !== Array.isArray(b)) {
      const [list, times] = (Array.isArray(a) ? [a, b] : [b, a]) as [readonly StatValue[], number];
      if (list.length === 1 && typeof times === 'number' && Number.isInteger(times) && times >= 0 && times <= 100_000) {
        return Array.from({ length: times }, () => list[0]!);
      }
      throw new Error('a list times a number may repeat it or multiply each; write the list, or [5]*3 for [5, 5, 5]');
    }
    throw new Error(`${node.op} of a list may mean two things; write the numbers`);
  }
}

function isRepetition(node: Node): boolean {
  if (node.type === 'ParenthesisNode') return isRepetition(node.content);
  return (
    node.type === 'OperatorNode' && (node.fn === 'multiply' || (node.fn === 'add' && node.args.some(isRepetition)))
  );
}

/** From `from` to `to`, which is the last number where the steps meet it. */
export function row(from: number, to: number, step = 1): readonly number[] {
  const size = Math.floor((to - from) / step + 1e-9) + 1;
  if (!(size >= 1 && size <= 100_000))
    throw new Error('1 to 100000 numbers in a row expected, e.g. 1:10 or seq(1, 10)');
  return Array.from({ length: size }, (_, i) => from + i * step);
}

/** `range(1, 7)` inside `list(…)`: the end is left out. */
function pythonRange({ list }: Args): readonly number[] {
  const numbers = list.map((one) => numeric(one as StatValue));
  const [from, to, step] = numbers.length === 1 ? [0, numbers[0]!, 1] : [numbers[0]!, numbers[1]!, numbers[2] ?? 1];
  const size = Math.ceil((to - from) / step);
  if (!(size >= 0 && size <= 100_000)) throw new Error('a range of up to 100000 numbers expected');
  return Array.from({ length: size }, (_, i) => from + i * step);
}

/** The name behind the last dot; null for an index. */
function keyOf(node: Node): string | null {
  const [one] = node.index?.dimensions ?? [];
  return one?.type === 'ConstantNode' && typeof one.value === 'string' ? one.value : null;
}

function numeric(value: StatValue): number {
  if (typeof value === 'number') return value;
  if (typeof value === 'bigint') return Number(value);
  if (value instanceof Distribution)
    throw new Error(`this is a distribution (${value.law.label}); write e.g. norm.cdf(1.96)`);
  throw new Error(`a number expected, got ${String(value).slice(0, 30)}`);
}
