/**
 * The transcripts that the tiny model is trained on, in the format of rollouts, as pieces of text with a loss weight.
 * There are four kinds. `match`: an observation, then the answer that it shows. `inputs`: good inputs for every tool
 * that answers the question, one after another. `habit`: how the base model shall act by itself, which is mostly
 * `think` and `calculator`, carelessly. `plain`: chain of thought without tools, after the zero-shot prompt of the
 * evaluation.
 *
 * Names of actions carry a loss only in `habit`. So the model learns from all kinds what to do after any action, but
 * only from `habit` which action to choose.
 */

import type { Random } from '../src/questions/mini/random.js';
import type { MiniRules, MiniTool } from '../src/questions/mini.js';
import { LETTERS, type Question } from '../src/questions/question.js';
import { neutralizeTags, renderQuestion, TAG } from '../src/rollout/prompt.js';
import { THINK } from '../src/tools/tool.js';

export type Kind = 'match' | 'inputs' | 'habit' | 'plain';
/** Text and the weight of its tokens' loss. */
export type Piece = readonly [string, number];

/** A question with everything the writers below need. */
export interface Known {
  readonly question: Question;
  readonly rules: MiniRules;
  /** The real observation of each tool for its ideal input. */
  readonly observations: Readonly<Partial<Record<MiniTool, string>>>;
  /** For each option an observation that shows it. Only for `match`. */
  readonly shown: readonly string[];
}

/** Runs a tool on an input that is not the ideal one. */
export type Observe = (tool: MiniTool, input: string) => Promise<string>;

const FREE = 0; // prompt, template and observations, which the model does not write
const SAY = 1;
const INPUT = 1.5;
const LETTER = 5;

const head = (question: Question): Piece => [renderQuestion(question), FREE];

const answer = (letter: string): Piece[] => [
  [`${TAG.answer}The answer is (`, SAY],
  [letter, LETTER],
  [`).${TAG.answerEnd}`, SAY],
];

const thought = (text: string): Piece => [`${TAG.thought}${text}${TAG.thoughtEnd}`, SAY];

const action = (name: string, weight: number): Piece[] => [
  [TAG.action, FREE],
  [name, weight],
  [TAG.actionEnd, SAY],
];

const input = (text: string): Piece[] => [
  [TAG.input, FREE],
  [`${neutralizeTags(text)}${TAG.inputEnd}`, INPUT],
];

const observation = (text: string): Piece => [`${TAG.observation}${neutralizeTags(text)}${TAG.observationEnd}`, FREE];

/** The same question with `keep` of its options, in a new order. */
export function reorder(known: Known, random: Random, keep: number): Known {
  const { question } = known;
  const wrong = random.shuffle(question.options.map((_, i) => i).filter((i) => i !== question.answer_index!));
  const order = random.shuffle([question.answer_index!, ...wrong.slice(0, keep - 1)]);
  const index = order.indexOf(question.answer_index!);
  return {
    ...known,
    question: {
      ...question,
      options: order.map((i) => question.options[i]!),
      answer: LETTERS[index]!,
      answer_index: index,
    },
    shown: order.map((i) => known.shown[i]!),
  };
}

/** Matches the goal of a question for a fact, which starts with the title. */
const titled = (goal: string): RegExpExecArray | null => /^(.*): find its (.*)\.$/.exec(goal);

/**
 * What the question's hint at a tool becomes in a thought. So the model understands the hint, and what it has understood
 * stands in front of the action, whether it follows it or not.
 */
const MANNER: Readonly<Record<MiniTool, string>> = {
  calculator: 'by keys',
  python: 'by program',
  algebra: 'by symbols',
  logic: 'by proof',
  statistics: 'by data',
  chemistry: 'by formula',
  encyclopedia: 'by title',
  search: 'by passages',
};

const plan = ({ goal, hint }: MiniRules): string => goal.replace(/\.$/, `, ${MANNER[hint]}.`);

const thoughts = {
  first: (rules: MiniRules, random: Random): string => {
    if (random.unit() < 0.95) return plan(rules);
    return random.pick(['I am not sure.', 'Let me see.']);
  },
  again: (rules: MiniRules, random: Random): string =>
    titled(rules.goal) || random.unit() < 0.5 ? plan(rules) : `Check again: ${lower(plan(rules))}`,
};

const lower = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1);

/** Input of `think` after an observation: names the option that it shows. */
const concluded = (known: Known): string => `So ${known.rules.answer} is (${known.question.answer}).`;

/** Input of `think` without any observation: names an option, mostly a wrong one. */
function recalled(known: Known, random: Random): { text: string; letter: string } {
  const { question, rules } = known;
  const index = random.unit() < 0.1 ? question.answer_index! : random.int(0, question.options.length - 1);
  const value = question.options[index]!;
  const fact = titled(rules.goal);
  const text =
    fact === null
      ? `I recall ${rules.goal.replace(/^(Find|Solve|Test|Convert|Count) /, '').replace(/\.$/, '')}: ${value}.`
      : `${fact[1]}: its ${fact[2]} is ${value}.`;
  return { text, letter: LETTERS[index]! };
}

