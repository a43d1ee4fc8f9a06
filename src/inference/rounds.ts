/**
 * Lockstep batching: all waiting requests start in the same tick, and the next round starts when the last of them is
 * done and every caller has had the chance to ask again. On its own the inference library starts a batch as soon as the
 * first sequence asks, and sequences that ask a moment later miss it: with 16 sequences its batches hold a few tokens
 * each.
 */
export class Rounds {
  #waiting: (() => Promise<void>)[] = [];
  #running: Promise<unknown> | null = null;

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
        await Promise.all(round.map((start) => start()));
        this.#running = null;
        if (this.#waiting.length > 0) this.#schedule();
        done();
      });
    });
  }
}
