/** Parses propositional logic in infix form into SMT-LIB: `p -> q, p |- q` asks whether the premises entail q. */

const TOKEN =
  /\s*(?:(<->|<=>|↔|⇔)|(->|=>|→|⇒)|(\|-|⊢|∴)|(&&|&|\/\\|∧)|(\|\||\||\\\/|∨)|(~|!|¬)|(\^|⊕)|([(),;])|([A-Za-z_]\w*))/y;

const WORDS: ReadonlyMap<string, string> = new Map(
  Object.entries({
    iff: 'iff',
    implies: 'implies',
    therefore: 'entails',
    and: 'and',
    or: 'or',
    not: 'not',
    xor: 'xor',
  }),
);
const KINDS = ['iff', 'implies', 'entails', 'and', 'or', 'not', 'xor', 'mark', 'name'] as const;

interface Token {
  readonly kind: (typeof KINDS)[number];
  readonly text: string;
}

export interface Entailment {
  /** SMT-LIB declarations of every variable. */
  readonly declarations: string;
  /** SMT-LIB terms. */
  readonly premises: readonly string[];
  /** Null without `|-`: the question is then whether the formulas can all be true. */
  readonly conclusion: string | null;
}

/** False for an SMT-LIB script, which starts with a list whose head is a command. */
export function isInfix(input: string): boolean {
  return !/^\s*(;|\(\s*(declare|define|assert|check|set|get|push|pop|reset|echo|minimize|maximize|eval|simplify|exit|help|display|include|labels|model|query|rule|apply|block)[\w-]*[\s)])/.test(
    input,
  );
}

export function entailment(input: string): Entailment {
  const parser = new Parser(tokenise(input));
  return parser.entailment();
}

function tokenise(input: string): Token[] {
  const tokens: Token[] = [];
  const text = input.trim();
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.length) {
    const at = TOKEN.lastIndex;
    const match = TOKEN.exec(text);
    if (match === null) throw new Error(`cannot read "${text.slice(at, at + 12)}"; write e.g. p -> q, p |- q`);
    const group = match.findIndex((value, index) => index > 0 && value !== undefined);
    const kind = KINDS[group - 1]!;
    const word = kind === 'name' ? WORDS.get(match[group]!.toLowerCase()) : undefined;
    tokens.push({ kind: (word as Token['kind'] | undefined) ?? kind, text: match[group]! });
  }
  return tokens;
}

/** Recursive descent. Precedence from lowest: iff; implies (right-associative); or, xor; and; not. */
class Parser {
  #at = 0;
  #depth = 0;
  readonly #variables = new Set<string>();

  constructor(private readonly tokens: readonly Token[]) {}

  entailment(): Entailment {
    const premises: string[] = [];
    let conclusion: string | null = null;
    if (this.#peek()?.kind !== 'entails') premises.push(...this.#list());
    if (this.#take('entails')) {
      const [only, ...more] = this.#list();
      if (only === undefined || more.length > 0) throw new Error('one conclusion expected after |-');
      conclusion = only;
    }
    const rest = this.#peek();
    if (rest !== undefined) throw new Error(`unexpected "${rest.text}"; write e.g. p -> q, p |- q`);
    const declarations = [...this.#variables].map((name) => `(declare-const |${name}| Bool)`).join('');
    return { declarations, premises, conclusion };
  }

  #list(): string[] {
    const terms = [this.#iff()];
    while (this.#mark(',') || this.#mark(';')) terms.push(this.#iff());
    return terms;
  }

  #iff(): string {
    let left = this.#implies();
    while (this.#take('iff')) left = `(= ${left} ${this.#implies()})`;
    return left;
  }

  #implies(): string {
    const left = this.#or();
    return this.#take('implies') ? `(=> ${left} ${this.#implies()})` : left;
  }

  #or(): string {
    let left = this.#and();
    for (;;) {
      if (this.#take('or')) left = `(or ${left} ${this.#and()})`;
      else if (this.#take('xor')) left = `(xor ${left} ${this.#and()})`;
      else return left;
    }
  }

  #and(): string {
    let left = this.#not();
    while (this.#take('and')) left = `(and ${left} ${this.#not()})`;
    return left;
  }

  #not(): string {
    if (++this.#depth > 500) throw new Error('the formula is nested too deeply');
    try {
      return this.#take('not') ? `(not ${this.#not()})` : this.#atom();
    } finally {
      this.#depth -= 1;
    }
  }

  #atom(): string {
    if (this.#mark('(')) {
      const inner = this.#iff();
      if (!this.#mark(')')) throw new Error('a closing parenthesis is missing');
      return inner;
    }
    const token = this.#peek();
    if (token?.kind !== 'name')
      throw new Error(`a variable expected, got ${token === undefined ? 'the end' : `"${token.text}"`}`);
    this.#at += 1;
    if (/^(true|false)$/i.test(token.text)) return token.text.toLowerCase();
    this.#variables.add(token.text);
    return `|${token.text}|`;
  }

  #peek(): Token | undefined {
    return this.tokens[this.#at];
  }

  #take(kind: Token['kind']): boolean {
    if (this.#peek()?.kind !== kind) return false;
    this.#at += 1;
    return true;
  }

  #mark(text: string): boolean {
    const token = this.#peek();
    if (token?.kind !== 'mark' || token.text !== text) return false;
    this.#at += 1;
    return true;
  }
}
