/** The tool `logic` in this process, against solvers of its own: truth tables, and all models of formulas of one place. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { randomOf } from '../../../src/questions/mini/random.js';
import { logicImages } from '../../../src/tools/child/logic.js';
import type { Image } from '../../../src/tools/hostProtocol.js';
import { full } from '../full.js';

let image: Image;
const ask = async (input: string): Promise<string> => image.tools.logic!(input, 400);

beforeAll(async () => {
  image = await (await logicImages())();
});
afterAll(() => image.dispose?.());

type Tree = string | readonly ['¬', Tree] | readonly [string, Tree, Tree] | readonly ['∀' | '∃', 'x', Tree];

/** One reading of random signs for each connective, so that all spellings are read. */
const SPELLINGS: Readonly<Record<string, readonly string[]>> = {
  '∧': ['∧', '&', '•', '·', 'and', '/\\', '\\land'],
  '∨': ['∨', '|', 'or', '\\/', ' v ', '\\lor', '||'],
  '→': ['→', '->', '⊃', '=>', 'implies', '\\supset', '\\to'],
  '↔': ['↔', '<->', '≡', 'iff', '\\leftrightarrow', 'if and only if'],
};
const CONNECTIVES = Object.keys(SPELLINGS);
const NOT = ['~', '¬', 'not ', '!', '\\neg '];
const pick = randomOf('logic');

function grow(depth: number, leaf: () => Tree): Tree {
  if (depth === 0 || pick.unit() < 0.2) return leaf();
  if (pick.unit() < 0.25) return ['¬', grow(depth - 1, leaf)];
  return [pick.pick(CONNECTIVES), grow(depth - 1, leaf), grow(depth - 1, leaf)];
}

function written(tree: Tree): string {
  if (typeof tree === 'string') return tree;
  if (tree.length === 2) return `${pick.pick(NOT)}(${written(tree[1])})`;
  if (tree[0] === '∀' || tree[0] === '∃') {
    const copi =
      tree[0] === '∀' ? ['∀x', '(∀x)', '(x)', 'forall x ', '\\forall x '] : ['∃x', '(∃x)', 'exists x ', '(Ex)'];
    return `${pick.pick(copi)}(${written(tree[2])})`;
  }
  return `(${written(tree[1] as Tree)} ${pick.pick(SPELLINGS[tree[0]]!)} ${written(tree[2])})`;
}

function holds(
  tree: Tree,
  atom: (name: string) => boolean,
  things: readonly ((name: string) => boolean)[] = [],
): boolean {
  if (typeof tree === 'string') return atom(tree);
  if (tree.length === 2) return !holds(tree[1], atom, things);
  const [op, left, right] = tree;
  if (op === '∀') return things.every((one) => holds(right, one, things));
  if (op === '∃') return things.some((one) => holds(right, one, things));
  const [a, b] = [holds(left as Tree, atom, things), holds(right, atom, things)];
  return op === '∧' ? a && b : op === '∨' ? a || b : op === '→' ? !a || b : a === b;
}

const LETTERS = ['P', 'Q', 'R'];
const VALUATIONS = Array.from(
  { length: 8 },
  (_, bits) => (name: string) => ((bits >> LETTERS.indexOf(name)) & 1) === 1,
);
/** `P=true, Q=false`: the letters that are not named may be either. */
const valuation = (text: string) => (name: string) => new RegExp(`\\b${name}=true`).test(text);

