/**
 * Arguments in propositional logic with exactly one countermodel; the question asks for it, and the logic tool finds
 * it. Options look like `p=true, q=false`; wrong ones are other valuations of the same letters, and valuations of other
 * letters.
 */
import type { MiniTemplate } from './template.js';

/** Premises and conclusion over two letters X, Y, and the one valuation (X, Y) that refutes the argument. */
const FORMS: readonly (readonly [string, boolean, boolean])[] = [
  ['X -> Y, Y |- X', false, true],
  ['X -> Y |- Y', false, false],
  ['X -> Y, ~X |- Y', false, false],
  ['X -> Y, ~X |- ~Y', false, true],
  ['X | Y |- X', false, true],
  ['X | Y |- Y', true, false],
  ['X |- Y', true, false],
  ['~X |- Y', false, false],
  ['~Y |- X', false, false],
  ['Y |- X & Y', false, true],
  ['X |- X & Y', true, false],
  ['X | Y, X |- ~Y', true, true],
  ['X | Y, Y |- ~X', true, true],
  ['X -> Y, Y |- ~X', true, true],
];

const PAIRS = ['pq', 'qp', 'rs', 'sr', 'pr', 'qs', 'ps', 'qr', 'ab', 'ac', 'bc', 'ad', 'bd', 'cd', 'xy', 'yz', 'xz'];

const valuation = (letters: string, first: boolean, second: boolean): string => {
  const named = [`${letters[0]}=${first}`, `${letters[1]}=${second}`];
  return named.sort().join(', ');
};

const write = (form: string, letters: string): string => form.replaceAll('X', letters[0]!).replaceAll('Y', letters[1]!);

const pythonOf = (formula: string): string =>
  formula
    .replace(/(\w) -> (\w)/, '(not $1 or $2)')
    .replace(/(\w) \| (\w)/, '($1 or $2)')
    .replace(/(\w) & (\w)/, '($1 and $2)')
    .replace(/~(\w)/, 'not $1');

/** A Python expression that lists the countermodels, spelt as the options are except for `True` and `False`. */
function search(argument: string, letters: string): string {
  const [premises, conclusion] = argument.split(' |- ') as [string, string];
  const [a, b] = [...letters].sort() as [string, string];
  const holds = premises.split(', ').map(pythonOf).join(' and ');
  const loops = `for ${a} in (True, False) for ${b} in (True, False)`;
  return `[f'${a}={${a}}, ${b}={${b}}' ${loops} if ${holds} and not ${pythonOf(conclusion)}]`;
}

export const argumentTemplates: readonly MiniTemplate[] = [
  {
    name: 'argument',
    category: 'philosophy',
    habit: ['logic'],
    hints: ['python'],
    draw: (random) => [String(random.int(0, FORMS.length - 1)), random.pick(PAIRS)],
    build: (args) => {
      const [form, first, second] = FORMS[Number(args[0])]!;
      const letters = args[1]!;
      const argument = write(form, letters);
      return {
        text: `Which values refute ${argument}?`,
        answer: valuation(letters, first, second),
        wrong: (random) => {
          const others = random.shuffle(PAIRS.filter((pair) => [...pair].sort().join() !== [...letters].sort().join()));
          const all = [true, false].flatMap((a) => [true, false].map((b) => [a, b] as const));
          const same = all.filter(([a, b]) => a !== first || b !== second).map(([a, b]) => valuation(letters, a, b));
          const far = others.map((pair) => valuation(pair, random.unit() < 0.5, random.unit() < 0.5));
          return [...same, ...new Set(far)].slice(0, 9);
        },
        inputs: { logic: argument, python: search(argument, letters) },
        subjects: [argument],
        goal: `Test ${argument}.`,
      };
    },
  },
];
