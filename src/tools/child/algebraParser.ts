/**
 * Reads a formula into a tree: operators, functions with and without brackets, `2x`, `sin^2 x`, |x|, matrices, equations,
 * ∫ … dx, Σ, Π, lim and d/dx, calls of operations by any of their names.
 */
import { type Context, Grammar, own } from './algebraGrammar.js';
import { OPERATIONS, OPTIONS } from './algebraNames.js';
import { differential, prefixed } from './algebraPrefixed.js';
import { type Token, tokensOf } from './algebraTokens.js';
import type { Node } from './algebraTree.js';
import { named, operation } from './algebraWords.js';

/** The tree of the text. Throws, in words, for what is no formula. */
export function parseFormula(text: string, context: Context): Node {
  return new Parser([...tokensOf(text)], context).whole();
}

const RELATIONS = new Set(['=', '==', '<', '<=', '>', '>=', '!=']);
const ONE: Node = ['num', '1'];

class Parser extends Grammar {
  whole(): Node {
    const node = this.relation();
    if (this.next.kind !== 'end') throw this.unexpected();
    return node;
  }

  /** a < b < c is two relations. */
  relation(): Node {
    const first = this.additive(true);
    const found: Node[] = [];
    for (let left = first; this.next.kind === 'op' && RELATIONS.has(this.next.text); ) {
      const op = this.next.text;
      if (op === '!=' && !this.next.spaced && !this.tokens[this.at + 1]!.spaced)
        throw new Error('!= can be read in two ways; write n! = 6 or n ≠ 6');
      this.at++;
      const right = this.additive(false);
      found.push(['rel', op === '==' ? '=' : op, left, right]);
      left = right;
    }
    if (found.length === 0) return first;
    return found.length === 1 ? found[0]! : ['list', ...found];
  }

  additive(start: boolean): Node {
    let node = this.signed(start);
    let sum = false;
    for (;;) {
      if (this.integrals.at(-1)?.done) return node;
      if (this.take('±')) throw new Error('± is two problems; write one with + and one with -');
      if (this.take('+')) node = ['+', node, this.term(false)];
      else if (this.take('-')) node = ['-', node, this.term(false)];
      else return this.modulo(node, sum);
      sum = true;
    }
  }

  modulo(node: Node, sum: boolean): Node {
    if (this.next.kind !== 'name' || !/^(?:mod|modulo)$/.test(this.next.text)) return node;
    if (sum) throw new Error('write (a + b) mod n or a + (b mod n): it can be read in two ways');
    this.at++;
    const modulus = this.take('-') ? (['neg', this.power()] as const) : this.power();
    if (this.is('*') || this.is('/') || this.startsFactor())
      throw new Error('write (a mod n)*b or a mod (n*b): it can be read in two ways');
    return ['call', 'mod', [node, modulus]];
  }

  signed(start: boolean): Node {
    if (this.take('-')) return ['neg', this.term(false)];
    if (this.take('+')) return this.term(false);
    return this.term(start);
  }

  /** Products and quotients, with and without signs. */
  term(start: boolean): Node {
    let node = prefixed(this, start) ?? this.power();
    let divided = false;
    for (;;) {
      if (this.integrals.at(-1)?.done) return node;
      if (this.take('*')) node = ['*', node, this.factor()];
      else if (this.take('/')) {
        node = ['/', node, this.factor()];
        divided = true;
        continue;
      } else if (this.startsFactor()) {
        if (differential(this)) continue;
        if (divided) this.afterQuotient(node);
        this.#notChosen();
        node = ['*', node, prefixed(this, false) ?? this.power()];
      } else return node;
      divided = false;
    }
  }

