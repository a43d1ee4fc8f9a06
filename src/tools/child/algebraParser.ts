/**
 * Reads a formula into a tree: operators, functions with and without brackets, `2x`, `sin^2 x`, |x|, matrices, equations,
 * ∫ … dx, Σ, Π, lim and d/dx, calls of operations by any of their names.
 */
import { CONSTANTS, FUNCTIONS, GREEK, OPERATIONS, OPTIONS, SAME_FUNCTION } from './algebraNames.js';
import { type Token, tokensOf } from './algebraTokens.js';
import type { Node } from './algebraTree.js';

/** What is known before a formula is read. */
export interface Context {
  /** Unknown functions: `y` of `y' = y`. */
  readonly unknown: ReadonlySet<string>;
  /** Names of several letters that are variables. */
  readonly variables: ReadonlySet<string>;
  /** Collects what was understood, in words. */
  readonly notes: string[];
  /** Whether `I` and `E` are the constants, as in SymPy. */
  readonly sympy: boolean;
}

/** The tree of the text. Throws, in words, for what is no formula. */
export function parseFormula(text: string, context: Context): Node {
  const parser = new Parser(tokensOf(text), context);
  return parser.whole();
}

const RELATIONS = new Set(['=', '==', '<', '<=', '>', '>=', '!=']);
const INVERSES: Readonly<Record<string, string>> = {
  sin: 'asin',
  cos: 'acos',
  tan: 'atan',
  sinh: 'asinh',
  cosh: 'acosh',
  tanh: 'atanh',
};
const ONE: Node = ['num', '1'];

class Parser {
  #at = 0;
  /** Open integrals, the innermost last, with their variables once `dx` was met. */
  readonly #integrals: { variable: string | null; done: boolean }[] = [];
  readonly #bound: string[] = [];
  /** Whether a bar now closes |x|. */
  #bars = 0;

  constructor(
    readonly tokens: readonly Token[],
    readonly context: Context,
  ) {}

  whole(): Node {
    const node = this.relation();
    if (this.#next.kind !== 'end') throw this.#unexpected();
    return node;
  }

  get #next(): Token {
    return this.tokens[this.#at]!;
  }

  #is(text: string): boolean {
    return this.#next.text === text && this.#next.kind === 'op';
  }

  #take(text: string): boolean {
    if (!this.#is(text)) return false;
    this.#at++;
    return true;
  }

  #expect(text: string): void {
    if (!this.#take(text)) throw new Error(`${text} is expected before ${this.#shown()}`);
  }

