/** Where a parser of the tool `logic` stands among the tokens. */
import type { Domain } from './logicFormula.js';
import type { Token, Tokens } from './logicTokens.js';

export const LOGIC_HELP = 'write e.g. p -> q, p |- q';
const MAX_DEPTH = 300;

export class Cursor {
  protected at = 0;
  protected readonly text: string;
  protected readonly tokens: readonly Token[];
  protected readonly arithmetic: boolean;
  /** The reading rests on precedence or on a convention; to be shown. */
  protected assumed = false;
  #depth = 0;

  constructor({ text, tokens, arithmetic }: Tokens) {
    this.text = text;
    this.tokens = tokens;
    this.arithmetic = arithmetic;
  }

  /** Parses one level further in, within a depth that the stack bears. */
  protected deeper<T>(parse: () => T): T {
    if (++this.#depth > MAX_DEPTH) throw new Error('the formula is nested too deeply');
    try {
      return parse();
    } finally {
      this.#depth -= 1;
    }
  }

  protected peek(): Token {
    return this.tokens[this.at]!;
  }

  protected next(): Token {
    const token = this.peek();
    if (token.kind !== 'end') this.at += 1;
    return token;
  }

  protected is(mark: string, at = this.at): boolean {
    return this.tokens[at]?.kind === 'mark' && this.tokens[at]!.text === mark;
  }

  protected isSign(sign: string, at = this.at): boolean {
    return this.tokens[at]?.kind === 'sign' && this.tokens[at]!.text === sign;
  }

  protected takeMark(mark: string): boolean {
    if (!this.is(mark)) return false;
    this.at += 1;
    return true;
  }

  protected takeSign(sign: string): boolean {
    if (!this.isSign(sign)) return false;
    this.at += 1;
    return true;
  }

  protected unexpected(): Error {
    const token = this.peek();
    const hint = /\b(?:import|def|Solver)\b/.test(this.text)
      ? 'this tool takes formulas and SMT-LIB, no Python'
      : /\b(?:smallest|largest|least|greatest|minimi[sz]e|maximi[sz]e|minimum|maximum)\b/i.test(this.text)
        ? 'for the smallest or largest write SMT-LIB: (declare-const n Int)(assert (> n 1))(minimize n)'
        : LOGIC_HELP;
    return new Error(`unexpected ${token.kind === 'end' ? 'end' : `"${oneToken(token)}"`}; ${hint}`);
  }
}

export function oneToken({ text }: Token): string {
  return text === '\n' ? 'line break' : text;
}

export function domainNamed(word: string): Domain | undefined {
  if (/^(?:ℝ|R|reals?|Real)$/.test(word)) return 'real';
  return /^(?:ℤ|Z|ints?|Int|integers?|Integers?)$/.test(word) ? 'int' : undefined;
}
