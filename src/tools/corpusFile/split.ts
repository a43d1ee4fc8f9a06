/** Cuts an article into passages: whole paragraphs while they fit, a longer paragraph at the ends of its sentences. */
import { sentences } from '../child/sentences.js';

export interface SplitSettings {
  /** Most characters of a passage. */
  readonly passageChars: number;
  /** Characters at the end of a passage, in whole sentences, with which the next one begins. */
  readonly overlapChars: number;
}

/** The passages, in order. A sentence that is longer than a passage is cut between words. */
export function passagesOf(text: string, { passageChars, overlapChars }: SplitSettings): string[] {
  const passages: string[] = [];
  let begun: string[] = [];
  let length = 0;
  let fresh = 0;
  const end = (): void => {
    if (fresh === 0) return;
    passages.push(begun.join('').trim());
    begun = tail(begun, overlapChars);
    length = begun.reduce((sum, one) => sum + one.length, 0);
    fresh = 0;
  };
  const add = (piece: string): void => {
    if (length + piece.length > passageChars) end();
    if (length + piece.length > passageChars) [begun, length] = [[], 0];
    begun.push(piece);
    length += piece.length;
    fresh += 1;
  };
  for (const paragraph of text.split(/\n\s*\n/).map((one) => one.trim())) {
    if (paragraph === '') continue;
    if (length + paragraph.length > passageChars) end();
    if (paragraph.length <= passageChars - length) add(`${paragraph}\n\n`);
    else for (const one of sentences(paragraph).flatMap((long) => wordwise(long, passageChars))) add(`${one} `);
  }
  end();
  return passages;
}

function tail(pieces: readonly string[], most: number): string[] {
  const kept: string[] = [];
  let left = most;
  for (const piece of [...pieces].reverse()) {
    left -= piece.length;
    if (left < 0) break;
    kept.unshift(piece);
  }
  // All of them would make a passage that only repeats the one before.
  return kept.length === pieces.length ? [] : kept;
}

function wordwise(sentence: string, most: number): string[] {
  const parts: string[] = [];
  let rest = sentence;
  while (rest.length > most - 2) {
    const space = rest.lastIndexOf(' ', most - 2);
    // Not between the two halves of one character.
    const last = most - 2 - (/[\udc00-\udfff]/.test(rest[most - 2]!) ? 1 : 0);
    const at = space > most / 2 ? space : last;
    parts.push(rest.slice(0, at));
    rest = rest.slice(at).trimStart();
  }
  return rest === '' ? parts : [...parts, rest];
}
