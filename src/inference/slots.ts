/** A number of places with a queue; whoever waits can stop waiting by an abort signal. */
import { SparkError, throwIfAborted } from '../errors.js';

interface Waiting {
  enter(): void;
  refuse(error: SparkError): void;
}

export class Slots {
  readonly #waiting: Waiting[] = [];
  #free: number;
  #closed: SparkError | null = null;

  constructor(count: number) {
    this.#free = count;
  }

  /** Takes a place, waiting for one if need be; first come, first served. */
  async take(signal?: AbortSignal): Promise<void> {
    throwIfAborted(signal);
    if (this.#closed !== null) throw this.#closed;
    if (this.#free > 0) {
      this.#free -= 1;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const leave = () => {
        const at = this.#waiting.indexOf(waiting);
        if (at >= 0) this.#waiting.splice(at, 1);
        reject(new SparkError('interrupted', 'interrupted by the caller', { cause: signal?.reason }));
      };
      const waiting: Waiting = {
        enter: () => {
          signal?.removeEventListener('abort', leave);
          resolve();
        },
        refuse: (error) => {
          signal?.removeEventListener('abort', leave);
          reject(error);
        },
      };
      this.#waiting.push(waiting);
      signal?.addEventListener('abort', leave, { once: true });
    });
  }

  give(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free += 1;
    else next.enter();
  }

  /** Makes every waiting and every later `take` throw `error`. */
  close(error: SparkError): void {
    this.#closed = error;
    for (const waiting of this.#waiting.splice(0)) waiting.refuse(error);
  }
}
