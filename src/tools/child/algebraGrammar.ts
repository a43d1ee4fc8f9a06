/** What the parts of algebra's parser share: where they are in the tokens, and what is open there. */
import type { Token } from './algebraTokens.js';
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

/** The parser, as `algebraPrefixed.ts` and `algebraWords.ts` use it. */
export abstract class Grammar {
  at = 0;
  /** Open integrals, the innermost last, with their variables once `dx` was met. */
  readonly integrals: { variable: string | null; done: boolean }[] = [];
  /** Indices of the sums that are open. */
  readonly bound: string[] = [];
  /** How many |x| are open, so that a bar now closes one. */
  bars = 0;

  constructor(
    readonly tokens: Token[],
    readonly context: Context,
  ) {}

  abstract relation(): Node;
  /** `start`: whether the formula begins here. */
  abstract additive(start: boolean): Node;
  abstract term(start: boolean): Node;
  abstract power(): Node;
  abstract postfix(): Node;
  abstract primary(): Node;
  abstract arguments(close: string): Node[];
  /** Reads the tokens of a bound. */
  abstract inner(tokens: readonly Token[]): Node;

  get next(): Token {
    return this.tokens[this.at]!;
  }

  is(text: string): boolean {
    return this.next.text === text && this.next.kind === 'op';
  }

  take(text: string): boolean {
    if (!this.is(text)) return false;
    this.at++;
    return true;
  }

  expect(text: string): void {
    if (!this.take(text)) throw new Error(`${text} is expected before ${this.shown()}`);
  }

  shown(): string {
    return this.next.kind === 'end' ? 'the end' : this.next.text.slice(0, 30);
  }

  unexpected(): Error {
    const { kind, text } = this.next;
    if (kind === 'end') return new Error('the formula ends too early; close brackets, write e.g. solve(2*x+3=11, x)');
    return new Error(`"${text.slice(0, 30)}" is not expected there; write e.g. solve(2*x+3=11, x) or diff(x^3, x)`);
  }

  startsFactor(): boolean {
    const { kind, text } = this.next;
    if (kind === 'name') return !/^(?:mod|modulo|and|or|for|in|to|from|at|with|where)$/.test(text);
    if (kind === 'num') return true;
    return kind === 'op' && (text === '(' || (text === '|' && this.bars === 0));
  }
}

export function own<T>(table: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}

export function note({ notes }: Context, text: string): void {
  if (!notes.includes(text)) notes.push(text);
}