describe('against truth tables', () => {
  it('arguments are valid or refuted by the valuation shown', async () => {
    let valid = 0;
    for (let i = 0; i < (full ? 300 : 8); i++) {
      const [first, second, conclusion] = [0, 1, 2].map(() => grow(2, () => pick.pick(LETTERS))) as [Tree, Tree, Tree];
      const input = `${written(first)}, ${written(second)} ${pick.pick(['∴', '|-', '⊢', '/', '\n∴', 'therefore'])} ${written(conclusion)}`;
      const answer = await ask(input);
      const refutes = (atom: (name: string) => boolean) =>
        holds(first, atom) && holds(second, atom) && !holds(conclusion, atom);
      const expected = !VALUATIONS.some(refutes);
      valid += Number(expected);
      expect(/^valid\b/.test(answer), `${input}: ${answer}`).toBe(expected);
      if (!expected)
        expect(refutes(valuation(/^not valid: ([^;]*)/.exec(answer)![1]!)), `${input}: ${answer}`).toBe(true);
    }
    expect(valid).toBeGreaterThan(0);
  });

  it('formulas are tautologies, contradictions or contingent; pairs are equivalent or told apart', async () => {
    for (let i = 0; i < (full ? 300 : 4); i++) {
      const [one, other] = [grow(2, () => pick.pick(LETTERS)), grow(2, () => pick.pick(LETTERS))];
      const count = VALUATIONS.filter((atom) => holds(one, atom)).length;
      const kind =
        count === 8
          ? /^tautology/
          : count === 0
            ? /^unsatisfiable: a contradiction/
            : /^satisfiable: .*contingent: false/;
      expect(await ask(written(one))).toMatch(kind);
      const same = VALUATIONS.every((atom) => holds(one, atom) === holds(other, atom));
      expect(await ask(`${written(one)} ⊣⊢ ${written(other)}`)).toMatch(same ? /^equivalent/ : /^not equivalent/);
      const table = (await ask(`truth table: ${written(one)}`)).split('\n');
      expect(table.slice(2).filter((row) => row.endsWith('T')).length * 8).toBe(count * (table.length - 2));
    }
  });
});

describe('against all models of two predicates of one place', () => {
  /** Without identity and names, such formulas cannot tell things of the same kind apart: 4 kinds, 15 sets of them. */
  const models = Array.from({ length: 15 }, (_, set) =>
    [0, 1, 2, 3]
      .filter((kind) => (((set + 1) >> kind) & 1) === 1)
      .map((kind) => (name: string) => ((kind >> (name === 'Fx' ? 0 : 1)) & 1) === 1),
  );
  const sentence = (): Tree => {
    const body = (): Tree => [pick.pick(['∀', '∃'] as const), 'x', grow(2, () => pick.pick(['Fx', 'Gx']))];
    return pick.unit() < 0.3 ? [pick.pick(CONNECTIVES), body(), body()] : pick.unit() < 0.3 ? ['¬', body()] : body();
  };

  it('arguments are valid or not', async () => {
    const never = () => false;
    let valid = 0;
    for (let i = 0; i < (full ? 200 : 6); i++) {
      const [premise, conclusion] = [sentence(), sentence()];
      const expected = models.every((things) => !holds(premise, never, things) || holds(conclusion, never, things));
      const input = `${written(premise)} ⊢ ${written(conclusion)}`;
      expect(/^valid\b/.test(await ask(input)), input).toBe(expected);
      valid += Number(expected);
    }
    expect(valid).toBeGreaterThan(0);
  });
});

