/**
 * Measures of an adapter under training, on validation questions: when they are due, what is remembered of them in a
 * checkpoint, and when they end the training. How they are taken is the caller's (stages/validateTraining.ts).
 */
import type { Adapter } from '../engine/types.js';

export const VALIDATION_KINDS = ['accuracy', 'policy'] as const;

/** What an adapter can be the best by; `belowTau` is better where it is lower. */
export const VALIDATION_MEASURES = ['accuracy', 'rarestViable', 'belowTau', 'entropyBits'] as const;
export type ValidationMeasure = (typeof VALIDATION_MEASURES)[number];

export interface BestAdapter {
  /** Optimizer steps that were done */
  readonly step: number;
  /** Its measure */
  readonly value: number;
  /** GGUF file, relative to the run folder, and its sha256 */
  readonly adapter: string;
  readonly sha256: string;
}

/** Stands in the checkpoint: a training that goes on knows the same best, and stops at the same step. */
export interface ValidationState {
  /** Optimizer steps that were done at the latest measure */
  readonly steps: number;
  /** How many measures were taken, and how many of them after the best */
  readonly count: number;
  readonly sinceBest: number;
  readonly best: BestAdapter;
  /** The latest row of metrics.jsonl, which a training that goes on from right here writes again. */
  readonly row: Readonly<Record<string, number | string>>;
}

export interface Validation {
  /** Optimizer steps between two measures */
  readonly every: number;
  /** Measures without a better one after which the training ends; 0: never */
  readonly patience: number;
  /** Before the first step of this process: what the checkpoint after `steps` steps remembers; null without any. */
  resume(state: ValidationState | null, steps: number): Promise<void>;
  measure(actor: Adapter, steps: number, before: ValidationState | null): Promise<ValidationState>;
}

/**
 * The state after a measure, where one is due: before the first step, every so many, and after the last; else the same
 * state. A measure that was taken is never taken again.
 */
export async function validated(
  validation: Validation | undefined,
  actor: Adapter,
  { steps, last }: { readonly steps: number; readonly last: boolean },
  state: ValidationState | null,
): Promise<ValidationState | null> {
  if (validation === undefined || state?.steps === steps) return state;
  return steps % validation.every === 0 || last ? validation.measure(actor, steps, state) : state;
}

/** Whether a measure is better than one before it. */
export function isBetter(measure: ValidationMeasure, value: number, before: number): boolean {
  return measure === 'belowTau' ? value < before : value > before;
}

/** Whether the training has not become better for as long as it was given. */
export function outOfPatience(validation: Validation | undefined, state: ValidationState | null): boolean {
  const { patience = 0 } = validation ?? {};
  return patience > 0 && state !== null && state.sinceBest >= patience;
}
