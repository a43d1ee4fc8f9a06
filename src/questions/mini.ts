/**
 * The built-in question set: MMLU-Pro's 14 categories and ten options, generated from a seed. A tiny model can learn
 * it, several tools answer every question, and the question hints at one that few would take. Train and test never share
 * a question, whatever the seeds, because a hash of the question decides its split; and no wording, see mini/wording.ts.
 */
import { SparkError } from '../errors.js';
import { type KeysOf, requireKeys } from '../options.js';
import { argumentTemplates } from './mini/arguments.js';
import { chemistryTemplates } from './mini/chemistry.js';
import { factTemplates } from './mini/facts.js';
import { numberTemplates } from './mini/numbers.js';
import { hashText, type Random, randomOf, unitOf } from './mini/random.js';
import type { MiniAction, MiniProblem, MiniSplit, MiniTemplate, MiniTool } from './mini/template.js';
import { drawWording, readWording } from './mini/wording.js';
import { scoresOf } from './mini/worth.js';
import { CATEGORIES, LETTERS, type Question } from './question.js';

export type { MiniAction, MiniSplit, MiniTool } from './mini/template.js';

export interface MiniOptions {
  readonly seed: number;
  /** Questions in each of the 14 categories. */
  readonly perCategory: number;
  readonly split: MiniSplit;
}

const OPTIONS = { seed: true, perCategory: true, split: true } as const satisfies KeysOf<MiniOptions>;

/** What the oracle knows about a `mini` question beyond its text. */
export interface MiniRules {
  /** Text of the correct option. */
  readonly answer: string;
  /** The oracle's score of every action in the first state, 0–10 (mini/worth.ts). */
  readonly scores: Readonly<Record<MiniAction, number>>;
  /** The tool that the question hints at: the rarest that is viable at the default τ. */
  readonly hint: MiniTool;
  /** The ideal input of each tool that answers the question. */
  readonly inputs: Readonly<Partial<Record<MiniTool, string>>>;
  /** What an input has to contain to be about this question: its operands, formula or title. */
  readonly subjects: readonly string[];
  /** What the question asks for, in one short sentence. */
  readonly goal: string;
}

let families: readonly MiniTemplate[] | undefined;

function templates(): readonly MiniTemplate[] {
  families ??= [...numberTemplates, ...chemistryTemplates, ...argumentTemplates, ...factTemplates()];
  return families;
}

/** One question in four is kept for testing. */
const TEST_SHARE = 0.25;

const keyOf = (template: MiniTemplate, args: readonly string[]): string =>
  `mini-${template.name}:${[template.category, ...args].join('|')}`;

const idOf = (key: string): number => hashText(key) & 0x7fffffff;

const splitOf = (key: string): MiniSplit => (unitOf(`split ${key}`) < TEST_SHARE ? 'test' : 'train');

/** Questions of one split, category by category; a pure function of its arguments. */
export function makeMini(options: MiniOptions): Question[] {
  requireKeys(options, OPTIONS, 'makeMini: options');
  const { seed, perCategory, split } = options;
  if (!Number.isInteger(perCategory) || perCategory < 1 || perCategory > 2000) {
    throw new SparkError(
      'invalid_argument',
      `mini: expected perCategory from 1 to 2000, got ${perCategory}; ask for fewer questions`,
    );
  }
  const used = new Set<number>();
  return CATEGORIES.flatMap((category) => {
    const random = randomOf(`mini ${seed} ${split} ${category}`);
    return Array.from({ length: perCategory }, () => drawQuestion(category, split, random, used));
  });
}

/**
 * Draws a question of the category and split, and adds its id to `used`. A drawn question whose id is there already is
 * passed over: it is in the set, or another question of the set has by chance the same hash.
 */
function drawQuestion(category: string, split: MiniSplit, random: Random, used: Set<number>): Question {
  let left = templates().filter((template) => template.category === category);
  while (left.length > 0) {
    const template = random.pick(left);
    for (let tries = 0; tries < 200; tries += 1) {
      const args = template.draw(random);
      if (splitOf(keyOf(template, args)) !== split) continue;
      const wording = drawWording(template.hints, split, random);
      const key = keyOf(template, [...args, wording]);
      if (used.has(idOf(key))) continue;
      used.add(idOf(key));
      return toQuestion(key, category, worded(template, args, wording).problem, random);
    }
    // This template (facts, formulas) has run out of questions; the category's other templates remain.
    left = left.filter((other) => other !== template);
  }
  throw new SparkError('invalid_argument', `mini: ${category} has no more ${split} questions; ask for fewer`);
}

/** The problem with its last sentence, and the tool that both hint at. */
function worded(template: MiniTemplate, args: readonly string[], wording: string) {
  const { sentence, hint } = readWording(wording, template.hints);
  const problem = template.build(args);
  return { problem: { ...problem, text: `${problem.text} ${sentence}` }, hint };
}

function toQuestion(key: string, category: string, problem: MiniProblem, random: Random): Question {
  const index = random.int(0, 9);
  const options = problem.wrong(random);
  if (options.length < 9) throw new SparkError('internal', `mini: ${key} has only ${options.length} wrong options`);
  options.splice(9);
  options.splice(index, 0, problem.answer);
  return {
    question_id: idOf(key),
    question: problem.text,
    options,
    answer: LETTERS[index]!,
    answer_index: index,
    cot_content: '',
    category,
    src: key,
  };
}

/** The rules of a `mini` question, made again from its `src`; null for any other question. */
export function miniRules(question: Question): MiniRules | null {
  const match = /^mini-([a-z]+):(.*)$/.exec(question.src);
  if (match === null) return null;
  const [category, ...args] = match[2]!.split('|');
  const template = templates().find((t) => t.name === match[1] && t.category === category);
  if (template === undefined) return null;
  let problem: MiniProblem;
  let hint: MiniTool;
  try {
    ({ problem, hint } = worded(template, args.slice(0, -1), args.at(-1) ?? ''));
  } catch {
    // The `src` only looks like one of mini.
    return null;
  }
  if (problem.text !== question.question) return null;
  return {
    answer: problem.answer,
    scores: scoresOf(template, problem, hint),
    hint,
    inputs: problem.inputs,
    subjects: problem.subjects,
    goal: problem.goal,
  };
}
