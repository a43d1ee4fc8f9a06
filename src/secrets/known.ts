/** Remembers the secret values that this process has seen, and finds them, or pieces of them, in a text. */
import { type Form, formsOf, lower, readings, type Span } from './spellings.js';

export class KnownSecrets {
  readonly #values = new Set<string>();
  readonly #lowered: string[] = [];
  readonly #forms: Form[] = [];
  /** By length, all pieces of secrets that are long enough to give a secret away. */
  readonly #pieces = new Map<number, Set<string>>();

  /** Ignores a value that looks like an ordinary word, because it would be found everywhere. */
  add(value: string): void {
    if (this.#values.has(value) || !isDistinct(value)) return;
    this.#values.add(value);
    this.#lowered.push(lower(value));
    for (const form of formsOf(value)) {
      this.#forms.push(form);
      const pieces = this.#pieces.get(form.shortest) ?? new Set<string>();
      for (let at = 0; at + form.shortest <= form.text.length; at++)
        pieces.add(form.text.slice(at, at + form.shortest));
      this.#pieces.set(form.shortest, pieces);
    }
  }

  /** Everything that is a piece of a secret, even the little that a cut or a mask has left. For messages. */
  pieces(text: string): Span[] {
    if (this.#values.size === 0) return [];
    const found = this.#maskedEchoes(text);
    for (const reading of readings(text)) {
      const read = lower(reading.text);
      for (const [length, pieces] of this.#pieces) {
        for (let at = 0; at + length <= read.length; at++) {
          if (pieces.has(read.slice(at, at + length))) found.push(reading.span(at, at + length));
        }
      }
    }
    return found;
  }

  /** Whole secrets only. For data, where a piece may be there by chance and replacing it would be damage. */
  whole(text: string): Span[] {
    if (this.#values.size === 0) return [];
    const found: Span[] = [];
    for (const reading of readings(text)) {
      const read = lower(reading.text);
      for (const { text: form } of this.#forms) {
        for (let at = read.indexOf(form); at >= 0; at = read.indexOf(form, at + 1)) {
          found.push(reading.span(at, at + form.length));
        }
      }
    }
    return found;
  }

  /** Finds shorter pieces by their place: beside a mask (`sk-ab***yz`, `ending in wxyz`) or cut off by the text's end. */
  #maskedEchoes(text: string): Span[] {
    const read = lower(text);
    const found: Span[] = [];
    for (const match of read.matchAll(ECHO)) {
      const end = match.index + match[0].length;
      const head = this.#startBefore(read, match.index, 3);
      const tail = this.#endAfter(read, end, 3);
      if (head + tail > 0) found.push({ start: match.index - head, end: end + tail });
    }
    const last = read.length - /["'`)\]}.,]{0,8}$/.exec(read.slice(-8))![0].length;
    const cut = this.#startBefore(read, last, 4);
    if (cut > 0) found.push({ start: last - cut, end: last });
    return found;
  }

  /** Length of the longest start of a secret right before `end`; 0 when it is shorter than `least`. */
  #startBefore(text: string, end: number, least: number): number {
    return this.#longest((value, length) => text.endsWith(value.slice(0, length), end), least);
  }

  #endAfter(text: string, start: number, least: number): number {
    return this.#longest((value, length) => text.startsWith(value.slice(value.length - length), start), least);
  }

  #longest(fits: (value: string, length: number) => boolean, least: number): number {
    let longest = 0;
    for (const value of this.#lowered) {
      for (let length = SHORT; length >= least && length > longest; length--) if (fits(value, length)) longest = length;
    }
    return longest;
  }
}

/** Longest start or end that is searched beside a mask; longer ones are found as pieces. */
const SHORT = 8;
/** A mask, or words before the end of a secret. */
const ECHO = /\*{2,}|•{2,}|…|\.{3,}|x{4,}|#{3,}|\b(?:ends|ending) (?:in|with) ["'`]?/g;

function isDistinct(value: string): boolean {
  if (value.length < 8) return false;
  const ordinary = /^(?:[A-Za-z]?[a-z]+|[0-9]+)$/.test(value);
  return !ordinary || value.length >= 16;
}
