/** The open sequences of a generator, and its end, which ends them: the same for every generator that hands some out. */
import { SparkError } from '../errors.js';

export class OpenSequences<S extends { dispose(): void }> {
  readonly #open = new Set<S>();
  readonly #remedy: string;
  #ending: Promise<void> | null = null;

  /** `remedy`: what to do about a generator that was disposed: `open the model again`. */
  constructor(remedy: string) {
    this.#remedy = remedy;
  }

  disposed(): SparkError {
    return new SparkError('disposed', `this generator was disposed; ${this.#remedy}`);
  }

  /** Throws `disposed` from the generator's end on. */
  check(): void {
    if (this.#ending !== null) throw this.disposed();
  }

  /** `make` is given what the sequence has to call when it is disposed. Throws `disposed`, and then makes none. */
  add(make: (onDispose: () => void) => S): S {
    this.check();
    const sequence: S = make(() => this.#open.delete(sequence));
    this.#open.add(sequence);
    return sequence;
  }

  /** Disposes of them all, then does `rest`, once. */
  end(rest: () => Promise<void>): Promise<void> {
    this.#ending ??= this.#end(rest);
    return this.#ending;
  }

  async #end(rest: () => Promise<void>): Promise<void> {
    for (const sequence of this.#open) sequence.dispose();
    await rest();
  }
}
