/**
 * The inner half of the parser: comparisons, arithmetic, names with their arguments. Precedence from lowest: comparisons;
 * + -; * / mod; ^.
 */
import { Cursor, domainNamed, LOGIC_HELP, oneToken } from './logicCursor.js';
import type { Comparison, Formula } from './logicFormula.js';
import type { Token, Tokens } from './logicTokens.js';

const COMPARISONS: readonly string[] = ['=', '!=', '<', '<=', '>', '>='];

export abstract class TermParser extends Cursor {
  /** Variables of the quantifiers around the current token, innermost last. */
  protected readonly scope: string[] = [];
  /** Variables of the formula whose scope has ended, with where their quantifier stands. */
  protected readonly ended = new Map<string, { readonly from: number; readonly body: number; readonly to: number }>();
  /** Some quantifier stands in the text. */
  protected quantified = false;
  /** Some predicate is written with brackets: `Man(x)`, so that `Man` alone is no M of a and n. */
  readonly #calls: boolean;

  constructor(tokens: Tokens) {
    super(tokens);
    this.#calls = this.tokens.some((one, i) => one.kind === 'name' && /[a-z]{2}/.test(one.text) && this.is('(', i + 1));
  }

  /** A whole formula inside brackets. */
  protected abstract iff(): Formula;

  /** One comparison, or a chain: `0 < x < 10`. */
  protected comparison(): Formula {
    const before = this.tokens[this.at - 1];
    const first = this.#sum();
    if (this.arithmetic && this.isSign('congruent')) return this.#congruence(first);
    let left = first;
    let chain: Formula | undefined;
    while (this.peek().kind === 'sign' && COMPARISONS.includes(this.peek().text)) {
      const op = this.next().text as Comparison;
      const right = this.#sum();
      if (op === '=' && 'op' in right && right.op === 'mod' && !BRACKETS.has(right) && left.op !== 'mod') {
        throw new Error('"a = b mod n" can mean a = (b mod n) or (a mod n) = (b mod n); write a mod n = b');
      }
      const one: Formula = { op, left, right };
      chain = chain === undefined ? one : { op: 'and', left: chain, right: one };
      left = right;
    }
    // `P & Q = R`: between propositions books differ on how far = reaches.
    if (
      chain !== undefined &&
      !this.arithmetic &&
      !this.quantified &&
      (isConnective(before) || isConnective(this.peek()))
    )
      this.assumed = true;
    return chain ?? first;
  }

