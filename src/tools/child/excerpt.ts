/** The part of a passage that answers, and several passages as one observation. */
import { clip, printable } from '../observation.js';

/** A passage and its sentences; for each, the terms of the query that it holds. */
export interface Cut {
  readonly title: string;
  readonly text: string;
  readonly sentences: readonly string[];
  readonly holds: readonly ReadonlySet<string>[];
}

/** The sentences in a row, within `room` characters, whose terms weigh most together; the earliest of equal ones. */
export function excerpt({ text, sentences, holds }: Cut, weights: ReadonlyMap<string, number>, room: number): string {
  const whole = oneParagraph(text);
  if (whole.length <= room) return whole;
  let best = { start: 0, weight: -1 };
  for (let start = 0; start < sentences.length; start += 1) {
    const terms = new Set<string>();
    let length = start === 0 ? 0 : 2;
    for (let at = start; at < sentences.length; at += 1) {
      length += sentences[at]!.length + 1;
      // A first sentence that does not fit is cut, and counts all the same.
      if (length > room && at > start) break;
      for (const term of holds[at]!) terms.add(term);
    }
    const weight = [...terms].reduce((sum, term) => sum + (weights.get(term) ?? 0), 0);
    if (weight > best.weight + 1e-9) best = { start, weight };
  }
  const lead = best.start === 0 ? '' : '… ';
  return clip(lead + oneParagraph(sentences.slice(best.start).join(' ')), Math.max(0, room));
}

/** Each on a line with its title: the first gets three fifths of the room, the others the rest; what one leaves is the next's. */
export function laidOut(
  passages: readonly Cut[],
  weights: ReadonlyMap<string, number>,
  maxChars: number,
  { numbered = true } = {},
): string {
  const lines: string[] = [];
  let left = maxChars;
  passages.forEach((passage, index) => {
    const after = passages.length - index - 1;
    const room = after === 0 ? left : Math.floor(left * (index === 0 ? 0.6 : 0.5));
    const number = numbered ? `${index + 1}. ` : '';
    const head = clip(`${number}${oneParagraph(passage.title)}`, Math.max(0, room - 20));
    const line = clip(`${head}: ${excerpt(passage, weights, room - head.length - 2)}`, Math.max(0, room));
    lines.push(line);
    left -= line.length + 1;
  });
  return clip(lines.join('\n'), maxChars);
}

function oneParagraph(text: string): string {
  return printable(text).replace(/\s+/g, ' ').trim();
}
