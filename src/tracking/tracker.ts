/**
 * Shows a training's metrics where people look, beside metrics.jsonl, which stays the source. Nothing that happens to such a
 * copy may delay or fail a training: it is a warning, once.
 */
import type { TrainingRow } from '../evaluate/trainingHistory.js';

/** How a training ended. */
export type Outcome = 'finished' | 'failed' | 'interrupted';

export interface Tracker {
  /**
   * Before this process' first step. `kept`: the rows of the unfinished training that goes on, from its first; empty where it
   * begins afresh. What an earlier process showed beyond them is not to be there twice.
   */
  begin(kept: readonly TrainingRow[]): void;
  /** A row that was written. Returns at once. */
  add(row: TrainingRow): void;
  /** Waits for what is on its way, not for long. */
  close(outcome: Outcome): Promise<void>;
}

/** A number of a row, under the name that curves have. */
export interface Point {
  readonly tag: string;
  readonly value: number;
}

/** Where a row stands, or what it is about: no curves. */
const PLACES = new Set([
  'step',
  'afterStep',
  'beforeStep',
  'iteration',
  'epoch',
  'epochsDone',
  'stepsDone',
  'batch',
  'position',
  'token',
]);
/** Settings, and the trackers' own notes. */
const NO_CURVES = new Set<unknown>(['start', 'mlflow']);

/** Of rows that come in order: the numbers of each, and the optimizer steps that were done at its moment. */
export class Points {
  #step = 0;

  /** `train/loss` for a column of an optimizer step, `policy/entropyBits` for one of an event. Words for numbers are numbers. */
  of(row: TrainingRow): { readonly step: number; readonly points: readonly Point[] } {
    this.#step = momentOf(row) ?? this.#step;
    if (NO_CURVES.has(row.event)) return { step: this.#step, points: [] };
    const points = Object.entries(row).flatMap(([name, given]) => {
      const value = PLACES.has(name) ? null : numberOf(given);
      return value === null ? [] : [{ tag: `${row.event ?? 'train'}/${name}`, value }];
    });
    return { step: this.#step, points };
  }
}

function momentOf({ step, afterStep, beforeStep }: TrainingRow): number | null {
  if (typeof beforeStep === 'number') return beforeStep - 1;
  const moment = step ?? afterStep;
  return typeof moment === 'number' ? moment : null;
}

function numberOf(value: number | string): number | null {
  if (typeof value === 'number') return value;
  return /^(NaN|-?Infinity)$/.test(value) ? Number(value) : null;
}
