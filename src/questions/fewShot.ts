/**
 * The official MMLU-Pro prompt: worked examples of the question's category with their chains of thought, then the
 * question (TIGER-AI-Lab/MMLU-Pro, evaluate_from_local.py). Generation stops at `STOP`, where a base model would invent
 * another question.
 */
import { SparkError } from '../errors.js';
import { isFree, letteredOptions, type Question } from './question.js';
import { wantedAnswer } from './verifier.js';

/** Generation ends before this text. */
export const STOP = 'Question:';

/** Examples in the official prompt. */
export const SHOTS = 5;

const THINK_STEP_BY_STEP = "Let's think step by step.";

/**
 * The examples are the first `count` rows of `validation` in the question's category; without any the prompt is
 * zero-shot. When the context is short the caller lowers `count`, as the official script does.
 */
export function fewShotPrompt(question: Question, validation: readonly Question[] = [], count = SHOTS): string {
  const shots = validation
    .filter((row) => row.category === question.category && row.question_id !== question.question_id)
    // Examples that end with a letter would ask for one.
    .filter((row) => isFree(row) === isFree(question))
    .slice(0, count);
  return `${isFree(question) ? freeHeader(question) : header(question.category)}${shots.map(renderShot).join('')}${renderItem(question)}Answer: ${THINK_STEP_BY_STEP}`;
}

// Four line breaks as in the official script: its instruction file ends with blank lines, and it adds one more.
function header(category: string): string {
  return (
    `The following are multiple choice questions (with answers) about ${category}. Think step by step and then finish ` +
    'your answer with "the answer is (X)" where X is the correct letter choice.\n\n\n\n'
  );
}

/** The same without options and letters, for the user's own questions. */
function freeHeader(question: Question): string {
  return (
    `The following are questions (with answers) about ${question.category}. Think step by step and then finish your answer with ` +
    `"the answer is X" where X is ${wantedAnswer(question)}.\n\n\n\n`
  );
}

function renderItem(question: Question): string {
  if (isFree(question)) return `Question:\n${question.question}\n`;
  const lines = letteredOptions(question).map((line) => `${line}\n`);
  return `Question:\n${question.question}\nOptions:\n${lines.join('')}`;
}

function renderShot(shot: Question): string {
  if (shot.cot_content.trim() === '') {
    throw new SparkError(
      'invalid_question',
      `question_id ${shot.question_id} cannot be an example: expected a worked answer in cot_content, got an empty one; ` +
        "use the dataset's validation split for the shots",
    );
  }
  // The dataset's examples have `A:` where the question ends with `Answer:`; the official script makes them `Answer:`
  // too.
  const worked = shot.cot_content.replaceAll(`A: ${THINK_STEP_BY_STEP}`, `Answer: ${THINK_STEP_BY_STEP}`);
  return `${renderItem(shot)}${worked}\n\n`;
}
