/** The rollout without tools: one chain of thought under the official MMLU-Pro prompt, as a trajectory without steps. */
import { signalOf } from '../abortable.js';
import { SparkError } from '../errors.js';
import type { Generator, GeneratorSequence } from '../inference/generator.js';
import { type KeysOf, requireKeys } from '../options.js';
import { fewShotPrompt, SHOTS, STOP } from '../questions/fewShot.js';
import { createGrader, type Grader } from '../questions/grade.js';
import type { Question } from '../questions/question.js';
import { mixSeeds } from '../random.js';
import { trajectoryId } from '../trajectory/rolloutSet.js';
import type { Skip, Trajectory } from '../trajectory/trajectory.js';
import { renderQuestion } from './prompt.js';
import { withSequence } from './rollout.js';
import { Transcript } from './transcript.js';

export interface PlainDeps {
  readonly generator: Generator;
  /** Says whether an answer is right; absent: `createGrader()`. */
  readonly grade?: Grader;
  readonly signal?: AbortSignal | undefined;
}

export interface PlainSettings {
  /** Rows whose chains of thought are the examples; empty: zero-shot. */
  readonly validation: readonly Question[];
  readonly temperature: number;
  readonly maxChainTokens: number;
  readonly seed: number;
  readonly attempt: number;
}

const SETTINGS = {
  validation: true,
  temperature: true,
  maxChainTokens: true,
  seed: true,
  attempt: true,
} as const satisfies KeysOf<PlainSettings>;

export async function rolloutWithoutTools(
  question: Question,
  deps: PlainDeps,
  settings: PlainSettings,
): Promise<Trajectory | Skip> {
  requireKeys(settings, SETTINGS, 'rolloutWithoutTools: settings');
  return withSequence(question, deps, async (sequence) => {
    const { generator, grade = createGrader(), signal } = deps;
    const transcript = new Transcript(generator, sequence);
    transcript.write('prompt', -1, generator.bosText, true);
    transcript.write('prompt', -1, fittingPrompt(question, generator, sequence, settings), false);
    const { text } = await transcript.generate('answer', -1, {
      stop: [STOP],
      // The prompt leaves room for maxChainTokens, except where it is the question alone.
      maxTokens: Math.min(settings.maxChainTokens, generator.contextSize - sequence.tokens.length),
      temperature: settings.temperature,
      seed: mixSeeds(settings.seed, question.question_id, settings.attempt),
      ...signalOf({ signal }),
    });
    const { answer, correct } = await grade(question, text, 'chain', signal);
    return {
      id: trajectoryId(question.question_id, { selection: 'policy', tau: null }, settings.attempt),
      questionId: question.question_id,
      category: question.category,
      selection: 'policy',
      tau: null,
      generator: generator.id,
      judge: null,
      seed: settings.seed,
      steps: [],
      answerText: text,
      answer,
      correct,
      end: 'answered',
      ...(generator.tokenised === undefined ? {} : { tokenised: generator.tokenised }),
      ...transcript.finish(),
    };
  });
}

/** The prompt with as many examples as leave room for the chain; the official script lowers their number too. */
function fittingPrompt(
  question: Question,
  generator: Generator,
  sequence: GeneratorSequence,
  settings: PlainSettings,
): string {
  // A model trained only on the step format has never seen the official header.
  if (!generator.wantsInstructions) return `${renderQuestion(question)}Answer: Let's think step by step.`;
  const room = generator.contextSize - sequence.tokens.length - settings.maxChainTokens;
  for (let count = Math.min(SHOTS, settings.validation.length); count >= 0; count--) {
    const prompt = fewShotPrompt(question, settings.validation, count);
    if (generator.tokenize(prompt, false).length <= room) return prompt;
  }
  throw new SparkError(
    'context_overflow',
    `expected room for the question and ${settings.maxChainTokens} tokens of thought in ${generator.contextSize}, but the ` +
      'question alone is too long; raise inference.contextSize or lower eval.maxChainTokens',
  );
}