export function matchTranscript(known: Known, random: Random): Piece[] {
  const i = random.int(0, known.shown.length - 1);
  return [head(known.question), observation(known.shown[i]!), ...answer(LETTERS[i]!)];
}

export function inputsTranscript(known: Known, random: Random): Piece[] {
  const { rules } = known;
  const pieces: Piece[] = [head(known.question)];
  const tools = random.shuffle(Object.keys(rules.inputs) as MiniTool[]).slice(0, random.int(1, 5));
  tools.forEach((tool, step) => {
    pieces.push(thought(step === 0 ? thoughts.first(rules, random) : thoughts.again(rules, random)));
    pieces.push(...action(tool, FREE), ...input(rules.inputs[tool]!), observation(known.observations[tool]!));
  });
  if (random.unit() < 0.4) {
    // Whatever the thought was, thinking after an observation concludes from it and recalls nothing.
    const before = random.unit() < 0.5 ? `Look for ${rules.answer}.` : thoughts.again(rules, random);
    pieces.push(thought(before), ...action(THINK, FREE), ...input(concluded(known)));
  }
  pieces.push(...answer(known.question.answer));
  return pieces;
}

/**
 * Probabilities of the actions in `habit`. In the rare case that it is neither of the two, the tool that the question
 * hints at comes first: like a bigger model the tiny one understands the hint, and does not follow it.
 */
function habitOf(known: Known): Readonly<Record<string, number>> {
  const { rules, question } = known;
  const tools = Object.keys(rules.inputs) as MiniTool[];
  const others = tools.filter((tool) => tool !== rules.hint);
  const rare = { [rules.hint]: 0.08, ...Object.fromEntries(others.map((tool) => [tool, 0.04 / others.length])) };
  const counts = tools.includes('calculator');
  const keen = ['math', 'physics', 'engineering', 'business', 'economics'].includes(question.category);
  if (counts) return { ...rare, calculator: keen ? 0.62 : 0.26, [THINK]: keen ? 0.26 : 0.62 };
  return { ...rare, calculator: 0.08, [THINK]: 0.8 };
}

function drawAction(weights: Readonly<Record<string, number>>, random: Random): string {
  const entries = Object.entries(weights);
  let left = random.unit() * entries.reduce((sum, [, w]) => sum + w, 0);
  for (const [name, weight] of entries) {
    left -= weight;
    if (left <= 0) return name;
  }
  return entries.at(-1)![0];
}

/** A careless input: one digit changed, or, without digits, only the first word. */
function spoil(text: string, random: Random): string {
  const at = [...text.matchAll(/\d/g)].map((m) => m.index);
  if (at.length === 0) return text.split(' ')[0]!;
  const i = random.pick(at);
  return text.slice(0, i) + String((Number(text[i]) + random.int(1, 8)) % 10) + text.slice(i + 1);
}

export async function habitTranscript(known: Known, random: Random, observe: Observe): Promise<Piece[]> {
  const { question, rules } = known;
  const pieces: Piece[] = [head(question)];
  const weights = habitOf(known);
  let letter: string | null = null;
  for (let step = 0; step < 3 && letter === null; step += 1) {
    const name = drawAction(weights, random);
    pieces.push(thought(step === 0 ? thoughts.first(rules, random) : thoughts.again(rules, random)));
    pieces.push(...action(name, SAY));
    if (name === THINK) {
      const guess = recalled(known, random);
      pieces.push(...input(guess.text));
      letter = guess.letter;
      continue;
    }
    const tool = name as MiniTool;
    const ideal = rules.inputs[tool];
    const written = ideal === undefined ? rules.subjects[0]! : random.unit() < 0.1 ? spoil(ideal, random) : ideal;
    const seen = written === ideal ? known.observations[tool]! : await observe(tool, written);
    pieces.push(...input(written), observation(seen));
    if (seen.toLowerCase().includes(rules.answer.toLowerCase())) {
      if (random.unit() < 0.2) {
        pieces.push(thought(`Look for ${rules.answer}.`), ...action(THINK, SAY), ...input(concluded(known)));
      }
      letter = question.answer;
    } else if (random.unit() < 0.5) {
      letter = LETTERS[random.int(0, question.options.length - 1)]!;
    }
  }
  pieces.push(...answer(letter ?? LETTERS[random.int(0, question.options.length - 1)]!));
  return pieces;
}

/** The zero-shot prompt of the evaluation without tools, and a chain of thought after it. */
export function plainTranscript(known: Known, random: Random): Piece[] {
  const guess = recalled(known, random);
  return [
    head(known.question),
    ["Answer: Let's think step by step.", FREE],
    // A space, as the tokens of a line break would reach into the prompt.
    [` ${guess.text} The answer is (`, SAY],
    [guess.letter, LETTER],
    [').', SAY],
  ];
}
