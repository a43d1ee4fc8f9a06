/**
 * Lockstep batching: all waiting requests start in the same tick, and the next round starts when the last of them is
 * done and every caller has had the chance to ask again. On its own the inference library starts a batch as soon as the
 * first sequence asks, and sequences that ask a moment later miss it: with 16 sequences its batches hold a few tokens
 * each.
 */

/** How long something was evaluated, and between which two moments, in milliseconds. */
export interface Decoding {
  readonly busyMs: number;
  /** From the start of the first round to the end of the last; 0 before any. */
  readonly spanMs: number;
}

export class Rounds {
  #waiting: (() => Promise<void>)[] = [];
  #running: Promise<unknown> | null = null;
  readonly #alone: boolean;
  #busyMs = 0;
  #from = Number.POSITIVE_INFINITY;
  #to = Number.NEGATIVE_INFINITY;

  /** `alone`: one job after the other, so that what one computes is rounded whatever else waits. */
  constructor(alone = false) {
    this.#alone = alone;
  }

  /** Of several rounds that run side by side: the mean of their busy times, in the span of all of them. */
  static decoding(all: readonly Rounds[]): Decoding {
    const busyMs = all.reduce((sum, one) => sum + one.#busyMs, 0) / all.length;
    const span = Math.max(...all.map((one) => one.#to)) - Math.min(...all.map((one) => one.#from));
    return { busyMs, spanMs: Math.max(0, span) };
  }

  /** Runs `job` in the next round. */
  run<T>(job: () => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#waiting.push(() => job().then(resolve, reject));
      this.#schedule();
    });
  }

  /** Resolves when nothing runs and nothing waits. */
  async idle(): Promise<void> {
    while (this.#running !== null) await this.#running;
  }

  #schedule(): void {
    if (this.#running !== null) return;
    this.#running = new Promise<void>((done) => {
      setImmediate(async () => {
        const round = this.#waiting;
        this.#waiting = [];
        await this.#timed(round);
        this.#running = null;
        if (this.#waiting.length > 0) this.#schedule();
        done();
      });
    });
  }

  async #timed(round: readonly (() => Promise<void>)[]): Promise<void> {
    const began = performance.now();
    if (this.#alone) for (const start of round) await start();
    else await Promise.all(round.map((start) => start()));
    const ended = performance.now();
    this.#busyMs += ended - began;
    this.#from = Math.min(this.#from, began);
    this.#to = ended;
  }
}