  /** 2 1/2 is a mixed number, 1 000 a thousand; 5C2 and 10 P 3 count choices. All are products, too. */
  #notChosen(): void {
    const [before, next, after] = this.tokens.slice(this.at - 1);
    const { kind, text } = next!;
    if (before!.kind !== 'num' || (kind !== 'name' && kind !== 'num')) return;
    if (kind === 'num')
      throw new Error(`${before!.text} ${text} can be read in two ways; write 2 + 1/2, 1000, or a product with *`);
    if (/^[CP]\d+$/.test(text) || (/^[CP]$/.test(text) && after!.kind === 'num'))
      throw new Error(
        `${before!.text} ${text} can be read in two ways; write nCr(5, 2), nPr(5, 2), or a product with *`,
      );
  }

  /** 1/2x has two readings; 1/2 x is a half of x. */
  afterQuotient(node: Node): void {
    const [, top, bottom] = node as readonly ['/', Node, Node];
    const numbers = top[0] === 'num' && bottom[0] === 'num';
    const closed = this.tokens[this.at - 1]!.text === ')';
    if ((numbers && this.next.spaced) || closed) return;
    throw new Error('a quotient before a factor can be read in two ways; write (a/b)*c or a/(b*c)');
  }

  factor(): Node {
    if (this.take('-')) return ['neg', this.factor()];
    if (this.take('+')) return this.factor();
    return prefixed(this, false) ?? this.power();
  }

  /** Powers, from the right; a sign may stand in the exponent. */
  power(): Node {
    const base = this.postfix();
    if (!this.take('^')) return base;
    const negative = this.take('-');
    const at = this.at;
    const first = this.next;
    const exponent = this.exponent();
    // e^xy and e^2x: what is the power is not to be seen; x^2y is x^2*y.
    const letters = first.kind === 'name' && this.tokens[at] !== first;
    const number = this.tokens[this.at - 1]!.kind === 'num' && (base[0] === 'const' || base[0] === 'num');
    if (letters || (number && this.#touchesLetter())) {
      throw new Error('a power before a letter can be read in two ways; write e^(2*x) or e^2*x');
    }
    return ['^', base, negative ? ['neg', exponent] : exponent];
  }

  #touchesLetter(): boolean {
    const { kind, text, spaced } = this.next;
    return kind === 'name' && !spaced && !(this.integrals.length > 0 && text.startsWith('d'));
  }

  exponent(): Node {
    this.take('+');
    return this.power();
  }

  postfix(): Node {
    let node = this.primary();
    for (;;) {
      if (this.take('!')) node = this.take('!') ? ['call', 'factorial2', [node]] : ['!', node];
      else if (this.is('.') && this.tokens[this.at + 1]?.kind === 'name') {
        this.at++;
        node = this.method(node);
      } else return node;
    }
  }

  /** `expr.diff(x)`, as SymPy writes. */
  method(node: Node): Node {
    const name = this.next.text;
    const called = own(OPERATIONS, name);
    if (called === undefined && name !== 'doit' && name !== 'T')
      throw new Error(`unknown method ${name}; write e.g. diff(x^3, x)`);
    this.at++;
    if (name === 'T') return ['call', 'transpose', [node]];
    this.expect('(');
    const args = this.arguments(')');
    return called === undefined ? node : operation(called, [node, ...args]);
  }

  primary(): Node {
    if (differential(this)) return ONE;
    const token = this.next;
    this.at++;
    if (token.kind === 'num') return ['num', token.text];
    if (token.kind === 'name') return named(this, token);
    if (token.kind === 'op') {
      if (token.text === '(') return this.bracket();
      if (token.text === '[' || token.text === '{') return this.list(token.text === '[' ? ']' : '}');
      if (token.text === '|') return this.absolute();
    }
    this.at--;
    throw this.unexpected();
  }

  bracket(): Node {
    const bars = this.bars;
    this.bars = 0;
    const items = this.arguments(')');
    this.bars = bars;
    if (items.length === 0) throw new Error('empty brackets');
    return items.length === 1 ? items[0]! : ['list', ...items];
  }

  /** [1, 2; 3, 4] has rows. */
  list(close: string): Node {
    const rows: Node[][] = [[]];
    while (!this.take(close)) {
      rows.at(-1)!.push(this.relation());
      if (this.take(';')) rows.push([]);
      else if (!this.is(close)) this.expect(',');
    }
    if (rows.length === 1) return ['list', ...rows[0]!];
    return ['list', ...rows.filter((row) => row.length > 0).map((row): Node => ['list', ...row])];
  }

  absolute(): Node {
    this.bars++;
    const node = this.additive(false);
    this.bars--;
    this.expect('|');
    return ['call', 'abs', [node]];
  }

  arguments(close: string): Node[] {
    const out: Node[] = [];
    while (!this.take(close)) {
      out.push(this.argument());
      if (!this.is(close)) this.expect(',');
    }
    return out;
  }

  argument(): Node {
    const { kind, text } = this.next;
    if (kind === 'text') {
      this.at++;
      return /^[+-]{1,2}$/.test(text) ? ['kw', 'dir', text] : ['sym', text];
    }
    const after = this.tokens[this.at + 1]!;
    if (kind === 'name' && OPTIONS.has(text) && after.text === '=' && text.length > 1) {
      this.at += 2;
      if (this.next.kind === 'text' || this.next.kind === 'name') {
        const value = this.next.text;
        this.at++;
        return ['kw', text, value];
      }
      return ['kw', text, this.additive(false)];
    }
    const node = this.relation();
    if (!this.take('->')) return node;
    return ['list', node, this.additive(false)];
  }

  inner(tokens: readonly Token[]): Node {
    const parser = new Parser([...tokens, { kind: 'end', text: 'the end', spaced: true }], this.context);
    // The index of a sum stands in the bounds of those inside: i is no constant there.
    parser.bound.push(...this.bound);
    return parser.whole();
  }
}
