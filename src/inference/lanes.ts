/**
 * Places for sequences on several contexts of one model. A context decodes its sequences together, a small model's on
 * one thread (`threadsFor`). So that the other cores work too, they get further contexts, which decode at the same
 * time.
 *
 * A sequence takes a place for as long as something is evaluated in it: a turn. Between two turns, while its caller waits
 * for a judge or a tool, it stays where it is, and goes on at once; but where too few of a context's places decode, the
 * others wait in vain, and it gives its place to one of those.
 */
import type { SparkError } from '../errors.js';
import { Rounds } from './rounds.js';
import { Waiters } from './slots.js';

/** The sequences of a context that are between two turns. */
export interface Parking {
  readonly parked: number;
  /** One of them loses its place: the one that is evaluated anew at the least cost. */
  evict(): void;
}

/** A context, the rounds in which its sequences are decoded, and how many more sequences it has room for. */
export class Lane<Context extends Parking> {
  readonly context: Context;
  readonly rounds: Rounds;
  readonly size: number;
  /** Sequences in which something is evaluated. */
  turns = 0;

  constructor(context: Context, sequences: number, rounds = new Rounds()) {
    this.context = context;
    this.size = sequences;
    this.rounds = rounds;
  }

  get free(): number {
    return this.size - this.turns - this.context.parked;
  }
}

export class Lanes<Context extends Parking> {
  readonly all: readonly Lane<Context>[];
  readonly #least: (size: number) => number;
  readonly #waiters = new Waiters(() => this.#find());

  /** `least`: with fewer turns on a lane of a size one that rests loses its place to one that waits; 0: none ever does. */
  constructor(all: readonly Lane<Context>[], least: (size: number) => number = whenNoneDecodes) {
    this.all = all;
    this.#least = least;
  }

  /** Begins a turn on the lane with the most free places. */
  take(signal?: AbortSignal): Promise<Lane<Context>> {
    return this.#waiters.take(signal);
  }

  /** Begins a turn of a sequence that the lane's context has kept. */
  resume(lane: Lane<Context>): void {
    lane.turns += 1;
  }

  /** Ends a turn. */
  give(lane: Lane<Context>): void {
    lane.turns -= 1;
    this.wake();
  }

  /** Has to be called when a context keeps a sequence less. */
  wake(): void {
    this.#waiters.wake();
  }

  /** Makes every waiting and every later `take` throw `error`. */
  close(error: SparkError): void {
    this.#waiters.close(error);
  }

  async idle(): Promise<void> {
    for (const lane of this.all) await lane.rounds.idle();
  }

  #find(): Lane<Context> | null {
    const emptiest = this.all.reduce((best, one) => (one.free > best.free ? one : best));
    if (emptiest.free === 0) {
      const idlest = this.all.reduce((best, one) => (one.turns < best.turns ? one : best));
      if (idlest.turns >= this.#least(idlest.size)) return null;
      idlest.context.evict();
      idlest.turns += 1;
      return idlest;
    }
    emptiest.turns += 1;
    return emptiest;
  }
}

/** On a processor, where reading a text again takes as long as writing some: only a context that would stand still pays it. */
export const whenNoneDecodes = (): number => 1;
/** On a GPU, where a batch costs hardly more than one sequence, and reading is far faster than writing. */
export const belowHalf = (size: number): number => size / 2;
/** Where who has had a turn keeps the place until it is given back. */
export const never = (): number => 0;

/** Least sequences of a lane; with fewer its batches are too small to pay for it. */
const LEAST_SEQUENCES = 2;

/** How many sequences each lane takes, when each uses `perLane` of `threads` threads. */
export function shareSequences(sequences: number, threads: number, perLane: number): number[] {
  const lanes = Math.max(1, Math.min(Math.floor(threads / perLane), Math.floor(sequences / LEAST_SEQUENCES)));
  return Array.from({ length: lanes }, (_, i) => Math.floor((sequences + i) / lanes));
}
