/**
 * Rolls out one question to a trajectory (docs/algorithm.md, Rollouts). The trajectory depends on the seed, the
 * question's id, the attempt and the judge, and on the other questions in one way only: the inference library's rounding
 * depends a little on which sequences share a batch, and on whether a prompt's start was evaluated with it or for an
 * earlier one.
 */
import { SparkError, throwIfAborted, toSparkError } from '../errors.js';
import type { GeneratorSequence } from '../inference/generator.js';
import { requireKeys } from '../options.js';
import { createGrader } from '../questions/grade.js';
import { isFree, type Question, shownLetters } from '../questions/question.js';
import { wantedAnswer } from '../questions/verifier.js';
import { trajectoryId } from '../trajectory/rolloutSet.js';
import type { Skip, Trajectory } from '../trajectory/trajectory.js';
import { askForLastVerdict, endsTheRun } from './ask.js';
import { ANSWER_BEFORE, headTokens, renderHead, TAG } from './prompt.js';
import { promptSettings, ROLLOUT_SETTINGS, type RolloutDeps, type RolloutSettings } from './settings.js';
import { judgedSteps, type RolloutState, sampling, writeStep } from './step.js';
import { Transcript } from './transcript.js';

/** Segments of prompt and answer belong to no step. */
const NO_STEP = -1;

/** A trajectory, or a skip with the reason why there is none. Throws errors for which `endsTheRun` is true. */
export async function rolloutQuestion(
  question: Question,
  deps: RolloutDeps,
  settings: RolloutSettings,
): Promise<Trajectory | Skip> {
  requireKeys(settings, ROLLOUT_SETTINGS, 'rolloutQuestion: settings');
  if (deps.judge === null && settings.selection !== 'policy') {
    throw new SparkError(
      'invalid_argument',
      `expected a judge for the selection ${settings.selection}, got none; pass deps.judge, or the selection 'policy'`,
    );
  }
  const { minSteps, maxSteps } = settings;
  if (!(minSteps >= 0 && minSteps <= maxSteps)) {
    throw new SparkError(
      'invalid_argument',
      `rolloutQuestion: expected minSteps from 0 to maxSteps (${maxSteps}), got ${minSteps}; lower it or raise maxSteps`,
    );
  }
  return withSequence(question, deps, async (sequence) => {
    const transcript = new Transcript(deps.generator, sequence);
    const state: RolloutState = { question, deps, settings, transcript, steps: [] };
    const { maxSteps, example } = settings;
    const wanted = isFree(question) ? { wanted: wantedAnswer(question) } : {};
    const head = promptSettings(deps.generator, deps.tools.actions(), { maxSteps, example, ...wanted });
    transcript.append('prompt', NO_STEP, headTokens(renderHead(question, head), deps.generator));
    const ending = await writeSteps(state);
    await judgeLastStep(state, ending.answerText);
    return await assemble(state, ending);
  });
}

export function isTrajectory(result: Trajectory | Skip): result is Trajectory {
  return 'tokens' in result;
}

/** Opens a sequence and does `work` with it; an error that concerns this question alone becomes a skip. */
export async function withSequence(
  question: Question,
  deps: Pick<RolloutDeps, 'generator' | 'signal'>,
  work: (sequence: GeneratorSequence) => Promise<Trajectory>,
): Promise<Trajectory | Skip> {
  const sequence = await deps.generator.open(deps.signal);
  try {
    return await work(sequence);
  } catch (error) {
    throwIfAborted(deps.signal);
    const failure = toSparkError(error);
    if (endsTheRun(failure)) throw failure;
    return { questionId: question.question_id, code: failure.code, message: failure.message };
  } finally {
    sequence.dispose();
  }
}

interface Ending {
  readonly end: Trajectory['end'];
  readonly answerText: string;
  /** Tokens of the sequence that belong to the trajectory. */
  readonly length: number;
}

/** Writes steps until the model answers or has to. When the context is full the unfinished step is left out. */
async function writeSteps(state: RolloutState): Promise<Ending> {
  const { transcript, steps, settings } = state;
  for (;;) {
    const stateEnd = transcript.length;
    try {
      const forced = steps.length >= settings.maxSteps;
      const mayAnswer = steps.length >= settings.minSteps;
      const drawn = sampling(state, steps.length, 'opening');
      if (forced || (await transcript.chooseOpening(steps.length, mayAnswer, drawn)))
        return await writeAnswer(state, forced);
      await writeStep(state, stateEnd);
    } catch (error) {
      if (!(error instanceof SparkError) || error.code !== 'context_overflow') throw error;
      return { end: 'context_overflow', answerText: '', length: stateEnd };
    }
  }
}

async function writeAnswer(state: RolloutState, forced: boolean): Promise<Ending> {
  const { transcript, settings, deps, question } = state;
  if (forced) transcript.template(TAG.answer, NO_STEP);
  const { answer: form } = settings;
  const byLetter = !isFree(question) && (form === 'letter' || (form === 'auto' && deps.generator.wantsInstructions));
  const text = byLetter ? await chooseLetter(state) : await writeFreely(state);
  return { end: forced ? 'forced' : 'answered', answerText: text, length: transcript.length };
}

async function writeFreely(state: RolloutState): Promise<string> {
  const options = {
    ...sampling(state, state.steps.length, 'answer'),
    stop: [TAG.answerEnd],
    maxTokens: state.settings.maxAnswerTokens,
  };
  return (await state.transcript.generate('answer', NO_STEP, options)).text;
}

/**
 * Our sentence with a letter of the model's choice among those shown. Left alone a general model writes an option's text,
 * a formula, or a letter that is not there, and none of it can be graded.
 */
async function chooseLetter(state: RolloutState): Promise<string> {
  const { question, transcript } = state;
  const letters = shownLetters(question);
  transcript.template(ANSWER_BEFORE, NO_STEP);
  const ends = letters.map((letter) => `${letter}).`);
  const texts = ends.map((end) => end + TAG.answerEnd);
  const index = await transcript.choose('answer', NO_STEP, texts, sampling(state, state.steps.length, 'answer'));
  return ANSWER_BEFORE + ends[index]!;
}

async function judgeLastStep({ question, deps, steps, settings }: RolloutState, answer: string): Promise<void> {
  const last = steps.at(-1);
  // Already judged when the context was full: then the scores for the step after it came with its verdict.
  if (deps.judge === null || last === undefined || last.processOk !== null) return;
  const request = { question, steps: judgedSteps(steps), thought: null, answer, actions: deps.tools.actions() };
  const processOk = await askForLastVerdict(deps.judge, request, settings.stepRetries, deps.signal);
  steps.splice(-1, 1, { ...last, processOk });
}

async function assemble(
  { question, deps, settings, transcript, steps }: RolloutState,
  ending: Ending,
): Promise<Trajectory> {
  const { grade = createGrader(), signal } = deps;
  const { answer, correct } = await grade(question, ending.answerText, 'block', signal);
  return {
    id: trajectoryId(question.question_id, settings, settings.attempt),
    questionId: question.question_id,
    category: question.category,
    selection: settings.selection,
    tau: settings.selection === 'policy' ? null : settings.tau,
    generator: deps.generator.id,
    judge: deps.judge?.id ?? null,
    seed: settings.seed,
    steps,
    answerText: ending.answerText,
    answer,
    correct,
    end: ending.end,
    ...(deps.generator.tokenised === undefined ? {} : { tokenised: deps.generator.tokenised }),
    ...transcript.finish(ending.length),
  };
}
