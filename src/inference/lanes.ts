/**
 * Places for sequences on several contexts of one model. A context decodes its sequences together, a small model's on
 * one thread (`threadsFor`). So that the other cores work too, they get further contexts, which decode at the same
 * time.
 */
import type { SparkError } from '../errors.js';
import { Rounds } from './rounds.js';
import { Slots } from './slots.js';

/** A context, the rounds in which its sequences are decoded, and how many more sequences it has room for. */
export class Lane<Context> {
  readonly context: Context;
  readonly rounds: Rounds;
  free: number;

  constructor(context: Context, sequences: number, rounds = new Rounds()) {
    this.context = context;
    this.free = sequences;
    this.rounds = rounds;
  }
}

export class Lanes<Context> {
  readonly all: readonly Lane<Context>[];
  readonly #slots: Slots;

  constructor(all: readonly Lane<Context>[]) {
    this.all = all;
    this.#slots = new Slots(all.reduce((sum, lane) => sum + lane.free, 0));
  }

  /** Takes a place on the lane with the most free places. */
  async take(signal?: AbortSignal): Promise<Lane<Context>> {
    await this.#slots.take(signal);
    const lane = this.all.reduce((best, one) => (one.free > best.free ? one : best));
    lane.free -= 1;
    return lane;
  }

  give(lane: Lane<Context>): void {
    lane.free += 1;
    this.#slots.give();
  }

  /** Makes every waiting and every later `take` throw `error`. */
  close(error: SparkError): void {
    this.#slots.close(error);
  }

  async idle(): Promise<void> {
    for (const lane of this.all) await lane.rounds.idle();
  }
}

/** Least sequences of a lane; with fewer its batches are too small to pay for it. */
const LEAST_SEQUENCES = 2;

/** How many sequences each lane takes, when each uses `perLane` of `threads` threads. */
export function shareSequences(sequences: number, threads: number, perLane: number): number[] {
  const lanes = Math.max(1, Math.min(Math.floor(threads / perLane), Math.floor(sequences / LEAST_SEQUENCES)));
  return Array.from({ length: lanes }, (_, i) => Math.floor((sequences + i) / lanes));
}
