/** What SFT and PPO have in common: the context they run in and the bookkeeping of an interruptible loop. */
import type { Model } from '../engine/types.js';
import { type SparkError, toSparkError } from '../errors.js';
import type { Log } from '../log.js';
import type { CheckpointState, Checkpoints } from './checkpoint.js';

export interface TrainContext {
  readonly model: Model;
  /** Name of the stage in metrics and file names: `sft`, `ppo`, `spark`. */
  readonly stage: string;
  readonly seed: number;
  readonly log: Log;
  /** One row of metrics.jsonl. */
  metrics(row: Readonly<Record<string, number | string>>): void;
  /** Null: nothing is kept for a resume. */
  readonly checkpointFolder: string | null;
  /** Optimizer steps between checkpoints. */
  readonly checkpointEvery: number;
  readonly signal?: AbortSignal;
}

/** Weights are always those of a finished optimizer step, so the state can be saved whenever a step was interrupted. */
export async function saveOnInterrupt<Position>(
  error: unknown,
  checkpoints: Checkpoints | null,
  state: CheckpointState<Position>,
  label: string,
): Promise<SparkError> {
  const failure = toSparkError(error);
  if (failure.code === 'interrupted' && checkpoints !== null) await checkpoints.save(state, label);
  return failure;
}

/** Passing the signal only where there is one keeps exactOptionalPropertyTypes content. */
export function callOptions(context: TrainContext): { signal?: AbortSignal } {
  return context.signal === undefined ? {} : { signal: context.signal };
}
