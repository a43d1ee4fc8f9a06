/** Lets a policy answer one question as in an evaluation: greedy, with tools, judged by nobody. Keeps nothing. */
import type { Config } from '../config/index.js';
import { SparkError } from '../errors.js';
import { LETTERS, type Question } from '../questions/question.js';
import { questionOf } from '../questions/row.js';
import { isTrajectory, rolloutQuestion } from '../rollout/rollout.js';
import type { Parts } from '../run/parts.js';
import type { Step, Trajectory } from '../trajectory/trajectory.js';
import { rolloutSettings } from './rolloutFacts.js';

export interface Asked {
  readonly question: string;
  /** Two to ten; empty: the answer is text. */
  readonly options: readonly string[];
  /** The right answer, by which the policy's is graded (questions.verifier, without options); absent: nobody knows it. */
  readonly answer?: string | undefined;
  /** GGUF LoRA file; null: the model alone */
  readonly adapter: string | null;
}

export interface AskContext {
  readonly config: Config;
  readonly parts: Parts;
  readonly signal: AbortSignal;
  readonly onStep?: (step: Step) => void;
}

/**
 * Throws `invalid_argument` for an empty question, for options that are none and for an answer that cannot be graded, and
 * what kept the policy from answering: `context_overflow`, `inference_failed`, `tool_unavailable`, `interrupted`.
 */
export async function askPolicy(asked: Asked, { config, parts, signal, onStep }: AskContext): Promise<Trajectory> {
  const question = askedQuestion(asked, config);
  const { temperature, minSteps } = config.eval;
  const choices = { selection: 'policy', tau: config.rollout.tau, temperature, minSteps } as const;
  // Its question has no id of its own, so that its steps need another name than those of evaluations.
  const settings = { ...rolloutSettings(config, choices), work: 'ask' };
  const generator = await parts.generator(asked.adapter, 'answer');
  try {
    const deps = { generator, judge: null, tools: parts.tools(), grade: parts.grader(), signal };
    const result = await rolloutQuestion(question, { ...deps, ...(onStep === undefined ? {} : { onStep }) }, settings);
    if (!isTrajectory(result)) throw new SparkError(result.code as SparkError['code'], result.message);
    if (result.end !== 'context_overflow') return result;
    throw new SparkError(
      'context_overflow',
      `the ${generator.contextSize} tokens of the context were full after ${result.steps.length} steps, before an answer; ` +
        'raise inference.contextSize, or lower rollout.maxSteps (--steps)',
    );
  } finally {
    await generator.dispose();
  }
}

function askedQuestion({ question, options, answer }: Asked, { questions }: Config): Question {
  if (question.trim() === '') throw new SparkError('invalid_argument', 'expected a question, got an empty text');
  if (options.length === 1 || options.length > LETTERS.length || options.some((option) => option.trim() === '')) {
    throw new SparkError(
      'invalid_argument',
      `expected two to ${LETTERS.length} options, none of them empty, or none at all, got ${options.length}: ` +
        options.map((option) => `"${option}"`).join(', '),
    );
  }
  if (answer !== undefined) {
    try {
      return {
        ...questionOf({ question, options: [...options], answer, src: 'ask' }, questions.verifier),
        question_id: 0,
      };
    } catch (error) {
      throw new SparkError('invalid_argument', (error as Error).message, { cause: error });
    }
  }
  // What is not known of it is not read: an answer to grade by, a category, a worked solution.
  const unknown = { answer: '', answer_index: 0, cot_content: '', category: 'other', src: 'ask' };
  return { question_id: 0, question, options: [...options], ...unknown };
}
