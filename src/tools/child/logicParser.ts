/**
 * Parses formulas of propositional and predicate logic and of arithmetic into trees. Precedence from lowest: ↔; → (to
 * the right); ∨, ⊕; ∧; ¬ and quantifiers; comparisons; + -; * / mod; ^. Where books differ, `assumed` tells that the
 * reading has to be shown, or the formula is refused.
 */
import { domainNamed } from './logicCursor.js';
import type { Comparison, Domain, Formula, Quantifier } from './logicFormula.js';
import { TermParser, unbracketed } from './logicTerms.js';
import { type Token, type Tokens, tokenise } from './logicTokens.js';

export interface Parsed {
  readonly premises: readonly Formula[];
  readonly conclusions: readonly Formula[];
  /** What separates premises from conclusions, if anything does. */
  readonly relation: 'entails' | 'equivalent' | null;
  readonly arithmetic: boolean;
  /** Names said to be whole numbers: `n ∈ ℤ`. */
  readonly integers: ReadonlySet<string>;
  /** The reading rests on precedence or on a convention; to be shown. */
  readonly assumed: boolean;
}

export function parseLogic(text: string): Parsed {
  return new Parser(tokenise(text)).parse();
}

class Parser extends TermParser {
  readonly #integers = new Set<string>();
  /** `P / Q // R`: where a sign for the conclusion stands, slashes separate premises. */
  readonly #concludes = this.tokens.some(({ kind, text }) => kind === 'sign' && text === 'entails');

  constructor(tokens: Tokens) {
    super(tokens);
    this.quantified =
      this.tokens.some(({ kind, text: t }) => kind === 'sign' && /^(?:forall|exists|unique|none)$/.test(t)) ||
      this.tokens.some((_, i) => this.#bareQuantifier(i) !== undefined);
  }

  parse(): Parsed {
    let relation: Parsed['relation'] = null;
    const premises = this.#atRelation() ? [] : this.#list();
    let conclusions: Formula[] = [];
    if (this.#atRelation()) {
      relation = this.next().text === 'equivalent' ? 'equivalent' : 'entails';
      conclusions = this.#list();
    }
    if (this.peek().kind !== 'end') throw this.unexpected();
    return {
      ...{ premises, conclusions, relation, arithmetic: this.arithmetic, integers: this.#integers },
      assumed: this.assumed,
    };
  }

  /** In logic a slash stands before the conclusion. */
  #atRelation(): boolean {
    return (
      this.isSign('entails') || this.isSign('equivalent') || (!this.arithmetic && !this.#concludes && this.isSign('/'))
    );
  }

  #list(): Formula[] {
    const formulas: Formula[] = [];
    const separators = () => {
      while (
        [',', ';', '\n', '.'].some((mark) => this.is(mark)) ||
        (this.#concludes && !this.arithmetic && this.isSign('/'))
      ) {
        if (this.is('.') && this.peek().spaced)
          throw new Error('"." can mean "and" or the end of a premise; write & or a comma');
        this.at += 1;
      }
    };
    separators();
    while (this.peek().kind !== 'end' && !this.#atRelation()) {
      formulas.push(...(this.#declaration() ?? [this.#formula()]));
      const before = this.at;
      separators();
      if (this.at === before) break;
    }
    return formulas;
  }

  /** `x, y ∈ ℤ`, `n integer`, `x is a positive real`: says what the names are; the formulas that say their signs. */
  #declaration(): Formula[] | undefined {
    let at = this.at;
    const names: string[] = [];
    while (this.tokens[at]!.kind === 'name') {
      names.push(this.tokens[at]!.text);
      at += 1;
      if (!this.is(',', at)) break;
      at += 1;
    }
    const from = at;
    const word = () => this.tokens[at]?.text ?? '';
    if (/^(?:in|is|are)$/.test(word())) at += 1;
    if (/^(?:an|a)$/.test(word())) at += 1;
    const sign = { positive: '>', negative: '<' }[word()] as Comparison | undefined;
    if (sign !== undefined) at += 1;
    const domain = domainNamed(word());
    // A letter alone after a name may be anything.
    if (!this.arithmetic || names.length === 0 || domain === undefined || (at === from && word().length === 1))
      return undefined;
    if (/^numbers?$/.test(this.tokens[at + 1]?.text ?? '')) at += 1;
    if (domain === 'int') for (const name of names) this.#integers.add(name);
    this.at = at + 1;
    if (sign === undefined) return [];
    const zero: Formula = { op: 'number', text: '0' };
    return names.map((name) => ({ op: sign, left: { op: 'name', name, args: [] }, right: zero }));
  }

  #formula(): Formula {
    this.ended.clear();
    return this.iff();
  }

  protected iff(): Formula {
    let left = this.#implies();
    let links = 0;
    while (this.isSign('iff') || (this.isSign('congruent') && !this.arithmetic)) {
      this.at += 1;
      const right = this.#implies();
      this.assumed ||= links++ > 0 || unbracketed(left, 'implies') || unbracketed(right, 'implies');
      left = { op: 'iff', left, right };
    }
    return left;
  }

  #implies(): Formula {
    if (this.takeSign('if')) {
      const left = this.iff();
      if (!this.takeSign('then') && !this.takeMark(',')) throw new Error('"if" needs a "then"; write p -> q');
      this.takeSign('then');
      return { op: 'implies', left, right: this.#implies() };
    }
    const left = this.#or();
    if (!this.takeSign('implies')) return left;
    const right = this.#implies();
    this.assumed ||= unbracketed(right, 'implies');
    return { op: 'implies', left, right };
  }

  #or(): Formula {
    let left = this.#and();
    for (;;) {
      const before = this.peek();
      const at = this.at;
      const op = this.takeSign('xor') ? 'xor' : this.takeSign('or') || this.#takeWedge() ? 'or' : undefined;
      if (op === undefined) return left;
      const right = this.#and();
      this.#refuseBetweenArrows(at);
      this.assumed ||= before.kind === 'name' || unbracketed(left, 'and') || unbracketed(right, 'and');
      this.assumed ||= unbracketed(left, op === 'or' ? 'xor' : 'or');
      left = { op, left, right };
    }
  }

  /** `v` after an operand is the ∨ of typewriters. */
  #takeWedge(): boolean {
    const token = this.peek();
    if (token.kind !== 'name' || !/^v$/i.test(token.text) || this.tokens[this.at + 1]!.kind === 'end') return false;
    this.at += 1;
    return true;
  }

