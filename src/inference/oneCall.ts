/** What a sequence is asked comes one at a time, and nothing after it was disposed of. */
import { SparkError } from '../errors.js';

export class OneCall {
  #busy = false;
  #disposed = false;

  get disposed(): boolean {
    return this.#disposed;
  }

  /** Throws `model_busy`, `disposed`. */
  check(): void {
    if (this.#disposed) throw disposedSequence();
    if (this.#busy) throw new SparkError('model_busy', 'this sequence is generating; wait for it, or open another');
  }

  /** `work` continues a sequence of `tokens`. Throws as `check`, and `invalid_argument` where there is nothing to continue. */
  async run<T>(tokens: readonly number[], work: () => Promise<T>): Promise<T> {
    this.check();
    if (tokens.length === 0) {
      throw new SparkError('invalid_argument', 'expected at least one token before anything is generated; append some');
    }
    this.#busy = true;
    try {
      return await work();
    } finally {
      this.#busy = false;
    }
  }

  /** From now on nothing is asked any more. False: that was so before. */
  dispose(): boolean {
    const first = !this.#disposed;
    this.#disposed = true;
    return first;
  }
}

export function disposedSequence(cause?: unknown): SparkError {
  return new SparkError('disposed', 'this sequence was disposed; open another', { cause });
}
