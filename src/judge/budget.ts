/**
 * What the judge has cost so far, and its hard cap. Before a request the most it can cost is reserved; afterwards the
 * reservation is settled with the usage the server reports. So requests in flight together cannot pass the cap.
 */
import { SparkError, throwIfAborted } from '../errors.js';
import { costOf, type Price, type TokenUsage } from './prices.js';

export interface BudgetOptions {
  /** Null: unknown; allowed only without a cap. */
  readonly price: Price | null;
  /** US dollars; null: no cap. */
  readonly maxCostUsd: number | null;
}

/** Money reserved for one request. The first call of one of the three methods ends it; later calls do nothing. */
export interface Reservation {
  /** The server reported what the request used. */
  settle(usage: TokenUsage): void;
  /** The server may have worked but reported nothing: the most it can have cost counts as spent. */
  lose(): void;
  /** Nothing was used. */
  release(): void;
}

export class Budget {
  readonly price: Price | null;
  readonly maxCostUsd: number | null;
  #spent = 0;
  #reserved = 0;
  #inFlight = 0;
  #waiting: (() => void)[] = [];

  constructor(options: BudgetOptions) {
    if (options.maxCostUsd !== null && options.price === null) {
      throw new SparkError('invalid_config', 'a cap in dollars (judge.maxCostUsd) needs a price: set judge.price');
    }
    this.price = options.price;
    this.maxCostUsd = options.maxCostUsd;
  }

  /** US dollars spent so far, where a request of unknown usage counts at its most; null when no price is known. */
  get spentUsd(): number | null {
    return this.price === null ? null : this.#spent;
  }

  /**
   * Reserves the cost of `most`, an upper bound of the request. Throws `judge_budget` when that would pass the cap;
   * when it would only because of the reservations of requests in flight, waits for those.
   */
  async reserve(most: TokenUsage, signal?: AbortSignal): Promise<Reservation> {
    const cost = this.price === null ? 0 : costOf(most, this.price);
    const cap = this.maxCostUsd ?? Number.POSITIVE_INFINITY;
    for (;;) {
      throwIfAborted(signal);
      if (this.#spent + cost > cap) throw this.#exceeded(cost);
      if (this.#spent + this.#reserved + cost <= cap) break;
      await this.#change(signal);
    }
    this.#reserved += cost;
    this.#inFlight++;
    return this.#reservation(cost);
  }

  #reservation(cost: number): Reservation {
    let open = true;
    const end = (spent: number) => {
      if (!open) return;
      open = false;
      // Set to exactly zero when nothing is in flight: with a rounding remainder the last call could wait for ever.
      this.#reserved = --this.#inFlight === 0 ? 0 : this.#reserved - cost;
      this.#spent += spent;
      for (const wake of this.#waiting.splice(0)) wake();
    };
    return {
      settle: (usage) => end(this.price === null ? 0 : costOf(usage, this.price)),
      lose: () => end(cost),
      release: () => end(0),
    };
  }

  #change(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        signal?.removeEventListener('abort', wake);
        resolve();
      };
      signal?.addEventListener('abort', wake, { once: true });
      this.#waiting.push(wake);
    });
  }

  #exceeded(cost: number): SparkError {
    const spent = this.#spent.toFixed(4);
    return new SparkError(
      'judge_budget',
      `the judge's budget is used up: $${spent} of $${this.maxCostUsd} spent, and the next call may cost $${cost.toFixed(4)}. ` +
        'Every verdict so far is kept; raise judge.maxCostUsd and run again to go on from here',
    );
  }
}
