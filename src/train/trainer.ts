/** The context that every training method runs in. */
import type { Adapter, Model } from '../engine/types.js';
import type { Log } from '../log.js';
import type { ActionTokens } from '../trajectory/choices.js';
import type { Validation } from './validation.js';

/** One iteration of several, as where each has rollouts of its own: learning rates and orders are those it has among all. */
export interface TrainedPart {
  /** From 0 */
  readonly iteration: number;
  /** The policy that the first iteration began with, for lp_ref; null: the adapter as it is */
  readonly reference: Adapter | null;
}

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
  /** With PPO: only this iteration of `ppo.iterations` is trained; absent: all of them. */
  readonly part?: TrainedPart;
  readonly signal?: AbortSignal;
}
