/** What each name of a set of formulas is (proposition, predicate, number, thing), found from how it is used; and SMT-LIB of it. */
import { type Formula, partsOf } from './logicFormula.js';

type Sort = 'truth' | 'number' | 'thing';

interface Use {
  sort: Sort | undefined;
  readonly arity: number;
}

const LOGICAL: readonly string[] = ['and', 'or', 'xor', 'implies', 'iff', 'not', 'forall', 'exists', 'unique', 'truth'];
const ORDERED: readonly string[] = ['<', '<=', '>', '>='];

/** The names of formulas with their sorts, and the formulas as SMT-LIB terms. Throws where a name is used as two things. */
export class Sorts {
  readonly #uses = new Map<string, Use>();
  readonly #integers: Set<string>;
  /** Divisors without bound variables: what they divide means something only where they are not 0. */
  readonly #divisors = new Map<string, Formula>();
  readonly #default: Sort;

  constructor(
    readonly formulas: readonly Formula[],
    { arithmetic, integers }: { readonly arithmetic: boolean; readonly integers: ReadonlySet<string> },
  ) {
    this.#default = arithmetic ? 'number' : 'thing';
    this.#integers = new Set(integers);
    // Again until nothing new is learnt: `a = b` says what a is once b is known.
    for (let known = -1; known !== this.#known(); ) {
      known = this.#known();
      for (const formula of formulas) this.#infer(formula, 'truth', new Map());
    }
    for (const use of this.#uses.values()) use.sort ??= this.#default;
    for (const formula of formulas) this.#infer(formula, 'truth', new Map());
    this.#refuseGlued();
  }

  #known(): number {
    return [...this.#uses.values()].filter(({ sort }) => sort !== undefined).length + this.#uses.size;
  }

  /** Names that are true or false, without arguments. */
  get propositions(): readonly string[] {
    return this.#named((use) => use.sort === 'truth' && use.arity === 0);
  }

  get numbers(): readonly string[] {
    return this.#named((use) => use.sort === 'number');
  }

  get predicates(): readonly { readonly name: string; readonly arity: number }[] {
    return this.#named((use) => use.sort === 'truth' && use.arity > 0).map((name) => ({
      name,
      arity: this.#uses.get(name)!.arity,
    }));
  }

  /** Names of things (arity 0) and functions. */
  get things(): readonly { readonly name: string; readonly arity: number }[] {
    return this.#named((use) => use.sort === 'thing').map((name) => ({ name, arity: this.#uses.get(name)!.arity }));
  }

  isInteger(name: string): boolean {
    return this.#integers.has(name);
  }

  get overThings(): boolean {
    return (
      this.predicates.length > 0 || this.things.length > 0 || this.formulas.some((one) => hasQuantifier(one, 'thing'))
    );
  }

  get quantified(): boolean {
    return this.formulas.some((one) => hasQuantifier(one));
  }

  declarations(): string {
    const text = [...this.#uses].map(([name, { sort, arity }]) => {
      const result = sort === 'truth' ? 'Bool' : sort === 'thing' ? 'U' : this.#integers.has(name) ? 'Int' : 'Real';
      return `(declare-fun ${symbol(name)} (${'U '.repeat(arity).trim()}) ${result})`;
    });
    return `${this.overThings ? '(declare-sort U)' : ''}${text.join('')}`;
  }

  /** That no divisor is 0. */
  defined(): string {
    return [...this.#divisors.values()].map((by) => `(assert (not (= ${this.term(by)} 0)))`).join('');
  }

  get divides(): boolean {
    return this.#divisors.size > 0;
  }

  /** `size`: a domain of the things d1 … dn, over which quantifiers are written out. */
  term(formula: Formula, size?: number, bound: ReadonlyMap<string, string> = new Map()): string {
    const go = (part: Formula) => this.term(part, size, bound);
    switch (formula.op) {
      case 'truth':
        return String(formula.value);
      case 'number':
        return formula.text.startsWith('.') ? `0${formula.text}` : formula.text;
      case 'name': {
        const known = bound.get(formula.name);
        if (known !== undefined) return known;
        const name = symbol(formula.name);
        return formula.args.length === 0 ? name : `(${name} ${formula.args.map(go).join(' ')})`;
      }
      case 'not':
        return `(not ${go(formula.of)})`;
      case 'negative':
        return `(- ${go(formula.of)})`;
      case 'forall':
      case 'exists':
      case 'unique':
        return this.#quantified(formula, size, bound);
      case '!=':
        return `(not (= ${go(formula.left)} ${go(formula.right)}))`;
      case '^':
        return this.#power(formula, go(formula.left));
      default:
        return `(${SMT[formula.op] ?? formula.op} ${go(formula.left)} ${go(formula.right)})`;
    }
  }

  #quantified(
    formula: Formula & { op: 'forall' | 'exists' | 'unique' },
    size: number | undefined,
    bound: ReadonlyMap<string, string>,
  ): string {
    const { op, variable, domain, body } = formula;
    const within = (text: string) => this.term(body, size, new Map([...bound, [variable, text]]));
    if (size !== undefined && domain === 'thing') {
      const cases = Array.from({ length: size }, (_, i) => within(`d${i + 1}`));
      if (op !== 'unique') return `(${op === 'forall' ? 'and' : 'or'} ${cases.join(' ')})`;
      return `(or ${cases.map((_, i) => `(and ${cases.map((one, j) => (i === j ? one : `(not ${one})`)).join(' ')})`).join(' ')})`;
    }
    const depth = bound.size;
    const sort = { thing: 'U', real: 'Real', int: 'Int' }[domain];
    const [one, other] = [`|b${depth} ${variable}|`, `|c${depth} ${variable}|`];
    if (op !== 'unique') return `(${op} ((${one} ${sort})) ${within(one)})`;
    return `(exists ((${one} ${sort})) (and ${within(one)} (forall ((${other} ${sort})) (=> ${within(other)} (= ${other} ${one})))))`;
  }

  #power({ right }: { readonly right: Formula }, base: string): string {
    const [sign, by] = right.op === 'negative' ? [-1, right.of] : [1, right];
    const exponent = by.op === 'number' && /^\d+$/.test(by.text) ? Number(by.text) : -1;
    if (by.op !== 'number')
      throw new Error(
        'an exponent with a letter is not decided here; the tool algebra solves solve(2^x = 8, x), the tool python tries numbers',
      );
    if (exponent < 0 || exponent > 64) throw new Error('a power needs a whole number up to 64 as exponent here');
    const power =
      exponent === 0 ? '1' : exponent === 1 ? base : `(* ${Array.from({ length: exponent }, () => base).join(' ')})`;
    return sign < 0 ? `(/ 1 ${power})` : power;
  }

  #named(wanted: (use: Use) => boolean): string[] {
    return [...this.#uses]
      .filter(([, use]) => wanted(use))
      .map(([name]) => name)
      .sort((a, b) => (a < b ? -1 : 1));
  }

  /** Learns from one formula where `expected` is wanted; returns its sort as far as it is known. */
  #infer(formula: Formula, expected: Sort | undefined, bound: ReadonlyMap<string, Sort>): Sort | undefined {
    const want = (part: Formula, sort: Sort) => this.#infer(part, sort, bound);
    if (formula.op === 'name') return this.#inferName(formula, expected, bound);
    if (formula.op === '=' || formula.op === '!=') {
      const left = this.#infer(formula.left, undefined, bound);
      const right = this.#infer(formula.right, left, bound);
      if (left === undefined && right !== undefined) want(formula.left, right);
      return agree(formula, 'truth', expected);
    }
    if (LOGICAL.includes(formula.op)) {
      if ('variable' in formula) {
        const sort: Sort = formula.domain === 'thing' ? 'thing' : 'number';
        if (formula.domain === 'int') this.#integers.add(formula.variable);
        this.#infer(formula.body, 'truth', new Map([...bound, [formula.variable, sort]]));
      } else for (const part of partsOf(formula)) want(part, 'truth');
      return agree(formula, 'truth', expected);
    }
    for (const part of partsOf(formula)) want(part, 'number');
    if (formula.op === 'mod') this.#whole(formula);
    if (formula.op === '/' || formula.op === 'mod') this.#divisor(formula.right, bound);
    if (formula.op === '^' && formula.right.op === 'negative') this.#divisor(formula.left, bound);
    return agree(formula, ORDERED.includes(formula.op) ? 'truth' : 'number', expected);
  }

  #inferName(
    formula: Formula & { op: 'name' },
    expected: Sort | undefined,
    bound: ReadonlyMap<string, Sort>,
  ): Sort | undefined {
    const { name, args } = formula;
    const own = args.length === 0 ? bound.get(name) : undefined;
    if (own !== undefined) return agree(formula, own, expected);
    for (const arg of args) this.#infer(arg, 'thing', bound);
    const use = this.#uses.get(name);
    if (use === undefined) {
      this.#uses.set(name, { sort: expected, arity: args.length });
      return expected;
    }
    if (use.arity !== args.length) {
      throw new Error(
        `${name} has ${use.arity} argument(s) in one place and ${args.length} in another; take two names`,
      );
    }
    if (use.sort === undefined) use.sort = expected;
    return use.sort === undefined ? undefined : agree(formula, use.sort, expected);
  }

  /** Remainders are of whole numbers. */
  #whole(formula: Formula): void {
    if (formula.op === '/' || (formula.op === 'number' && formula.text.includes('.'))) {
      throw new Error('mod takes whole numbers');
    }
    if (formula.op === 'name') this.#integers.add(formula.name);
    for (const part of partsOf(formula)) this.#whole(part);
  }

  #divisor(by: Formula, bound: ReadonlyMap<string, Sort>): void {
    if (by.op === 'number') {
      if (Number(by.text) === 0) throw new Error('division by 0');
      return;
    }
    const names = namesIn(by);
    if (names.some((name) => bound.has(name)))
      throw new Error('a divisor with a bound variable; write an SMT-LIB script');
    this.#divisors.set(JSON.stringify(by), by);
  }

  /** `PQ` beside P and Q, or `xy` beside x and y, is more likely a product than a name. */
  #refuseGlued(): void {
    const names = [...this.#uses.keys()];
    for (const name of names) {
      if (name.length === 2 && /^\p{L}+$/u.test(name) && [...name].every((letter) => names.includes(letter))) {
        throw new Error(
          `${name} can be a name or ${name[0]} and ${name[1]} together; write ${this.#default === 'number' ? '*' : '&'} between them, or take another name`,
        );
      }
    }
  }
}

const SMT: Readonly<Record<string, string>> = { implies: '=>', iff: '=' };

const symbol = (name: string): string => `|n ${name}|`;

function namesIn(formula: Formula): string[] {
  return formula.op === 'name' ? [formula.name, ...formula.args.flatMap(namesIn)] : partsOf(formula).flatMap(namesIn);
}

function hasQuantifier(formula: Formula, domain?: string): boolean {
  if ('variable' in formula && (domain === undefined || formula.domain === domain)) return true;
  return partsOf(formula).some((part) => hasQuantifier(part, domain));
}

function agree(formula: Formula, sort: Sort, expected: Sort | undefined): Sort {
  if (expected !== undefined && expected !== sort) {
    const what = formula.op === 'name' ? `${formula.name} is` : `"${formula.op}" gives`;
    const words = { truth: 'true or false', number: 'a number', thing: 'a thing' } as const;
    throw new Error(
      `${what} ${words[sort]} in one place and ${words[expected]} in another; use & | -> for logic and * + = for numbers`,
    );
  }
  return sort;
}