  #shown(): string {
    return this.#next.kind === 'end' ? 'the end' : this.#next.text.slice(0, 30);
  }

  #unexpected(): Error {
    const { kind, text } = this.#next;
    if (kind === 'end') return new Error('the formula ends too early; close brackets, write e.g. solve(2*x+3=11, x)');
    return new Error(`"${text.slice(0, 30)}" is not expected there; write e.g. solve(2*x+3=11, x) or diff(x^3, x)`);
  }

  /** a < b < c is two relations. */
  relation(): Node {
    const first = this.#additive(true);
    const found: Node[] = [];
    for (let left = first; this.#next.kind === 'op' && RELATIONS.has(this.#next.text); ) {
      const op = this.#next.text;
      this.#at++;
      const right = this.#additive(false);
      found.push(['rel', op === '==' ? '=' : op, left, right]);
      left = right;
    }
    if (found.length === 0) return first;
    return found.length === 1 ? found[0]! : ['list', ...found];
  }

  #additive(start: boolean): Node {
    let node = this.#signed(start);
    let sum = false;
    for (;;) {
      if (this.#integrals.at(-1)?.done) return node;
      if (this.#take('±')) throw new Error('± is two problems; write one with + and one with -');
      if (this.#take('+')) node = ['+', node, this.#term(false)];
      else if (this.#take('-')) node = ['-', node, this.#term(false)];
      else return this.#modulo(node, sum);
      sum = true;
    }
  }

  #modulo(node: Node, sum: boolean): Node {
    if (this.#next.kind !== 'name' || !/^(?:mod|modulo)$/.test(this.#next.text)) return node;
    if (sum) throw new Error('write (a + b) mod n or a + (b mod n): it can be read in two ways');
    this.#at++;
    return ['call', 'mod', [node, this.#signed(false)]];
  }

  #signed(start: boolean): Node {
    if (this.#take('-')) return ['neg', this.#term(false)];
    if (this.#take('+')) return this.#term(false);
    return this.#term(start);
  }

  /** Products and quotients, with and without signs. */
  #term(start: boolean): Node {
    let node = this.#prefixed(start) ?? this.#power();
    let divided = false;
    for (;;) {
      if (this.#integrals.at(-1)?.done) return node;
      if (this.#take('*')) node = ['*', node, this.#factor()];
      else if (this.#take('/')) {
        node = ['/', node, this.#factor()];
        divided = true;
        continue;
      } else if (this.#startsFactor()) {
        if (this.#differential()) continue;
        if (divided) this.#afterQuotient(node);
        node = ['*', node, this.#prefixed(false) ?? this.#power()];
      } else return node;
      divided = false;
    }
  }

  /** 1/2x has two readings; 1/2 x is a half of x. */
  #afterQuotient(node: Node): void {
    const [, top, bottom] = node as readonly ['/', Node, Node];
    const numbers = top[0] === 'num' && bottom[0] === 'num';
    const closed = this.tokens[this.#at - 1]!.text === ')';
    if ((numbers && this.#next.spaced) || closed) return;
    throw new Error('a quotient before a factor can be read in two ways; write (a/b)*c or a/(b*c)');
  }

  #factor(): Node {
    if (this.#take('-')) return ['neg', this.#factor()];
    if (this.#take('+')) return this.#factor();
    return this.#prefixed(false) ?? this.#power();
  }

  #startsFactor(): boolean {
    const { kind, text } = this.#next;
    if (kind === 'name') return !/^(?:mod|modulo|and|or|for|in|to|from|at|with|where)$/.test(text);
    if (kind === 'num') return true;
    return kind === 'op' && (text === '(' || (text === '|' && this.#bars === 0));
  }

  /** Takes `dx` inside an integral. It ends it, but in dx/x and (… dx)/x. */
  #differential(): boolean {
    const open = this.#integrals.at(-1);
    const { kind, text } = this.#next;
    if (open === undefined || open.variable !== null || kind !== 'name') return false;
    let variable = /^d([A-Za-z]|theta|phi|rho|omega|tau)$/.exec(text)?.[1];
    const after = this.tokens[this.#at + 1]!;
    if (
      variable === undefined &&
      text === 'd' &&
      after.kind === 'name' &&
      (after.text.length === 1 || GREEK.has(after.text))
    ) {
      variable = after.text;
      this.#at++;
    }
    if (variable === undefined) return false;
    this.#at++;
    open.variable = variable;
    open.done = !this.#is('/') && !this.#is(')');
    return true;
  }

  /** Operators before what they act on: ∫, Σ, Π, lim, d/dx. */
  #prefixed(start: boolean): Node | null {
    const { kind, text } = this.#next;
    if (kind !== 'name' || this.tokens[this.#at + 1]?.text !== '⟦') return null;
    if (!/^(?:int|sum|prod|lim|deriv)$/.test(text)) return null;
    this.#at++;
    const bounds: Token[][] = [];
    while (this.#take('⟦')) bounds.push(this.#bounds());
    if (text === 'int') return this.#integral(bounds);
    if (text === 'deriv') return this.#derivative(bounds, start);
    return text === 'lim' ? this.#limit(bounds, start) : this.#sum(text, bounds);
  }

  #bounds(): Token[] {
    const out: Token[] = [];
    for (let depth = 0; ; this.#at++) {
      const one = this.#next;
      if (one.kind === 'end') throw this.#unexpected();
      if (one.text === '⟦') depth++;
      if (one.text === '⟧' && depth-- === 0) break;
      out.push(one);
    }
    this.#at++;
    return out;
  }

  #inner(tokens: readonly Token[]): Node {
    return new Parser([...tokens, { kind: 'end', text: 'the end', spaced: true }], this.context).whole();
  }

  #integral([low, high]: readonly Token[][]): Node {
    const open = { variable: null as string | null, done: false };
    this.#integrals.push(open);
    const integrand = this.#additive(false);
    this.#integrals.pop();
    const variable: Node[] = open.variable === null ? [] : [this.#symbol(open.variable)];
    if (low === undefined || low.length === 0) return ['call', 'integrate', [integrand, ...variable]];
    if (high === undefined || high.length === 0) throw new Error('an integral with a lower bound needs an upper one');
    if (variable.length === 0) throw new Error('the integral has no variable; write dx behind it');
    return ['call', 'integrate', [integrand, ['list', ...variable, this.#inner(low), this.#inner(high)]]];
  }

  #derivative([variable, order]: readonly Token[][], start: boolean): Node {
    const name = variable![0]!.text;
    // At the start of all, d/dx acts on the whole sum.
    const inner = start ? this.#additive(false) : this.#term(false);
    const times = this.#inner(order!);
    return ['call', 'diff', [inner, this.#symbol(name), ...(times[1] === '1' ? [] : [times])]];
  }

  #limit([at]: readonly Token[][], start: boolean): Node {
    const arrow = at?.findIndex(({ text }) => text === '->' || text === 'to') ?? -1;
    if (arrow !== 1) throw new Error('a limit is written lim x->0 (…) or limit(sin(x)/x, x, 0)');
    const target = at!.slice(2);
    const last = target.at(-1)?.text ?? '';
    const side = target.length > 1 && /^[+-]$/.test(last) ? last : null;
    const point = side === null ? target : target.slice(0, target.at(-2)?.text === '^' ? -2 : -1);
    const inner = start ? this.#additive(false) : this.#term(false);
    const sides: Node[] = side === null ? [] : [['kw', 'dir', side]];
    return ['call', 'limit', [inner, this.#symbol(at![0]!.text), this.#inner(point), ...sides]];
  }

  #sum(kind: string, [low, high]: readonly Token[][]): Node {
    if (low?.[1]?.text !== '=' || high === undefined) throw new Error(`write ${kind}(1/n^2, (n, 1, oo))`);
    const index = low[0]!.text;
    this.#bound.push(index);
    const inner = this.#term(false);
    const rest = this.tokens.slice(this.#at);
    if ((this.#is('+') || this.#is('-')) && rest.some(({ text }) => text === index)) {
      throw new Error('put what is summed into brackets: it is not clear where it ends');
    }
    const range: Node = ['list', this.#symbol(index), this.#inner(low.slice(2)), this.#inner(high)];
    this.#bound.pop();
    return ['call', kind === 'sum' ? 'sum' : 'product', [inner, range]];
  }

  /** Powers, from the right; a sign may stand in the exponent. */
  #power(): Node {
    const base = this.#postfix();
    if (!this.#take('^')) return base;
    const exponent = this.#take('-') ? (['neg', this.#exponent()] as Node) : this.#exponent();
    return ['^', base, exponent];
  }

  #exponent(): Node {
    this.#take('+');
    return this.#power();
  }

  #postfix(): Node {
    let node = this.#primary();
    for (;;) {
      if (this.#is('!') && this.tokens[this.#at + 1]?.text !== '=') {
        this.#at++;
        node = ['!', node];
      } else if (this.#is('.') && this.tokens[this.#at + 1]?.kind === 'name') {
        this.#at++;
        node = this.#method(node);
      } else return node;
    }
  }

  /** `expr.diff(x)`, as SymPy writes. */
  #method(node: Node): Node {
    const name = this.#next.text;
    const operation = own(OPERATIONS, name);
    if (operation === undefined && name !== 'doit' && name !== 'T')
      throw new Error(`unknown method ${name}; write e.g. diff(x^3, x)`);
    this.#at++;
    if (name === 'T') return ['call', 'transpose', [node]];
    this.#expect('(');
    const args = this.#arguments(')');
    return operation === undefined ? node : this.#operation(operation, [node, ...args]);
  }

  #primary(): Node {
    if (this.#differential()) return ONE;
    const token = this.#next;
    this.#at++;
    if (token.kind === 'num') return ['num', token.text];
    if (token.kind === 'name') return this.#named(token);
    if (token.kind === 'op') {
      if (token.text === '(') return this.#bracket();
      if (token.text === '[' || token.text === '{') return this.#list(token.text === '[' ? ']' : '}');
      if (token.text === '|') return this.#absolute();
    }
    this.#at--;
    throw this.#unexpected();
  }

  #bracket(): Node {
    const bars = this.#bars;
    this.#bars = 0;
    const items = this.#arguments(')');
    this.#bars = bars;
    if (items.length === 0) throw new Error('empty brackets');
    return items.length === 1 ? items[0]! : ['list', ...items];
  }

  /** [1, 2; 3, 4] has rows. */
  #list(close: string): Node {
    const rows: Node[][] = [[]];
    while (!this.#take(close)) {
      rows.at(-1)!.push(this.relation());
      if (this.#take(';')) rows.push([]);
      else if (!this.#is(close)) this.#expect(',');
    }
    if (rows.length === 1) return ['list', ...rows[0]!];
    return ['list', ...rows.filter((row) => row.length > 0).map((row): Node => ['list', ...row])];
  }

  #absolute(): Node {
    this.#bars++;
    const node = this.#additive(false);
    this.#bars--;
    this.#expect('|');
    return ['call', 'abs', [node]];
  }

  #arguments(close: string): Node[] {
    const out: Node[] = [];
    while (!this.#take(close)) {
      out.push(this.#argument());
      if (!this.#is(close)) this.#expect(',');
    }
    return out;
  }

  #argument(): Node {
    const { kind, text } = this.#next;
    if (kind === 'text') {
      this.#at++;
      return /^[+-]{1,2}$/.test(text) ? ['kw', 'dir', text] : ['sym', text];
    }
    const after = this.tokens[this.#at + 1]!;
    if (kind === 'name' && OPTIONS.has(text) && after.text === '=' && text.length > 1) {
      this.#at += 2;
      if (this.#next.kind === 'text' || this.#next.kind === 'name') {
        const value = this.#next.text;
        this.#at++;
        return ['kw', text, value];
      }
      return ['kw', text, this.#additive(false)];
    }
    const node = this.relation();
    if (!this.#take('->')) return node;
    return ['list', node, this.#additive(false)];
  }

  #named({ text, spaced }: Token): Node {
    const log = /^log_?\(?(\d+)$/.exec(text)?.[1];
    if (log !== undefined) return ['call', 'log', [this.#operand(), ['num', log]]];
    if (text === 'Eq') return this.#equation();
    if (text === 'Matrix' || text === 'matrix' || text === 'FiniteSet') {
      this.#expect('(');
      const [only, ...rest] = this.#arguments(')');
      return rest.length === 0 ? only! : ['list', only!, ...rest];
    }
    if (text === 'Rational' && this.#is('(')) return this.#rational();
    if (this.context.unknown.has(text)) return this.#unknown(text);
    const operation = own(OPERATIONS, text);
    if (operation !== undefined && this.#is('(')) {
      this.#at++;
      const args = this.#arguments(')');
      // Around 0, so that a number behind the variable is the order.
      if (text === 'maclaurin' && args.length > 2) args.splice(2, 0, ['num', '0']);
      return this.#operation(operation, args);
    }
    const name = own(SAME_FUNCTION, text) ?? text;
    if (FUNCTIONS.has(name) && !(GREEK.has(name) && !this.#is('('))) return this.#function(name);
    return this.#variable(text, spaced);
  }

  #equation(): Node {
    this.#expect('(');
    const [left, right, ...more] = this.#arguments(')');
    if (left === undefined || more.length > 0) throw new Error('Eq takes two sides');
    return ['rel', '=', left, right ?? ['num', '0']];
  }

  #rational(): Node {
    this.#at++;
    const [top, bottom] = this.#arguments(')');
    return bottom === undefined ? top! : ['/', top!, bottom];
  }

  #operation(name: string, args: readonly Node[]): Node {
    const flat = args.map((one): Node => (one[0] === 'list' && name === 'limit' ? one : one));
    if (name === 'limit' && flat.length === 2) {
      const at = flat[1]!;
      if (at[0] === 'list' && at.length === 3) return ['call', name, [flat[0]!, at[1] as Node, at[2] as Node]];
      if (at[0] === 'rel') return ['call', name, [flat[0]!, at[2], at[3]]];
    }
    return ['call', name, flat.flatMap((one) => (name === 'series' && one[0] === 'rel' ? [one[2], one[3]] : [one]))];
  }

  #unknown(name: string): Node {
    let order = 0;
    while (this.#take("'")) order++;
    let at: Node | null = null;
    if (this.#is('(')) {
      this.#at++;
      at = this.#arguments(')')[0] ?? null;
    }
    return ['prime', name, order, at];
  }

  /** A function, whose power may stand before its argument: sin^2 x. */
  #function(name: string): Node {
    let power: Node | null = null;
    if (this.#take('^')) power = this.#take('-') ? ['neg', this.#postfix()] : this.#postfix();
    const inverse = power !== null && power[0] === 'neg' && power[1][0] === 'num' && power[1][1] === '1';
    const called = inverse ? own(INVERSES, name) : name;
    if (called === undefined)
      throw new Error(`${name}^-1 can be read in two ways; write 1/${name}(x) or the inverse by its name`);
    const args = this.#take('(') ? this.#arguments(')') : [this.#operand()];
    const node: Node = ['call', called, args];
    return power === null || inverse ? node : ['^', node, power];
  }

  /** The argument of a function without brackets: 2x, -x, x^2 y; it ends at a sign, a space before a function, or `dx`. */
  #operand(): Node {
    if (this.#is('(')) return this.#primary();
    if (this.#take('-')) return ['neg', this.#operand()];
    let node = this.#power();
    while (this.#startsFactor() && !this.#is('(') && !this.#is('|')) {
      const { text } = this.#next;
      if (FUNCTIONS.has(text) || Object.hasOwn(SAME_FUNCTION, text) || /^log_?\d/.test(text)) break;
      if (this.#integrals.at(-1)?.variable === null && /^d(?:[A-Za-z]|theta|phi)?$/.test(text)) break;
      if (this.tokens[this.#at + 1]?.text === '⟦') break;
      node = ['*', node, this.#power()];
    }
    return node;
  }

  #variable(text: string, spaced: boolean): Node {
    const { context } = this;
    if (this.#bound.includes(text) || context.variables.has(text)) return ['sym', text];
    const constant = own(CONSTANTS, text);
    if (constant !== undefined && constant !== 'j') return ['const', constant];
    if ((text === 'I' || text === 'E') && context.sympy) return ['const', text.toLowerCase()];
    if (text === 'I' || text === 'E')
      note(context, `${text} is a variable here; the constant is ${text.toLowerCase()}`);
    if (text in Object.prototype) throw new Error(`unknown name ${text}; take another, e.g. x`);
    // y(x), y(2) and f(…) are functions; r(r - 1) and P(1 + i) are products.
    const single = this.tokens[this.#at + 2]?.text === ')' && this.tokens[this.#at + 1]?.kind !== 'op';
    if (text.length === 1 && this.#is('(') && !this.#next.spaced && (single || /[fghFGH]/.test(text))) {
      throw new Error(
        `${text}(…) is a function that is not known here; put in what it is, or write ${text}*(…) for a product`,
      );
    }
    if (
      text.length === 1 ||
      GREEK.has(text) ||
      /^[A-Za-z]+_\w+$|^[A-Za-z]\d+$|^(?:alpha|beta|theta|omega|lambda|mu|sigma|phi|rho)_?\w+$/.test(text)
    )
      return this.#symbol(text);
    if (text.length > 1 && this.#is('(')) {
      throw new Error(
        `unknown function ${text}; write e.g. solve(2*x+3=11, x), diff(x^3, x) or log(x); a product needs *`,
      );
    }
    return this.#letters(text, spaced);
  }

  /** `xy` is x*y; a longer word is a variable where signs stand around it. */
  #letters(text: string, spaced: boolean): Node {
    const open = this.#integrals.at(-1);
    const glued = open?.variable === null ? /^(.+?)d([a-z])$/.exec(text) : null;
    if (glued !== null && this.#at < this.tokens.length) {
      open!.variable = glued[2]!;
      open!.done = !this.#is('/') && !this.#is(')');
      return this.#product(glued[1]!);
    }
    const before = this.tokens[this.#at - 2];
    const beside = (token: Token | undefined) =>
      token !== undefined &&
      ((token.kind !== 'op' && token.kind !== 'end') || token.text === ')' || token.text === ']');
    if (/^[A-Za-z]{2,3}$/.test(text) && !WORDS.test(text)) {
      note(this.context, `${text} is ${[...text].join('*')}`);
      return this.#product(text);
    }
    const after = this.#next.kind === 'name' || this.#next.kind === 'num';
    if (beside(before) || (after && spaced) || WORDS.test(text)) {
      throw new Error(
        `the word "${text.slice(0, 30)}" is not understood; write e.g. solve(2*x+3=11, x), diff(x^3, x) or integrate(x^2, x, 0, 3)`,
      );
    }
    return this.#symbol(text);
  }

  #product(letters: string): Node {
    return [...letters].map((one): Node => this.#variable(one, false)).reduce((a, b): Node => ['*', a, b]);
  }

  #symbol(name: string): Node {
    return ['sym', name];
  }
}

const WORDS =
  /^(?:is|of|and|or|the|for|if|at|by|in|on|to|as|an|are|find|what|when|with|where|from|let|over|dx|dy|dt|undefined|null|NaN|true|false|setVar)$/i;

function own<T>(table: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}

function note({ notes }: Context, text: string): void {
  if (!notes.includes(text)) notes.push(text);
}
