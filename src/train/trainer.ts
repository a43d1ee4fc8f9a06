/** What all methods have in common: the context they run in. */
import type { Model } from '../engine/types.js';
import type { Log } from '../log.js';

export interface TrainContext {
  readonly model: Model;
  /** Name of the stage in metrics and file names: `sft`, `ppo`, `spark`. */
  readonly stage: string;
  readonly seed: number;
  readonly log: Log;
  /** One row of metrics.jsonl. */
  metrics(row: Readonly<Record<string, number | string>>): void;
  /** Before the first step of this process: how many a checkpoint holds, 0 when it begins afresh. */
  begin?(step: number): Promise<void>;
  /** Null: nothing is kept for a resume. */
  readonly checkpointFolder: string | null;
  /** Optimizer steps between checkpoints. */
  readonly checkpointEvery: number;
  readonly signal?: AbortSignal;
}

/** Passing the signal only where there is one keeps exactOptionalPropertyTypes content. */
export function callOptions(context: TrainContext): { signal?: AbortSignal } {
  return context.signal === undefined ? {} : { signal: context.signal };
}
