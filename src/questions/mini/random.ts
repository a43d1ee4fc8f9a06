/**
 * Seeded randomness for the built-in question set. Everything in `mini` is a pure function of the strings hashed here,
 * so every machine makes the same rows.
 */
import { seededRandom } from '../../random.js';

/** FNV-1a over UTF-16 units, then murmur3's final mix: 32 bits, unsigned. */
export function hashText(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) {
    h ^= text.charCodeAt(i);
    h = Math.imul(h, 0x01000193);
  }
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** A number in [0, 1) that depends only on the text. */
export function unitOf(text: string): number {
  return hashText(text) / 2 ** 32;
}

export interface Random {
  /** In [0, 1). */
  unit(): number;
  /** Integer in [low, high], both included. */
  int(low: number, high: number): number;
  pick<T>(list: readonly T[]): T;
  /** A shuffled copy. */
  shuffle<T>(list: readonly T[]): T[];
}

export function randomOf(seed: string): Random {
  const unit = seededRandom(hashText(seed));
  const int = (low: number, high: number): number => low + Math.floor(unit() * (high - low + 1));
  return {
    unit,
    int,
    pick: (list) => {
      if (list.length === 0) throw new RangeError('pick from an empty list');
      return list[int(0, list.length - 1)]!;
    },
    shuffle: (list) => {
      const out = [...list];
      for (let i = out.length - 1; i > 0; i -= 1) {
        const j = int(0, i);
        [out[i], out[j]] = [out[j]!, out[i]!];
      }
      return out;
    },
  };
}