describe('what a model writes', () => {
  const answers = (cases: readonly (readonly [string, string | RegExp])[]) =>
    it.each(cases)('%j', async (input, expected) => {
      expect(await ask(input)).toMatch(
        typeof expected === 'string' ? new RegExp(`^${expected.replace(/[()[\]{}^*+?.|\\]/g, '\\$&')}$`) : expected,
      );
    });
  answers([
    ['PvQ, ~P / Q', 'valid; read as P ∨ Q, ¬P ⊢ Q'],
    ['P & Q = R, P, Q ⊢ R', /^valid; read as P ∧ \(Q = R\)/],
    ['A | B & C', /; read as A ∨ \(B ∧ C\)$/],
    ['1. P ⊃ Q\n2. Q ⊃ R\n3. P\n-----\nR', 'valid'],
    ['Premise 1: P -> Q. Premise 2: ~Q. Conclusion: ~P', 'valid'],
    ['```\nP → Q\nP\n∴ Q\n```', 'valid'],
    ['If P then Q. P. So, Q.', 'valid'],
    ['Is the argument P → Q, Q ⊢ P valid?', 'not valid: P=false, Q=true'],
    ['p -> q is equivalent to ~p | q', 'equivalent'],
    ['P, ~P ⊢ Q', 'valid, as the premises contradict each other'],
    ['if rain then wet, rain |- wet', 'valid'],
    ['∀x (Man(x) → Mortal(x)), Man(socrates) ⊢ Mortal(socrates)', 'valid'],
    ['(x)(Px ⊃ Qx), Pa / Qa', 'valid'],
    ['∀x. P(x) → Q(x), ∃x. P(x) ⊢ ∃x. Q(x)', /^valid; read as ∀x\(/],
    ['∀y∃x Rxy ⊢ ∃x∀y Rxy', 'not valid: domain {1, 2}, R = {(1,1), (2,2)}'],
    ['∃x∀y Rxy ⊢ ∀y∃x Rxy', 'valid'],
    ['a = b, b = c ⊢ a = c', 'valid'],
    ['∃!x Fx ⊢ ∀x∀y(Fx ∧ Fy → x = y)', 'valid'],
    ['consistent: A ≡ B, B ≡ ~A', 'inconsistent (unsatisfiable)'],
    ['x^2 = 4', /^satisfiable over the reals: x = -?2 or x = -?2 \(no other solutions\)$/],
    ['x^2 = 2', /^satisfiable over the reals: x ≈ -?1\.414214 or x ≈ -?1\.414214 \(no other solutions\)$/],
    // The last word was a proposition, and the numbers real.
    [
      'x^2 + y^2 = 25, positive integers',
      /^satisfiable over the integers: x = [34], y = [34] or x = [34], y = [34] \(no other solutions\)$/,
    ],
    ['x^2 = 9, x > 0, integers', 'satisfiable over the integers: x = 3 (the only solution)'],
    ['x^5 - x - 1 = 0', 'satisfiable over the reals: x ≈ 1.167304 (the only solution)'],
    ['x + y = 10', /^satisfiable over the reals, with other solutions too: /],
    ['2x + 3 = 11', 'satisfiable over the reals: x = 4 (the only solution); read as 2 * x + 3 = 11'],
    [
      'n ≡ 5 (mod 8), 0 < n < 20',
      /^satisfiable over the integers: n = (?:5 or n = 13|13 or n = 5) \(no other solutions\)/,
    ],
    ['1/x = 0', 'inconsistent (unsatisfiable) over the reals (divisors not 0)'],
    ['x > 1,200 ⊢ x > 1,000', 'valid over the reals'],
    ['∀x∈ℝ x^2 ≥ 0', 'true'],
    ['2 + 2 = 5', 'false'],
    ['~E ⊃ F / ~F ⊃ ~E // E', 'not valid: E=false, F=true'],
    ['P -> Q / ~Q // ~P', 'valid'],
    ['is P ⊃ Q equivalent to Q ⊃ P?', /^not equivalent/],
    ['P unless Q ⊣⊢ P | Q', 'equivalent'],
    ['either P or Q, ~P ⊢ Q', 'valid'],
    ['P ⊕ Q, P, Q', 'inconsistent (unsatisfiable)'],
    ['∄x Fx, Fa', 'inconsistent (unsatisfiable)'],
    [
      '∃x∃y∃z∃w(x ≠ y ∧ x ≠ z ∧ x ≠ w ∧ y ≠ z ∧ y ≠ w ∧ z ≠ w)',
      /^satisfiable: domain \{1, 2, 3, 4\}; contingent: false for domain \{1\}$/,
    ],
    ['truth table: P → Q, Q ⊢ P', /^not valid, refuted by 1 row\(s\), e\.g\. P Q = F T\n/],
    ['truth table: P xor Q', /^contingent, true in 2 of 4\n[\s\S]*\nT T \| F\nT F \| T\n/],
    ['\\{P \\to Q, P\\} \\models Q', 'valid'],
    ['\\begin{array}{l} P \\supset Q \\\\ \\sim Q \\\\ \\hline \\sim P \\end{array}', 'valid'],
    ['\\begin{align*} P &\\to Q \\\\ &P \\\\ &\\therefore Q \\end{align*}', 'valid'],
    ['P /\\ Q, P \\/ R |- Q', 'valid'],
    ['logic("p -> q, p |- q")', 'valid'],
    ['```smt2\n(declare-const x Int)(assert (= x 5))\n```', 'sat: x = 5'],
    ['x + 3 = 1', 'satisfiable over the reals: x = -2 (the only solution)'],
    ['3x = -1', /x = -1\/3 \(the only solution\)/],
    ['7 - 2 = x', /x = 5 \(/],
    ['1 < x < 3, x ∈ ℤ', 'satisfiable over the integers: x = 2 (the only solution)'],
    ['a, b are positive integers, a * b = 2, a < b', 'satisfiable over the integers: a = 1, b = 2 (the only solution)'],
    ['x is a negative real number, x^2 = 9', 'satisfiable over the reals: x = -3 (the only solution)'],
    ['2x + 3y = 12, x, y integers, 0 < x < 6', /^satisfiable over the integers: x = 3, y = 2 \(the only/],
    ['x = 1.5e3', 'satisfiable over the reals: x = 1500 (the only solution)'],
    ['x = 2.5e-3', 'satisfiable over the reals: x = 1/400 (the only solution)'],
    ['2(5 - (2 - x)) = 8', /x = 1 \(the only solution\); read as 2 \* \(5 - \(2 - x\)\) = 8$/],
    ['x^-1 = 0', 'inconsistent (unsatisfiable) over the reals (divisors not 0)'],
    ['x/1 = 2', /x = 2 \(the only solution\)/],
    ['\\frac{x+1}{\\frac{1}{2}} = 6', /x = 2 \(the only solution\)/],
    ['x > 3 -> x > 2', 'tautology over the reals: true in every case'],
  ]);

  it.each([
    ['P ^ Q -> R', /can mean "and" .* or "exclusive or"/],
    ['∀x Fx → Gx', /does ∀x cover Fx alone, \(∀x Fx\) → Gx, or ∀x\(Fx → Gx\)/],
    ['∀x(Fx → Gy)', /y is not bound/],
    ['P . Q', /"\." can mean "and"/],
    ['xy = 6, x + y = 5', /xy can be a name or x and y/],
    ['n = 1 mod 4', /can mean a = \(b mod n\) or/],
    ['1/2x = 3', /can mean \(1\/2\)\*x or/],
    ['20% * x = 5', /hundredths or a remainder/],
    ['∀x (x^2 >= 0)', /what does x range over/],
    ['T -> F', /propositions or truth values/],
    ['P > Q, P |- Q', /P is a number in one place and true or false in another/],
    ['Fa, Fab, ∀x Fx', /argument\(s\) in one place/],
    ['All men are mortal', /unexpected "men"/],
    ['from z3 import *', /no Python/],
    ['P ⊃ Q and Q ⊃ R, therefore P ⊃ R', /does "and" join two arrows/],
    ['P iff Q or R iff S', /does "or" join two arrows/],
    ['P or Q but not both', /"both" is no sign/],
    ['for all x Fx -> Gx', /does ∀ x cover Fx alone, \(∀ x Fx\) -> Gx, or/],
    ['P(1 + 0.04) = 10', /can be a function or P times/],
    ['2^x = 8', /the tool algebra solves/],
    ['x^65 = 8', /whole number up to 64/],
    ['smallest n > 0', /write SMT-LIB.*minimize/],
    ['1/0 = x', /division by 0/],
    ['truth table: A & B & C & D & E & F & G', /at most 6 letters/],
  ])('refuses %j', async (input, message) => {
    await expect(ask(input)).rejects.toThrow(message);
  });

  // Its models are infinite; z3 tries for all its time.
  it.runIf(full)('says what it could not decide in time', async () => {
    await expect(ask('∀x ~Rxx, ∀x∀y∀z(Rxy & Ryz -> Rxz), ∀x∃y Rxy')).rejects.toThrow(/^undecided within 3 s/);
  });

  it.each([
    // Barbara, Celarent, Ferio and what only looks like one.
    ['All men are mortal. Socrates is a man. Therefore Socrates is mortal.', /^valid; read as ∀x\(IsMan\(x\)/],
    ['No reptiles are mammals; all snakes are reptiles; therefore no snakes are mammals.', /^valid; /],
    ['No A are B. Some C are A. Therefore some C are not B.', /^valid; /],
    ['Every student is a person, and some persons are lazy, therefore some students are lazy', /^not valid: /],
    ['Some A are B. Some B are C. Therefore some A are C.', /^not valid: /],
    ['Only members are admitted. John is admitted. Therefore John is a member.', /^valid; /],
    ['Only members are admitted. John is a member. Therefore John is admitted.', /^not valid: /],
    ['All dogs bark. Rex is a dog. So Rex barks.', /^valid; /],
    ['All dogs bark; Rex barks; so Rex is a dog', /^not valid: /],
    ['Not all birds are swimmers. All penguins are birds. Hence some penguins are not swimmers.', /^not valid: /],
    ['All businesswomen are rich. Ann is a businesswoman. Thus Ann is rich.', /^valid; /],
    ['All men are mortal, Socrates is a man, therefore Socrates is mortal', /^valid; /],
    ['Premise 1: All men are mortal. Premise 2: Ann is a man. Conclusion: Ann is mortal.', /^valid; /],
    ['All heroes eat. Ann is a hero. So Ann eats.', /^valid; /],
    ['All viruses are small. Covid is a virus. So Covid is small.', /^valid; /],
    ['All wives are people. Ann is a wife. So Ann is a person.', /^valid; /],
    ['All men are mortal. Socrates is a man. Socrates is mortal.', /^consistent .*no conclusion is marked/],
    ['x = 1, y = x', /^satisfiable .*x = 1, y = 1/],
    // Aristotle would say valid.
    ['All A are B. All A are C. Therefore some B are C.', /^not valid: .*existential import/],
    ['negation of ∀x (P(x) → Q(x))', /^∃x\(P\(x\) ∧ ¬Q\(x\)\)$/],
    ['negation of p iff q', /^p ⊕ q$/],
    ['contrapositive of p -> ~q', /^q → ¬p$/],
    ['converse of p -> q', /^q → p$/],
    ['inverse of p -> q', /^¬p → ¬q$/],
    ['(p -> q) & r where p = T, q = F and r = T', /^false$/],
    ['A = T, B = F: A & ~B', /^true$/],
    ['evaluate p or q with p = 0, q = 1', /^true$/],
    ['{p, p -> q} entails q', /^valid$/],
    ['is the argument valid: p or q; not p; so q', /^valid$/],
  ])('reads %j', async (input, expected) => {
    expect(await ask(input)).toMatch(expected);
  });

  it.each([
    ['All men are not mortal. Therefore no men are mortal.', /can mean none, or not all/],
    // Terms that are more than a predicate, or perhaps one: a formula of two would be wrong.
    ['All the dogs are mammals. Rex is a dog. Therefore Rex is a mammal.', /unexpected/],
    ['All dogs and cats are animals. Rex is a dog. Therefore Rex is an animal.', /unexpected/],
    ['No men are not mortal. Socrates is a man. Therefore Socrates is mortal.', /unexpected/],
    ['All men who are tall are happy. Bob is a man who is tall. So Bob is happy.', /unexpected/],
    ['All birds are non-swimmers. Therefore no swimmers are birds.', /unexpected|cannot read/],
    ['All lawyers are rich, and all rich people are happy, so all lawyers are happy', /share a word/],
    ['valid: All men are mortal. Socrates is a man. Socrates is mortal.', /Mark the conclusion/],
    ['contrapositive of p & q', /only a conditional/],
    ['p & q & r with p = true, q = true', /the value of r is not given/],
  ])('does not guess at %j', async (input, message) => {
    await expect(ask(input)).rejects.toThrow(message);
  });
});
