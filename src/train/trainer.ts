/** The context that every training method runs in. */
import type { Model } from '../engine/types.js';
import type { Log } from '../log.js';
import type { ActionTokens } from '../trajectory/choices.js';
import type { Validation } from './validation.js';

export interface TrainContext {
  readonly model: Model;
  /** Name of the stage in metrics and file names: `sft`, `ppo`, `spark`. */
  readonly stage: string;
  readonly seed: number;
  readonly log: Log;
  /** Writes one row of metrics.jsonl. */
  metrics(row: Readonly<Record<string, number | string>>): void;
  /** Called before the first step of this process, with the number of steps in the checkpoint; 0 without one. */
  begin?(step: number): Promise<void>;
  /** Null: the training keeps no checkpoints. */
  readonly checkpointFolder: string | null;
  /** Optimizer steps between checkpoints. */
  readonly checkpointEvery: number;
  /** The actions with the tokens of their names; absent: their probabilities are neither learned nor measured. */
  readonly actions?: readonly ActionTokens[];
  /** The text of some tokens, for messages; absent: they are shown by number. */
  readonly detokenize?: (tokens: readonly number[]) => string;
  /** Measures of the adapter under training; absent: none are taken. */
  readonly validation?: Validation;
  readonly signal?: AbortSignal;
}
