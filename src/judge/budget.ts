/**
 * What the judge has used so far, and its hard caps in dollars, tokens and requests. Before a request the most it can use
 * is reserved; afterwards the reservation is settled with the usage the server reports. So requests in flight together
 * cannot pass a cap.
 */
import { SparkError, throwIfAborted } from '../errors.js';
import { costOf, type Price, type TokenUsage } from './prices.js';

export interface BudgetOptions {
  /** Null: unknown; allowed only without a cap in dollars. */
  readonly price: Price | null;
  /** US dollars; null: no cap. */
  readonly maxCostUsd: number | null;
  /** Tokens read and written; default: no cap. */
  readonly maxTotalTokens?: number | null;
  /** Default: no cap. */
  readonly maxRequests?: number | null;
}

/** Amounts of what is capped. */
interface Amounts {
  readonly dollars: number;
  readonly tokens: number;
  readonly requests: number;
}

const NOTHING: Amounts = { dollars: 0, tokens: 0, requests: 0 };
const KINDS = ['dollars', 'tokens', 'requests'] as const;

/** What is reserved for one request. The first call of one of the three methods ends it; later calls do nothing. */
export interface Reservation {
  /** The server reported what the request used. */
  settle(usage: TokenUsage): void;
  /** The server may have worked but reported nothing: the most it can have used counts. */
  lose(): void;
  /** Nothing was used. */
  release(): void;
}

export class Budget {
  readonly price: Price | null;
  readonly maxCostUsd: number | null;
  readonly #caps: Amounts;
  #spent = NOTHING;
  #reserved = NOTHING;
  #inFlight = 0;
  #waiting: (() => void)[] = [];

  constructor(options: BudgetOptions) {
    if (options.maxCostUsd !== null && options.price === null) {
      throw new SparkError('invalid_config', 'a cap in dollars (judge.maxCostUsd) needs a price: set judge.price');
    }
    this.price = options.price;
    this.maxCostUsd = options.maxCostUsd;
    this.#caps = {
      dollars: this.maxCostUsd ?? Number.POSITIVE_INFINITY,
      tokens: options.maxTotalTokens ?? Number.POSITIVE_INFINITY,
      requests: options.maxRequests ?? Number.POSITIVE_INFINITY,
    };
  }

  /** US dollars spent so far, where a request of unknown usage counts at its most; null when no price is known. */
  get spentUsd(): number | null {
    return this.price === null ? null : this.#spent.dollars;
  }

  /**
   * Reserves what `most`, an upper bound of the request, uses. Throws `judge_budget` when that would pass a cap; when it
   * would only because of the reservations of requests in flight, waits for those.
   */
  async reserve(most: TokenUsage, signal?: AbortSignal): Promise<Reservation> {
    for (;;) {
      throwIfAborted(signal);
      const reservation = this.tryReserve(most);
      if (reservation !== null) return reservation;
      await this.#change(signal);
    }
  }

  /** As `reserve`, but null instead of waiting. `price`: of this request, when it is not the budget's own. */
  tryReserve(most: TokenUsage, price: Price | null = this.price): Reservation | null {
    const amounts = amountsOf(most, price);
    const over = KINDS.find((kind) => this.#spent[kind] + amounts[kind] > this.#caps[kind]);
    if (over !== undefined) throw this.#exceeded(over, amounts);
    if (KINDS.some((kind) => this.#spent[kind] + this.#reserved[kind] + amounts[kind] > this.#caps[kind])) return null;
    return this.commit(most, price);
  }

  /** Reserves whatever the caps say: for a request that was sent before this budget was made. */
  commit(most: TokenUsage, price: Price | null = this.price): Reservation {
    const amounts = amountsOf(most, price);
    this.#reserved = sum(this.#reserved, amounts);
    this.#inFlight++;
    let open = true;
    const end = (spent: Amounts) => {
      if (!open) return;
      open = false;
      // Set to exactly zero when nothing is in flight: with a rounding remainder the last call could wait for ever.
      this.#reserved = --this.#inFlight === 0 ? NOTHING : sum(this.#reserved, amounts, -1);
      this.#spent = sum(this.#spent, spent);
      for (const wake of this.#waiting.splice(0)) wake();
    };
    return {
      settle: (usage) => end(amountsOf(usage, price)),
      lose: () => end(amounts),
      release: () => end(NOTHING),
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

  #exceeded(kind: keyof Amounts, amounts: Amounts): SparkError {
    const said = (value: number) => (kind === 'dollars' ? `$${value.toFixed(4)}` : `${value} ${kind}`);
    const key = { dollars: 'maxCostUsd', tokens: 'maxTotalTokens', requests: 'maxRequests' }[kind];
    const cap = kind === 'dollars' ? `$${this.maxCostUsd}` : `${this.#caps[kind]} ${kind}`;
    return new SparkError(
      'judge_budget',
      `the judge's budget is used up: ${said(this.#spent[kind])} of ${cap} spent, and the next call may take ${said(amounts[kind])}. ` +
        `Every verdict so far is kept; raise judge.${key} and run again to go on from here`,
    );
  }
}

function amountsOf(usage: TokenUsage, price: Price | null): Amounts {
  const dollars = price === null ? 0 : costOf(usage, price);
  return { dollars, tokens: usage.inputTokens + usage.outputTokens, requests: 1 };
}

function sum(a: Amounts, b: Amounts, sign: 1 | -1 = 1): Amounts {
  return {
    dollars: a.dollars + sign * b.dollars,
    tokens: a.tokens + sign * b.tokens,
    requests: a.requests + sign * b.requests,
  };
}
