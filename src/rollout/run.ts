/**
 * Rolls out as many questions at once as the generator can have sequences open: more than it decodes at a time, so that
 * it stays busy during judge and tool calls.
 */
import { setMaxListeners } from 'node:events';
import { SparkError, toSparkError } from '../errors.js';
import type { Question } from '../questions/question.js';
import type { Skip, Trajectory } from '../trajectory/trajectory.js';
import { mayPass } from './ask.js';
import { isTrajectory, rolloutQuestion } from './rollout.js';
import type { RolloutDeps, RolloutSettings } from './settings.js';

export interface RunSummary {
  readonly trajectories: number;
  readonly skips: number;
  /** Skips by code. */
  readonly skipCodes: Readonly<Record<string, number>>;
}

export type ResultHandler = (result: Trajectory | Skip) => void | Promise<void>;

/** After this many unreachable-judge skips in a row the command ends: all later questions would be skipped too. */
const MOST_UNREACHABLE_IN_A_ROW = 16;

/**
 * Rolls out every question. `onResult` gets the results one by one as they are finished. A question whose judge was out of
 * reach or gave no verdict is tried once more at the end, when that may have passed. After an abort or an error that ends
 * the command, unfinished rollouts are dropped; every finished one has been handed to `onResult`.
 */
export function runRollouts(
  questions: readonly Question[],
  deps: RolloutDeps,
  settings: RolloutSettings,
  onResult: ResultHandler,
): Promise<RunSummary> {
  return runAll(
    questions,
    deps,
    (question, signal) => rolloutQuestion(question, { ...deps, signal }, settings),
    onResult,
  );
}

/** As `runRollouts`, with any function that rolls out one question. */
export async function runAll(
  questions: readonly Question[],
  deps: Pick<RolloutDeps, 'generator' | 'signal'>,
  rollOut: (question: Question, signal: AbortSignal) => Promise<Trajectory | Skip>,
  onResult: ResultHandler,
): Promise<RunSummary> {
  const stop = new AbortController();
  const signal = deps.signal === undefined ? stop.signal : AbortSignal.any([deps.signal, stop.signal]);
  // Every rollout under way adds a listener; without this Node would warn of a leak.
  setMaxListeners(0, signal);
  const tally = new Tally();
  const queue = [...questions];
  const again = new Map<Question, Skip>();
  let handled: Promise<void> = Promise.resolve();
  let failure: SparkError | null = null;

  // One after another, because a store must not append two results at a time.
  const handle = (result: Trajectory | Skip): Promise<void> => {
    handled = handled.then(() => onResult(result));
    return handled;
  };
  const worker = async (): Promise<void> => {
    for (let question = queue.shift(); question !== undefined; question = queue.shift()) {
      if (signal.aborted) return;
      const result = await rollOut(question, signal);
      if (!isTrajectory(result) && mayPass(result.code) && !again.has(question)) {
        again.set(question, result);
        tally.missed(result);
        continue;
      }
      again.delete(question);
      await handle(result);
      tally.add(result);
    }
  };
  const guarded = async (): Promise<void> => {
    try {
      await worker();
    } catch (error) {
      // The first failure aborts the other workers; their errors only follow from it.
      failure ??= toSparkError(error);
      stop.abort(failure);
    }
  };
  const workers = Math.min(deps.generator.sequences, questions.length);
  const all = () => Promise.all(Array.from({ length: workers }, guarded));
  await all();
  if (failure === null && !signal.aborted) {
    queue.push(...again.keys());
    await all();
  }
  // What could not be tried again was a skip.
  for (const skip of again.values()) await handle(skip).catch(() => undefined);
  if (failure !== null) throw failure;
  if (deps.signal?.aborted) {
    throw new SparkError('interrupted', 'interrupted by the caller', { cause: deps.signal.reason as unknown });
  }
  return tally.summary();
}

class Tally {
  #trajectories = 0;
  #unreachable = 0;
  readonly #skipCodes = new Map<string, number>();

  add(result: Trajectory | Skip): void {
    if (isTrajectory(result)) {
      this.#trajectories += 1;
      this.#unreachable = 0;
      return;
    }
    this.#skipCodes.set(result.code, (this.#skipCodes.get(result.code) ?? 0) + 1);
    this.missed(result);
  }

  /** A question gave no trajectory, for the first time or for good. */
  missed(result: Skip): void {
    this.#unreachable = result.code === 'judge_unreachable' ? this.#unreachable + 1 : 0;
    if (this.#unreachable >= MOST_UNREACHABLE_IN_A_ROW) {
      throw new SparkError(
        'judge_unreachable',
        `the judge could not be reached for ${this.#unreachable} questions in a row; the last said: ${result.message}. ` +
          'What is finished is kept: run the same command again when the judge is back',
      );
    }
  }

  summary(): RunSummary {
    const skips = [...this.#skipCodes.values()].reduce((sum, count) => sum + count, 0);
    return { trajectories: this.#trajectories, skips, skipCodes: Object.fromEntries(this.#skipCodes) };
  }
}
