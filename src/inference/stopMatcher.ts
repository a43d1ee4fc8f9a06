/** Watches generated tokens for stop texts. */
export class StopMatcher {
  readonly #stops: readonly string[];
  readonly #textOf: (tokens: readonly number[]) => string;
  readonly #tokens: number[] = [];
  readonly #keep: number;
  #tail = '';

  constructor(stops: readonly string[], textOf: (tokens: readonly number[]) => string) {
    this.#stops = stops.filter((stop) => stop !== '');
    this.#textOf = textOf;
    this.#keep = Math.max(0, ...this.#stops.map((stop) => stop.length - 1));
  }

  /** Adds a token; true when the text now holds a stop. */
  push(token: number): boolean {
    this.#tokens.push(token);
    if (this.#stops.length === 0) return false;
    // Each token is detokenized alone, so that the cost does not grow with the text. A character split over tokens
    // comes out wrong, which does not matter: stop texts are ASCII, and an ASCII character is one byte.
    this.#tail += this.#textOf([token]);
    const found = this.#stops.some((stop) => this.#tail.includes(stop));
    this.#tail = this.#keep === 0 ? '' : this.#tail.slice(-this.#keep);
    return found;
  }

  /** The whole text, cut before the first stop. */
  text(): string {
    const text = this.#textOf(this.#tokens);
    const ends = this.#stops.map((stop) => text.indexOf(stop)).filter((at) => at >= 0);
    return ends.length === 0 ? text : text.slice(0, Math.min(...ends));
  }
}
