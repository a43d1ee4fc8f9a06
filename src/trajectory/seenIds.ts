/**
 * Which ids a file has had so far, in 16 to 32 bytes each whatever their length: a Set of a million ids would be what a
 * reader of trajectories needs most memory for. It keeps 64 bits of a hash, so a repeated id is always found, and the
 * caller looks again whether what it found is one.
 */
import { createHash } from 'node:crypto';

/** Slots of an empty table, two numbers each; grows at half full, so that a free slot is a step or two away. */
const FIRST = 1 << 10;

export class SeenIds {
  #slots = new Uint32Array(2 * FIRST);
  #count = 0;

  /** False when the id, or by a chance of about n²/2⁶⁵ another of the n, was added before. */
  add(id: string): boolean {
    const hash = createHash('sha1').update(id).digest();
    // 0, 0 marks a free slot.
    const isNew = put(this.#slots, hash.readUInt32LE(0) || 1, hash.readUInt32LE(4));
    if (isNew && 4 * ++this.#count > this.#slots.length) this.#grow();
    return isNew;
  }

  #grow(): void {
    const larger = new Uint32Array(2 * this.#slots.length);
    for (let at = 0; at < this.#slots.length; at += 2) {
      if (this.#slots[at] !== 0) put(larger, this.#slots[at]!, this.#slots[at + 1]!);
    }
    this.#slots = larger;
  }
}

/**
 * What `read` reads, without the repeated: where an id is there twice it throws what `doubled` makes of the two places,
 * counted from 1. The file is read again then, as no reader keeps the ids.
 */
export async function* eachOnce<T extends { readonly id: string }>(
  read: (pass: 'first' | 'again') => AsyncIterable<T>,
  doubled: (id: string, first: number, second: number) => Error,
): AsyncGenerator<T> {
  const seen = new SeenIds();
  let place = 0;
  for await (const one of read('first')) {
    place += 1;
    if (!seen.add(one.id)) {
      let before = 0;
      for await (const { id } of read('again')) {
        before += 1;
        if (before === place) break;
        if (id === one.id) throw doubled(id, before, place);
      }
    }
    yield one;
  }
}

/** Linear probing in a table whose size is a power of two. */
function put(slots: Uint32Array, high: number, low: number): boolean {
  const mask = slots.length - 1;
  for (let at = (2 * low) & mask; ; at = (at + 2) & mask) {
    if (slots[at] === high && slots[at + 1] === low) return false;
    if (slots[at] !== 0) continue;
    slots[at] = high;
    slots[at + 1] = low;
    return true;
  }
}
