/**
 * Places for sequences on several contexts of one model. A context decodes its sequences together, and a small model does
 * so on one thread (threadsFor); what other cores there are get contexts of their own, which decode beside it.
 */
import type { SparkError } from '../errors.js';
import { Rounds } from './rounds.js';
import { Slots } from './slots.js';

/** A context, the rounds that its sequences are decoded in, and how many more it holds. */
export class Lane<Context> {
  readonly rounds = new Rounds();
  readonly context: Context;
  free: number;

  constructor(context: Context, sequences: number) {
    this.context = context;
    this.free = sequences;
  }
}

export class Lanes<Context> {
  readonly all: readonly Lane<Context>[];
  readonly #slots: Slots;

  constructor(all: readonly Lane<Context>[]) {
    this.all = all;
    this.#slots = new Slots(all.reduce((sum, lane) => sum + lane.free, 0));
  }

  /** A place on the lane that has the most of them left. */
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

  /** Refuses all who wait and all who come. */
  close(error: SparkError): void {
    this.#slots.close(error);
  }

  async idle(): Promise<void> {
    for (const lane of this.all) await lane.rounds.idle();
  }
}

/** Fewer than this beside each other, and the batches are too small to pay. */
const LEAST_SEQUENCES = 2;

/** How many sequences each lane takes, at `perLane` of `threads` threads. */
export function shareSequences(sequences: number, threads: number, perLane: number): number[] {
  const lanes = Math.max(1, Math.min(Math.floor(threads / perLane), Math.floor(sequences / LEAST_SEQUENCES)));
  return Array.from({ length: lanes }, (_, i) => Math.floor((sequences + i) / lanes));
}