  #and(): Formula {
    let left = this.#not();
    while (this.isSign('and') || (!this.arithmetic && (this.isSign('dot') || this.isSign('*')))) {
      const at = this.at;
      this.at += 1;
      left = { op: 'and', left, right: this.#not() };
      this.#refuseBetweenArrows(at);
    }
    if (!this.arithmetic && this.isSign('^')) {
      throw new Error('"^" can mean "and" (P & Q) or "exclusive or" (P xor Q); write & or xor');
    }
    return left;
  }

  /** `P -> Q and R -> S`: a sign binds closer than the arrows, a word as often separates the two statements. */
  #refuseBetweenArrows(at: number): void {
    const isArrow = (i: number) => ['implies', 'iff', 'congruent', 'then'].some((sign) => this.isSign(sign, i));
    const word = this.text.slice(this.tokens[at]!.at).match(/^\p{L}{2,}/u)?.[0];
    if (word === undefined || !isArrow(this.at)) return;
    for (let i = at - 1, depth = 0; i >= 0; i--) {
      const { kind, text } = this.tokens[i]!;
      if (kind === 'mark' && ')]}'.includes(text)) depth += 1;
      else if (kind === 'mark' && '([{'.includes(text) && --depth < 0) return;
      else if (depth === 0 && ((kind === 'mark' && ',;.\n'.includes(text)) || this.isSign('entails', i))) return;
      else if (depth === 0 && isArrow(i)) {
        throw new Error(
          `does "${word}" join two arrows, (P -> Q) ${word} (R -> S), or stand inside, P -> (Q ${word} R) -> S? Write brackets`,
        );
      }
    }
  }

  #not(): Formula {
    return this.deeper(() => {
      if (this.takeSign('not')) return { op: 'not', of: this.#not() };
      return this.#quantifier() ?? this.comparison();
    });
  }

  /** `∀x`, `(∀x)`, `∀x∀y`, `∀x, y`, Copi's `(x)`, `(Ex)`; with `.`, `:` or `,` after it the scope reaches as far as it can. */
  #quantifier(): Formula | undefined {
    const from = this.peek().at;
    const bare = this.#bareQuantifier(this.at);
    if (bare !== undefined) {
      this.at += 3;
      return this.#scoped(bare.quantifier, [bare.variable], 'thing', from, false);
    }
    const bracketed =
      this.is('(') && this.#quantifierSign(this.at + 1) !== undefined && this.#closesVariable(this.at + 2);
    const quantifier = this.#quantifierSign(this.at + Number(bracketed));
    if (quantifier === undefined) return undefined;
    this.at += 1 + Number(bracketed);
    const { variables, domain, rest } = this.#variables();
    if (bracketed && !this.takeMark(')')) throw this.unexpected();
    const wide = !rest && (this.takeMark('.') || this.takeMark(':') || this.takeMark(','));
    const negated = quantifier === 'none';
    const formula = this.#scoped(negated ? 'exists' : quantifier, variables, domain, from, wide);
    return negated ? { op: 'not', of: formula } : formula;
  }

  #quantifierSign(at: number): Quantifier | 'none' | undefined {
    const token = this.tokens[at];
    if (token?.kind !== 'sign' || !/^(?:forall|exists|unique|none)$/.test(token.text)) return undefined;
    return token.text as Quantifier | 'none';
  }

  /** `(∀x)` and `(∀x ∈ ℝ)`, not `(∀x Fx)`. */
  #closesVariable(at: number): boolean {
    let end = at;
    while (end < at + 8 && (this.tokens[end]?.kind === 'name' || this.isSign('in', end) || this.is(',', end))) end += 1;
    return end > at && this.is(')', end);
  }

  #variables(): { variables: string[]; domain: Domain; rest: boolean } {
    const variables: string[] = [];
    let rest = false;
    for (;;) {
      const token = this.next();
      if (token.kind !== 'name')
        throw new Error(`a variable expected after a quantifier, got "${token.text}"; write ∀x(Fx → Gx)`);
      const glued = /^([a-z])([A-Z].*)$/.exec(token.text);
      if (glued !== null) {
        // `∀xFx`: the rest of the token is the beginning of the scope.
        variables.push(glued[1]!);
        this.at -= 1;
        (this.tokens as Token[])[this.at] = { ...token, text: glued[2]!, at: token.at + 1 };
        rest = true;
        break;
      }
      if (/^[u-z]{2,3}$/.test(token.text)) variables.push(...token.text);
      else variables.push(token.text);
      const more =
        this.is(',') && /^[a-z]$/.test(this.tokens[this.at + 1]?.text ?? '') && !this.#operandEnds(this.at + 2);
      if (!more) break;
      this.at += 1;
    }
    const domain = this.takeSign('in') ? domainNamed(this.next().text) : this.arithmetic ? undefined : 'thing';
    if (domain === undefined) {
      throw new Error(
        `what does ${variables.join(', ')} range over? write ∀${variables[0]}∈ℝ or ∀${variables[0]}∈ℤ, or an SMT-LIB script`,
      );
    }
    return { variables, domain, rest };
  }

  /** Whether what stands here continues a term, so that the name before it is no variable of a list. */
  #operandEnds(at: number): boolean {
    const token = this.tokens[at]!;
    return (
      token.kind === 'end' || (token.kind === 'sign' && !/^(?:not|forall|exists|unique|none|in)$/.test(token.text))
    );
  }

  #scoped(quantifier: Quantifier, variables: readonly string[], domain: Domain, from: number, wide: boolean): Formula {
    const body = this.peek().at;
    this.scope.push(...variables);
    let formula = wide ? this.iff() : this.#not();
    this.scope.length -= variables.length;
    const to = this.tokens[this.at]!.at;
    for (const variable of variables) this.ended.set(variable, { from, body, to });
    if (wide || (this.tokens[this.at]!.kind === 'sign' && !this.#atRelation())) this.assumed = true;
    for (const variable of [...variables].reverse()) formula = { op: quantifier, variable, domain, body: formula };
    return formula;
  }

  /** Whether a bracket here opens the arguments of a name; the `v` of typewriters has none. */
  #follows(at: number): boolean {
    const before = this.tokens[at - 1];
    return before?.kind === 'name' && !/^v$/i.test(before.text);
  }

  /** Copi's `(x)` and `(Ex)` before what can begin a formula. */
  #bareQuantifier(at: number): { quantifier: Quantifier; variable: string } | undefined {
    const name = this.tokens[at + 1];
    if (!this.is('(', at) || name?.kind !== 'name' || !this.is(')', at + 2)) return undefined;
    const next = this.tokens[at + 3]!;
    const opens =
      next.kind === 'name'
        ? !/^v$/i.test(next.text)
        : next.kind === 'sign'
          ? this.#quantifierSign(at + 3) !== undefined || next.text === 'not'
          : '([{'.includes(next.text);
    if (!opens || this.arithmetic || this.#follows(at)) return undefined;
    const match = /^([AE]?)([u-z])$/.exec(name.text);
    return match === null ? undefined : { quantifier: match[1] === 'E' ? 'exists' : 'forall', variable: match[2]! };
  }
}
