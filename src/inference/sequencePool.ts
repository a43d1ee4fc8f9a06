/**
 * The sequences of one context. They are kept when a rollout ends, with what is evaluated in them, because the next
 * prompt mostly begins with the same instructions and examples: it gets the sequence that holds most of its start, or
 * a copy, and only the rest is evaluated. Prompts that come at the same time wait for the first of them, so that even
 * then their common start is evaluated once. A sequence between two turns of its owner (lanes.ts) is parked: it is copied
 * from and else left alone, until another needs its place more.
 */
import { SparkError } from '../errors.js';
import type { Parking } from './lanes.js';

/** A sequence of a context and the tokens that are evaluated in it. */
export interface HeldSequence<Self> {
  /** Tokens that it holds. */
  readonly length: number;
  /** How many of `tokens`, from the first on, it holds. */
  holds(tokens: readonly number[]): number;
  /** Drops everything after the first `count` tokens. */
  keep(count: number): Promise<void>;
  /** Holds what `from` holds afterwards; false, with nothing held, when that cannot be done. */
  copy(from: Self): Promise<boolean>;
  /** Gives its place in the context back. */
  discard(): Promise<void>;
}

export interface PoolOptions<S> {
  /** Sequences of the context. */
  readonly size: number;
  /** Takes a place in the context; called for at most `size` sequences that are not discarded. */
  readonly make: () => S;
  /** False: nothing is kept or copied, as with models whose state cannot be cut at any token. */
  readonly reuse: boolean;
  /** False: each sequence evaluates its own prompts' common start. */
  readonly copies: boolean;
  /** Runs a copy between two evaluations of the context. */
  readonly alone: <T>(work: () => Promise<T>) => Promise<T>;
}

/** Tokens of prompts, counted when they were to be evaluated for the first time in their sequence. */
export interface PrefixCounts {
  /** Were there already: kept in the sequence, or copied from another. */
  readonly reused: number;
  readonly evaluated: number;
  /** Evaluated once more, prompt or not, because their sequence had given its place to another. */
  readonly again: number;
}

/** What a parked sequence is found by, until it is resumed, left or evicted. */
export interface Ticket<S> {
  readonly sequence: S;
}

/**
 * A copy moves the memory of a whole context, used or not: 94 MB for 4096 tokens of a 135M model, as long as some ten
 * of its tokens take. So it has to save more.
 */
export const LEAST_COPIED = 32;

/** What a sequence in use is evaluating for the first time; null when that is done. */
interface Start {
  tokens: readonly number[] | null;
  readonly done: Promise<void>;
}

export class SequencePool<S extends HeldSequence<S>> implements Parking {
  readonly #options: PoolOptions<S>;
  /** Longest idle first */
  readonly #idle: S[] = [];
  readonly #busy = new Map<S, Start>();
  readonly #parked = new Set<Ticket<S>>();
  #counts: PrefixCounts = { reused: 0, evaluated: 0, again: 0 };
  #closed: SparkError | null = null;

  constructor(options: PoolOptions<S>) {
    this.#options = options;
  }

