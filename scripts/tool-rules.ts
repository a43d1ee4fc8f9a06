/**
 * Which of the real questions could be helped by a tool, and in what order they are looked at. Words, categories and
 * shape decide which; a hash of tool, seed and id decides the order. Of that order test/fixtures/tool-questions.json takes
 * the first 24 where one call really helps, and says of each question before the last of them why it was passed over.
 *
 * Changing anything here changes the order, and the fixture is no longer its head: its test says so.
 */
import { createHash } from 'node:crypto';
import { CATEGORIES, type Question } from '../src/questions/question.js';
import type { BUILTIN } from '../src/tools/builtin.js';

export type ToolName = keyof typeof BUILTIN;

interface ToolRule {
  /** Default: every category. */
  readonly categories?: readonly string[];
  /** What the question's text holds. Default: anything. */
  readonly words?: RegExp;
  readonly shape?: (question: Question) => boolean;
}

/** Categories in which most questions are computed, and those in which most are known. */
const COMPUTED = ['math', 'physics', 'engineering', 'economics', 'business', 'chemistry', 'computer science'];
const KNOWLEDGE = [
  'history',
  'psychology',
  'biology',
  'law',
  'health',
  'philosophy',
  'other',
  'business',
  'economics',
  'computer science',
];

const anyOf = (...parts: readonly RegExp[]): RegExp => new RegExp(parts.map(({ source }) => source).join('|'), 'is');

const mostOptionsNumeric = ({ options }: Question): boolean =>
  options.filter((option) => /\d/.test(option)).length * 2 > options.length;

/** Numbers to choose from, or two in the text. */
const numbers = (question: Question): boolean =>
  mostOptionsNumeric(question) || (question.question.match(/\d+(?:[.,]\d+)*/g) ?? []).length > 1;

/** Long texts are cases or quotations, about which no article is. Counted as a reader does: in code points. */
const shortText = ({ question }: Question): boolean => [...question].length <= 200;

const RULES: Readonly<Record<ToolName, ToolRule>> = {
  calculator: {
    words: anyOf(/\d/),
    shape: mostOptionsNumeric,
  },
  python: {
    categories: COMPUTED,
    words: anyOf(
      /how many|number of|\bsum\b|sequence|series|iterat|binary|hexadecimal|octal|modulo|\bmod\b|remainder/,
      /prime|permutation|combination|loop|algorithm|recurs|program|digit|divis|matrix|vector|polynomial/,
      /group|order of|\bZ_|probab|expected|simulat|calculate|compute|evaluate|determine|find/,
    ),
    shape: mostOptionsNumeric,
  },
  algebra: {
    categories: COMPUTED,
    words: anyOf(
      /solv|equation|deriv|integra|\blimit\b|factor|polynomial|\broots?\b|maxim|minim|function|matrix/,
      /determinant|\bd[xyt]\b|[a-zA-Z]\(\w\)|intersect|tangent|slope|[a-z]\s*\^/,
      /[a-zA-Z0-9)]\s*=\s*[a-zA-Z0-9(-]/,
    ),
  },
  statistics: {
    categories: CATEGORIES.filter((category) => !['history', 'law', 'philosophy'].includes(category)),
    words: anyOf(
      /\bmean\b(?! (?:that|by|to))|median|standard deviation|varianc|probab|binomial|poisson|regress/,
      /correlat|z-score|confidence|\bt-test|chi-square|\bodds\b|\baverage\b|percentile|quartile|random/,
      /\bdice\b|\bdie\b|\bcards?\b|significan|normal(?:ly)? distribut|\bsampl|\bexpected\b|\bchances?\b/,
      /deviation|distribution|frequenc|half-life|first-order|radioactiv|recessive|\bgenes?\b|percentage/,
      /how many (?:\w+ )?ways|how many different|signal|at 20°C|WACC|following number of|incidence/,
    ),
    shape: numbers,
  },
  logic: {
    categories: ['philosophy', 'math', 'computer science', 'business', 'economics'],
    words: anyOf(
      /\bPL\b|truth table|\bvalid\b|\barguments?\b|symboli[sz]|translat|[⊃≡∨∧→¬•∀∃]|proposition|\blogic/,
      /premis|consisten|tautolog|contradict|boolean|if and only if|\bstatements?\b.*\b(?:true|false)\b/,
      /integers?\b|divisible|remainder|satisf|equation|smallest|largest|greatest|\bleast\b|inequalit/,
      /\bsolve\b|how many|equilibrium|\bratio\b|\bsum\b|\bprice\b|\bcost|\bfind\b|how much|constraint|domain/,
    ),
  },
  chemistry: {
    categories: ['chemistry', 'biology', 'physics', 'engineering', 'health', 'other'],
    words: anyOf(
      /\bmolar|molecul|\bmoles?\b|\bmol\b|chemical|empirical|\belements?\b|\batoms?\b|atomic|compound|\bpH\b/,
      /oxidation|oxidi[sz]|electron|isotope|\bacids?\b|\bions?\b|\bgrams?\b|\bgas\b|hydrogen|oxygen|carbon/,
      /nitrogen|\bbond|orbital|solution of|reaction|helium|methane|ammonia|steam|\bwater\b|substance/,
      /\bmetals?\b|named|neutron|copper|\biron\b|alumini?um/,
    ),
  },
  encyclopedia: {
    categories: KNOWLEDGE,
    shape: shortText,
  },
  search: {
    categories: KNOWLEDGE,
  },
};

/** The questions that the rule of `tool` takes, in the order of `seed`. Ids decide, not the order of `questions`. */
export function orderFor(tool: ToolName, questions: readonly Question[], seed: number): Question[] {
  const { categories, words, shape } = RULES[tool];
  return questions
    .filter(
      (question) =>
        (categories?.includes(question.category) ?? true) &&
        (words?.test(question.question) ?? true) &&
        (shape?.(question) ?? true),
    )
    .map((question) => ({ question, place: placeOf(tool, seed, question.question_id) }))
    .sort((a, b) => (a.place < b.place ? -1 : 1))
    .map(({ question }) => question);
}

function placeOf(tool: ToolName, seed: number, id: number): string {
  return createHash('sha256').update(`${tool} ${seed} ${id}`).digest('hex');
}
