/** Queues: for a number of places, or for what can be had under any condition. Who waits can stop by an abort signal. */
import { SparkError, throwIfAborted } from '../errors.js';

interface Waiting<T> {
  enter(got: T): void;
  refuse(error: SparkError): void;
}

/** Those who wait until `tryTake` gives something; first come, first served. */
export class Waiters<T> {
  readonly #waiting: Waiting<T>[] = [];
  readonly #tryTake: () => T | null;
  #closed: SparkError | null = null;

  /** `tryTake`: takes what is there, null while there is nothing. */
  constructor(tryTake: () => T | null) {
    this.#tryTake = tryTake;
  }

  async take(signal?: AbortSignal): Promise<T> {
    throwIfAborted(signal);
    if (this.#closed !== null) throw this.#closed;
    const got = this.#waiting.length === 0 ? this.#tryTake() : null;
    if (got !== null) return got;
    return new Promise<T>((resolve, reject) => {
      const leave = () => {
        const at = this.#waiting.indexOf(waiting);
        if (at >= 0) this.#waiting.splice(at, 1);
        reject(new SparkError('interrupted', 'interrupted by the caller', { cause: signal?.reason }));
      };
      const settle = <A>(end: (value: A) => void) => {
        return (value: A) => {
          signal?.removeEventListener('abort', leave);
          end(value);
        };
      };
      const waiting: Waiting<T> = { enter: settle(resolve), refuse: settle(reject) };
      this.#waiting.push(waiting);
      signal?.addEventListener('abort', leave, { once: true });
    });
  }

  /** Has to be called when there may be more to take. */
  wake(): void {
    while (this.#waiting.length > 0) {
      const got = this.#tryTake();
      if (got === null) return;
      this.#waiting.shift()!.enter(got);
    }
  }

  /** Makes every waiting and every later `take` throw `error`. */
  close(error: SparkError): void {
    this.#closed = error;
    for (const waiting of this.#waiting.splice(0)) waiting.refuse(error);
  }
}

/** A number of places with a queue. */
export class Slots {
  readonly #waiters = new Waiters(() => this.#takeFree());
  #free: number;

  constructor(count: number) {
    this.#free = count;
  }

  /** Takes a place, waiting for one if need be. */
  async take(signal?: AbortSignal): Promise<void> {
    await this.#waiters.take(signal);
  }

  give(): void {
    this.#free += 1;
    this.#waiters.wake();
  }

  /** Makes every waiting and every later `take` throw `error`. */
  close(error: SparkError): void {
    this.#waiters.close(error);
  }

  #takeFree(): true | null {
    if (this.#free === 0) return null;
    this.#free -= 1;
    return true;
  }
}
