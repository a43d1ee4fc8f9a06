import { clip, printable } from '../observation.js';

export interface Passage {
  readonly title: string;
  readonly text: string;
}

/** What the second and third passage are sure of: a title and the first words. */
const LEAST_CHARS = 32;

/** The best passage is given as whole as fits; the ones after it share what it leaves. */
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
