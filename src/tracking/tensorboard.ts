/**
 * A training in TensorBoard: `tensorboard --logdir <run>/tensorboard` shows each training of the run as a line. The file is
 * made anew from the rows of metrics.jsonl whenever a training begins or goes on, so no step is there twice.
 */
import { closeSync, mkdirSync, openSync, readdirSync, rmSync, statSync, truncateSync, writeSync } from 'node:fs';
import path from 'node:path';
import { writeError } from '../errors.js';
import type { TrainingRow } from '../evaluate/trainingHistory.js';
import type { Log } from '../log.js';
import { scalarsRecord, startRecord, versionRecord } from './eventFile.js';
import { Points, type Tracker } from './tracker.js';

export interface TensorboardOptions {
  /** Of this training alone. */
  readonly folder: string;
  readonly stage: string;
  readonly log: Log;
  /** Seconds since 1970; for tests */
  readonly now?: () => number;
}

const EVENT_FILE = /^events\.out\.tfevents\.(\d+)\.spark-rl$/;

export class TensorboardTracker implements Tracker {
  readonly #options: TensorboardOptions;
  readonly #now: () => number;
  #points = new Points();
  /** Null: not begun, or given up. */
  #file: number | null = null;

  constructor(options: TensorboardOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => Date.now() / 1000);
  }

  begin(kept: readonly TrainingRow[]): void {
    this.#release();
    this.#points = new Points();
    this.#try(() => {
      const { folder } = this.#options;
      mkdirSync(folder, { recursive: true });
      const seconds = this.#now();
      const number = Math.max(Math.floor(seconds), removeOld(folder) + 1);
      this.#file = openSync(path.join(folder, `events.out.tfevents.${number}.spark-rl`), 'ax');
      this.#write(versionRecord(seconds));
      this.#write(startRecord(seconds, 0));
    });
    for (const row of kept) this.add(row);
  }

  add(row: TrainingRow): void {
    const { step, points } = this.#points.of(row);
    if (this.#file === null || points.length === 0) return;
    this.#try(() => this.#write(scalarsRecord(this.#now(), step, points)));
  }

  async close(): Promise<void> {
    this.#release();
  }

  /** At once, so that TensorBoard sees it and a kill loses none; of a record that is cut off its reader waits for the rest. */
  #write(record: Uint8Array): void {
    for (let done = 0; done < record.length; ) done += writeSync(this.#file!, record, done);
  }

  #try(work: () => void): void {
    try {
      work();
    } catch (error) {
      const { folder, stage, log } = this.#options;
      this.#release();
      log.warn(
        `${stage}: TensorBoard's file is not written any more, the training goes on: ${writeError(error, folder).message}; ` +
          'metrics.jsonl has every number, and tracking.tensorboard: false leaves this file out',
      );
    }
  }

  #release(): void {
    const file = this.#file;
    this.#file = null;
    try {
      if (file !== null) closeSync(file);
    } catch {
      // Everything was written before; there is nothing to do about it.
    }
  }
}

/**
 * Empties what an earlier process wrote; returns the highest number of a file. A TensorBoard that is open goes on with the file
 * whose name comes next, but not from one that is gone: so a file goes only when it was emptied before.
 */
function removeOld(folder: string): number {
  const numbers = readdirSync(folder).flatMap((name) => {
    const number = EVENT_FILE.exec(name)?.[1];
    if (number === undefined) return [];
    const file = path.join(folder, name);
    if (statSync(file).size === 0) rmSync(file);
    else truncateSync(file);
    return [Number(number)];
  });
  return Math.max(0, ...numbers);
}
