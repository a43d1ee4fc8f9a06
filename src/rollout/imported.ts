/**
 * Writes a rollout that was made elsewhere as a trajectory: the same prompt and the same blocks as in a rollout of our own,
 * tokenised now (`tokenised: later`). So its states nest and one pass learns all of its steps. Its tokens are not those that
 * its model drew: there is no record of them, and another model's would be of no use.
 */
import { createHash } from 'node:crypto';
import { SparkError } from '../errors.js';
import type { GeneratorSequence, PromptTokenizer } from '../inference/generator.js';
import { LETTERS, type Question } from '../questions/question.js';
import type { ActionInfo } from '../tools/tool.js';
import { type RolloutSet, ruleOf } from '../trajectory/rolloutSet.js';
import type { SparkRollout, SparkStep } from '../trajectory/sparkRollouts.js';
import type { ScorePair, SelectionRule, Step, Trajectory } from '../trajectory/trajectory.js';
import { ANSWER_BEFORE, headTokens, neutralizeTags, renderHead, TAG } from './prompt.js';
import { promptSettings, type RolloutSettings } from './settings.js';
import { Transcript } from './transcript.js';

export interface ImportDeps {
  readonly tokenizer: PromptTokenizer;
  /** The tools of the rollouts, for the instructions of a model that wants some. */
  readonly actions: readonly ActionInfo[];
}

export interface ImportSettings extends Pick<RolloutSettings, 'maxSteps' | 'example' | 'seed'> {
  readonly set: RolloutSet & { readonly selection: SelectionRule; readonly tau: number };
  /** Most tokens of a trajectory. */
  readonly contextSize: number;
  /** `generator` and `judge` of the trajectories: where they come from; begins with IMPORTED. */
  readonly source: string;
}

/** What the `generator` of an imported trajectory begins with. */
export const IMPORTED = 'imported:';

const NO_STEP = -1;
/** The files have none. */
const CATEGORY = 'unknown';

/** `<qid>:<rule>:<sample>`, as `trajectoryId` where the qid is a number. */
export function importedId({ qid, sample }: Pick<SparkRollout, 'qid' | 'sample'>, set: RolloutSet): string {
  return `${qid}:${ruleOf(set)}:${sample}`;
}

/** A qid that is a whole number is the question's id; of any other a negative number is made, by its hash. */
export function importedQuestionId(qid: string): number {
  if (/^\d{1,15}$/.test(qid)) return Number(qid);
  return -1 - createHash('sha256').update(qid).digest().readUIntBE(0, 6);
}

/** Throws `context_overflow` where it has more than `contextSize` tokens. */
export function writeImported(
  rollout: SparkRollout,
  { tokenizer, actions }: ImportDeps,
  settings: ImportSettings,
): Trajectory {
  const { set, seed, source, contextSize } = settings;
  const transcript = new Transcript(tokenizer, new WrittenSequence(contextSize));
  const question = questionOf(rollout);
  const head = promptSettings(tokenizer, actions, settings);
  transcript.append('prompt', NO_STEP, headTokens(renderHead(question, head), tokenizer));
  const steps = rollout.steps.map((step, index) => writeStep(transcript, step, index, set.tau));
  const { answer } = rollout;
  const answerText = answer === null ? '' : `${ANSWER_BEFORE}${answer}).`;
  // One segment: what the model of a rollout of our own opens and writes itself.
  if (answer !== null) transcript.write('answer', NO_STEP, TAG.answer + answerText + TAG.answerEnd, true);
  return {
    id: importedId(rollout, set),
    questionId: question.question_id,
    category: rollout.category ?? CATEGORY,
    selection: set.selection,
    tau: set.tau,
    generator: source,
    judge: source,
    seed,
    steps,
    answerText,
    answer,
    correct: answer === rollout.correctAnswer,
    end: answer === null ? 'unanswered' : 'answered',
    tokenised: 'later',
    ...transcript.finish(),
  };
}

function questionOf({ qid, question, options, correctAnswer }: SparkRollout): Question {
  return {
    question_id: importedQuestionId(qid),
    question,
    options: [...options],
    answer: correctAnswer,
    answer_index: LETTERS.indexOf(correctAnswer),
    cot_content: '',
    category: CATEGORY,
    src: '',
  };
}

/** The blocks as the model of a rollout writes them; its own closing tags count as written, as they do there. */
function writeStep(transcript: Transcript, given: SparkStep, index: number, tau: number): Step {
  const { action, pair, processOk } = given;
  const [thought, input] = [neutralizeTags(given.thought), neutralizeTags(given.input)];
  const observation = given.observation === null ? null : neutralizeTags(given.observation);
  const stateEnd = transcript.length;
  transcript.write('thought', index, TAG.thought, true);
  transcript.write('thought', index, thought, false);
  transcript.write('thought', index, TAG.thoughtEnd, true);
  transcript.template(TAG.action, index);
  transcript.write('action', index, `${action}${TAG.actionEnd}`, true);
  transcript.template(TAG.input, index);
  transcript.write('input', index, input, false);
  transcript.write('input', index, TAG.inputEnd, true);
  if (observation !== null) {
    transcript.template(TAG.observation, index);
    transcript.write('observation', index, observation, false);
    transcript.template(TAG.observationEnd, index);
  }
  return {
    index,
    stateEnd,
    thought,
    scores: null,
    ...(pair === undefined ? {} : { pair }),
    action,
    choice: choiceOf(pair, tau),
    input,
    observation,
    toolError: null,
    truncated: false,
    processOk,
  };
}

function choiceOf(pair: ScorePair | undefined, tau: number): Step['choice'] {
  if (pair === undefined) return 'policy';
  return pair.chosen !== null && pair.chosen < tau ? 'fallback' : 'viable';
}

/** A sequence that nobody generates: tokens are only added. */
class WrittenSequence implements GeneratorSequence {
  readonly tokens: number[] = [];
  readonly #contextSize: number;

  constructor(contextSize: number) {
    this.#contextSize = contextSize;
  }

  append(tokens: readonly number[]): void {
    for (const token of tokens) this.tokens.push(token);
    if (this.tokens.length <= this.#contextSize) return;
    throw new SparkError(
      'context_overflow',
      `expected at most ${this.#contextSize} tokens of a trajectory, got more; raise inference.contextSize`,
    );
  }

  generate(): never {
    throw new SparkError('internal', 'a written sequence generates nothing');
  }

  choose(): never {
    throw new SparkError('internal', 'a written sequence chooses nothing');
  }

  dispose(): void {}
}