  /** `n ≡ 5 (mod 8)`: both leave the same remainder. */
  #congruence(left: Formula): Formula {
    this.at += 1;
    const right = this.#sum();
    this.assumed = true;
    if (right.op === 'mod' && !BRACKETS.has(right)) {
      return { op: '=', left: { op: 'mod', left, right: right.right }, right };
    }
    const open = this.takeMark('(');
    if (!this.takeSign('mod')) throw new Error('"≡" between numbers needs a modulus; write n ≡ 5 (mod 8)');
    const by = this.#sum();
    if (open && !this.takeMark(')')) throw this.unexpected();
    return { op: '=', left: { op: 'mod', left, right: by }, right: { op: 'mod', left: right, right: by } };
  }

  #sum(): Formula {
    let left = this.#product();
    for (;;) {
      const op = this.takeSign('+') ? '+' : this.takeSign('-') ? '-' : undefined;
      if (op === undefined) return left;
      left = { op, left, right: this.#product() };
    }
  }

  #product(): Formula {
    let left = this.#signed();
    let last = left;
    let divided = false;
    for (;;) {
      if (this.takeSign('*') || (this.arithmetic && this.takeSign('dot'))) {
        last = this.#signed();
        left = { op: '*', left, right: last };
      } else if (this.arithmetic && this.takeSign('/')) {
        last = this.#signed();
        left = { op: '/', left, right: last };
        divided = true;
      } else if (this.isSign('mod') && !this.is('(', this.at - 1)) {
        this.at += 1;
        this.assumed ||= left.op !== 'name' && left.op !== 'number' && !BRACKETS.has(left);
        last = this.#signed();
        left = { op: 'mod', left, right: last };
      } else if (this.arithmetic && this.#juxtaposed(last)) {
        if (divided) throw new Error('"1/2x" can mean (1/2)*x or 1/(2*x); write * and brackets');
        last = this.#power();
        left = { op: '*', left, right: last };
        this.assumed = true;
      } else return left;
    }
  }

  /** `6x`, `3(x + 1)`, `(x + 1)(x - 1)`. */
  #juxtaposed(last: Formula): boolean {
    const next = this.peek();
    const factor = last.op === 'negative' ? last.of : last;
    if (factor.op !== 'number' && !BRACKETS.has(last)) return false;
    if (this.is('(') && !this.isSign('mod', this.at + 1)) return true;
    return next.kind === 'name' && !(next.text === 'v' && next.spaced) && !domainNamed(next.text);
  }

  #signed(): Formula {
    return this.deeper(() => {
      if (this.takeSign('+')) return this.#signed();
      return this.takeSign('-') ? { op: 'negative', of: this.#signed() } : this.#power();
    });
  }

  #power(): Formula {
    const base = this.#atom();
    if (!this.arithmetic || !this.takeSign('^')) return base;
    const curly = this.is('{');
    const exponent = this.isSign('-') || curly ? this.#signed() : this.#atom();
    if (this.isSign('^')) throw new Error('"a^b^c" can mean (a^b)^c or a^(b^c); write brackets');
    return { op: '^', left: base, right: exponent };
  }

  #atom(): Formula {
    const token = this.next();
    const close = token.kind === 'mark' ? { '(': ')', '[': ']', '{': '}' }[token.text] : undefined;
    if (close !== undefined) {
      const inner = this.iff();
      if (!this.takeMark(close)) throw new Error('a closing parenthesis is missing');
      return marked({ ...inner });
    }
    if (token.kind === 'sign' && /^(?:true|false)$/.test(token.text))
      return { op: 'truth', value: token.text === 'true' };
    if (token.kind === 'number') return { op: 'number', text: token.text };
    if (token.kind !== 'name') {
      this.at -= 1;
      throw new Error(
        `a variable expected, got ${token.kind === 'end' ? 'the end' : `"${oneToken(token)}"`}; ${LOGIC_HELP}`,
      );
    }
    return this.#named(token);
  }

  #named(token: Token): Formula {
    const name = token.text;
    if (!this.arithmetic && this.is('(')) {
      this.at += 1;
      return { op: 'name', name, args: this.#terms() };
    }
    if (this.is('(')) throw new Error(`${name}(…) can be a function or ${name} times (…); write * between them`);
    if (!this.quantified || this.arithmetic) return { op: 'name', name, args: [] };
    const letters = /^([A-Z])([a-z]{1,4})$/.exec(name);
    const bound = letters !== null && [...letters[2]!].every((letter) => this.scope.includes(letter));
    if (letters !== null && (bound || (!this.#calls && letters[2]!.length <= 3))) {
      return { op: 'name', name: letters[1]!, args: [...letters[2]!].map((letter) => this.#term(letter)) };
    }
    if (
      COMPARISONS.slice(0, 2).includes(this.peek().text) ||
      COMPARISONS.slice(0, 2).includes(this.tokens[this.at - 2]?.text ?? '')
    ) {
      return this.#term(name);
    }
    return { op: 'name', name, args: [] };
  }

  #terms(): Formula[] {
    const terms: Formula[] = [];
    do {
      const token = this.next();
      if (token.kind !== 'name')
        throw new Error(`a name expected among the arguments, got "${oneToken(token)}"; ${LOGIC_HELP}`);
      if (this.takeMark('(')) terms.push({ op: 'name', name: token.text, args: this.#terms() });
      else terms.push(this.#term(token.text));
    } while (this.takeMark(','));
    if (!this.takeMark(')')) throw this.unexpected();
    return terms;
  }

  /** A variable, or the name of a thing. x, y, z, u, w name none: one that is not bound is a slip or a scope read otherwise. */
  #term(name: string): Formula {
    if (this.scope.includes(name) || !this.quantified) return { op: 'name', name, args: [] };
    const ended = this.ended.get(name);
    if (ended !== undefined) {
      const cut = (from: number, to: number): string => this.text.slice(from, to).trim();
      const rest = this.text.length > 60 ? '…' : cut(ended.to, this.text.length).replace(/\s*(?:[,;\n∴⊢]|\|-).*$/s, '');
      const head = cut(ended.from, ended.body);
      const body = cut(ended.body, ended.to);
      throw new Error(
        `does ${head} cover ${body} alone, (${head} ${body}) ${rest}, or ${head}(${body} ${rest})? Write brackets`,
      );
    }
    if (/^[u-z]$/.test(name))
      throw new Error(`${name} is not bound by a quantifier; bind it, or name a thing by a letter from a to t`);
    return { op: 'name', name, args: [] };
  }
}

function isConnective(token: Token | undefined): boolean {
  return token?.kind === 'sign' && /^(?:and|or|xor|implies|iff|dot)$/.test(token.text);
}

/** Brackets in the text, so that no reading is assumed of what is in them. */
const BRACKETS = new WeakSet<Formula>();

function marked(formula: Formula): Formula {
  BRACKETS.add(formula);
  return formula;
}

export function unbracketed(formula: Formula, op: Formula['op']): boolean {
  return formula.op === op && !BRACKETS.has(formula);
}
