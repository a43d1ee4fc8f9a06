/** Formats the passages that a search found as one observation. */
import { clip, printable } from '../observation.js';

export interface Passage {
  readonly title: string;
  readonly text: string;
}

/** Characters reserved for each passage after the first: enough for a title and the first words. */
const LEAST_CHARS = 32;

/** The best passage gets as much room as it needs, if there is so much; the others share the rest. */
export function layOutPassages(passages: readonly Passage[], maxChars: number): string {
  const lines: string[] = [];
  let left = maxChars;
  passages.forEach(({ title, text }, index) => {
    const after = passages.length - index - 1;
    const room = index === 0 ? left - after * (LEAST_CHARS + 1) : Math.floor((left - after) / (after + 1));
    const line = clip(printable(`${index + 1}. ${title}: ${text}`).replace(/\s*\n\s*/g, ' '), Math.max(0, room));
    lines.push(line);
    left -= line.length + 1;
  });
  return clip(lines.join('\n'), maxChars);
}