  get #copies(): boolean {
    return this.#options.reuse && this.#options.copies;
  }

  get counts(): PrefixCounts {
    return this.#counts;
  }

  get parked(): number {
    return this.#parked.size;
  }

  /**
   * Finds a sequence for a prompt and lets `evaluate` add the tokens that are missing in it, at least the last. `again`:
   * these tokens were evaluated before, in a sequence that was evicted.
   */
  async start<T>(
    tokens: readonly number[],
    evaluate: (sequence: S, missing: readonly number[]) => Promise<T>,
    again = false,
  ): Promise<{ readonly sequence: S; readonly result: T }> {
    // Nothing is awaited between the last look and the choice: two prompts must not both find nobody ahead.
    for (let ahead = this.#ahead(tokens); ahead !== null; ahead = this.#ahead(tokens)) await ahead.done;
    const { sequence, source, count } = this.#choose(tokens);
    let finish: () => void = () => undefined;
    const done = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const start: Start = { tokens, done };
    this.#busy.set(sequence, start);
    try {
      const kept = await this.#prepare(sequence, source, tokens, count);
      this.#count(kept, tokens.length - kept, again);
      const result = await evaluate(sequence, kept === 0 ? tokens : tokens.slice(kept));
      return { sequence, result };
    } catch (error) {
      await this.give(sequence, false);
      throw error;
    } finally {
      start.tokens = null;
      finish();
    }
  }

  /** An empty sequence, for tokens that are to be evaluated one by one whatever was evaluated before. */
  async empty(): Promise<S> {
    if (this.#closed !== null) throw this.#closed;
    const sequence = this.#least();
    this.#busy.set(sequence, { tokens: null, done: Promise.resolve() });
    await sequence.keep(0);
    return sequence;
  }

  /** The owner of a sequence in use rests: it is kept, and given back for the ticket. */
  park(sequence: S): Ticket<S> {
    this.#busy.delete(sequence);
    const ticket = { sequence };
    this.#parked.add(ticket);
    return ticket;
  }

  /** The owner goes on; false when the sequence was evicted meanwhile. */
  resume(ticket: Ticket<S>): boolean {
    if (!this.#parked.delete(ticket)) return false;
    this.#busy.set(ticket.sequence, { tokens: null, done: Promise.resolve() });
    return true;
  }

  /** The owner does not come back. */
  async leave(ticket: Ticket<S>): Promise<void> {
    if (this.resume(ticket)) await this.give(ticket.sequence);
  }

  /** The shortest: whoever comes back to it has the least to evaluate again. */
  evict(): void {
    let least: Ticket<S> | null = null;
    for (const ticket of this.#parked) {
      if (least === null || ticket.sequence.length < least.sequence.length) least = ticket;
    }
    if (least === null) throw new SparkError('internal', 'expected a parked sequence, got none');
    this.#parked.delete(least);
    this.#idle.push(least.sequence);
  }

  /** Takes a sequence back. `whole` false: an evaluation failed, so nobody knows what it holds. */
  async give(sequence: S, whole = true): Promise<void> {
    if (!this.#busy.delete(sequence)) return;
    if (whole && this.#options.reuse && this.#closed === null) {
      this.#idle.push(sequence);
      return;
    }
    // Its place counts as taken until it is free.
    this.#busy.set(sequence, { tokens: null, done: Promise.resolve() });
    await sequence.discard().finally(() => this.#busy.delete(sequence));
  }

  /** Makes every later start throw `error`. */
  close(error: SparkError): void {
    this.#closed = error;
  }

  /** A start under way that evaluates much of `tokens`, which then need not be evaluated here. */
  #ahead(tokens: readonly number[]): Start | null {
    if (!this.#copies || this.#closed !== null) return null;
    const here = Math.max(0, ...[...this.#idle, ...this.#sources()].map((held) => held.holds(tokens)));
    for (const start of this.#busy.values()) {
      if (start.tokens !== null && common(start.tokens, tokens) >= here + LEAST_COPIED) return start;
    }
    return null;
  }

  /** The sequence to use, what to copy into it first, and how many tokens are there then. */
  #choose(tokens: readonly number[]): { sequence: S; source: S | null; count: number } {
    if (this.#closed !== null) throw this.#closed;
    const usable = (held: S): number => Math.min(held.holds(tokens), tokens.length - 1);
    const idle = most(this.#options.reuse ? this.#idle : [], usable);
    const source = most(this.#copies ? this.#sources() : [], usable);
    if (source.count >= idle.count + LEAST_COPIED) {
      return { sequence: this.#least(), source: source.item, count: source.count };
    }
    if (idle.item === null || idle.count === 0) return { sequence: this.#least(), source: null, count: 0 };
    this.#idle.splice(this.#idle.indexOf(idle.item), 1);
    return { sequence: idle.item, source: null, count: idle.count };
  }

  async #prepare(sequence: S, source: S | null, tokens: readonly number[], count: number): Promise<number> {
    if (source === null) {
      await sequence.keep(count);
      return count;
    }
    return this.#options.alone(async () => {
      if (this.#closed !== null) throw this.#closed;
      // The source may have been given to another prompt meanwhile.
      const copied = source.holds(tokens) >= count && (await sequence.copy(source));
      const kept = copied && sequence.holds(tokens) >= count ? count : 0;
      await sequence.keep(kept);
      return kept;
    });
  }

  /** Sequences that others own and that can be copied from: what they hold only grows, unless they are evicted. */
  #sources(): S[] {
    const busy = [...this.#busy].flatMap(([sequence, start]) => (start.tokens === null ? [sequence] : []));
    return [...busy, ...[...this.#parked].map(({ sequence }) => sequence)];
  }

  #count(kept: number, missing: number, anew: boolean): void {
    const { reused, evaluated, again } = this.#counts;
    this.#counts = anew
      ? { reused, evaluated, again: again + missing }
      : { reused: reused + kept, evaluated: evaluated + missing, again };
  }

  /** A sequence whose content is missed least: a new one while there is room, else the one that is idle longest. */
  #least(): S {
    const made = this.#idle.length + this.#busy.size + this.#parked.size;
    if (made < this.#options.size) return this.#options.make();
    return this.#idle.shift() ?? this.#options.make();
  }
}

function most<S>(items: readonly S[], count: (item: S) => number): { item: S | null; count: number } {
  let best: { item: S | null; count: number } = { item: null, count: 0 };
  for (const item of items) {
    const its = count(item);
    if (best.item === null || its > best.count) best = { item, count: its };
  }
  return best;
}

/** How many tokens two prompts have in common at their start. */
function common(a: readonly number[], b: readonly number[]): number {
  const length = Math.min(a.length, b.length);
  for (let at = 0; at < length; at++) if (a[at] !== b[at]) return at;
  return length;
}
