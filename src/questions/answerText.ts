/**
 * Reads what a text answers where there are no letters: what follows the LAST `answer is` or `answer:` up to the end of its
 * line, else the content of the last `\boxed{…}`, else, in an answer block, all of it. The last, because a model may change
 * its mind.
 */

/** Longer answers are not read. It bounds the time of every verifier. */
export const MOST_CHARACTERS = 4000;

/** Where the text stands: an answer block is nothing but the answer, a chain of thought ends with it. */
export type AnswerPlace = 'block' | 'chain';

const SENTENCE = /answer(?: is|:)(?![\w'’])[ \t]*:?/gi;
const BOXED = '\\boxed{';

/**
 * Readings of the answer, the likeliest first: a line without what wraps it, its first sentence, when a model goes on after it,
 * and the line but for its dot, for an expression that names a wrap. None when there is no answer.
 */
export function answersIn(text: string, place: AnswerPlace): string[] {
  const line = (stated(text) ?? boxed(text) ?? (place === 'block' ? text : '')).trim();
  if (line.length > MOST_CHARACTERS) return [];
  const whole = unwrapped(line);
  if (whole === '') return [];
  const end = whole.search(/[.!?]\s+\p{L}/u);
  const sentence = end < 0 ? '' : unwrapped(whole.slice(0, end));
  return [...new Set([whole, sentence, line.replace(/\.$/, '')])].filter((reading) => reading !== '');
}

/** What the last sentence of this form says; the next line where nothing follows on its own. */
function stated(text: string): string | null {
  let said: string | null = null;
  for (const match of text.matchAll(SENTENCE)) {
    const rest = text
      .slice(match.index + match[0].length, match.index + match[0].length + MOST_CHARACTERS + 2)
      .trimStart();
    const line = rest.split('\n', 1)[0]!.trim();
    // `**Answer:**` and nothing behind it
    if (/[^*_\s]/.test(line)) said = line;
    else said = rest.slice(line.length).trimStart().split('\n', 1)[0]!.trim() || said;
  }
  return said;
}

/** The content of the last `\boxed{…}`, with its own braces. */
function boxed(text: string): string | null {
  const start = text.lastIndexOf(BOXED);
  return start < 0 ? null : inBraces(text, start + BOXED.length - 1);
}

function inBraces(text: string, open: number): string | null {
  let depth = 0;
  for (let at = open; at < text.length; at++) {
    if (text[at] === '{') depth++;
    else if (text[at] === '}' && --depth === 0) return text.slice(open + 1, at);
  }
  return null;
}

const PAIRS: readonly (readonly [string, string])[] = [
  ['**', '**'],
  ['$$', '$$'],
  ['$', '$'],
  ['\\(', '\\)'],
  ['\\[', '\\]'],
  ['`', '`'],
  ['"', '"'],
  ['“', '”'],
  ["'", "'"],
  ['(', ')'],
];
const COMMANDS = [BOXED, '\\text{', '\\mathrm{'];

/** Without Markdown, LaTeX, quotes and parentheses around all of it, and without a dot at its end. */
export function unwrapped(text: string): string {
  let inner = text.trim();
  for (;;) {
    const next = unwrappedOnce(inner).trim();
    if (next === inner) return inner;
    inner = next;
  }
}

function unwrappedOnce(text: string): string {
  if (text.endsWith('.') && !text.endsWith('..')) return text.slice(0, -1);
  for (const [before, after] of PAIRS) {
    const inner = text.slice(before.length, -after.length);
    const wraps = text.length > before.length + after.length && text.startsWith(before) && text.endsWith(after);
    if (wraps && !inner.includes(after)) return inner;
  }
  for (const command of COMMANDS) {
    if (!text.startsWith(command)) continue;
    const inner = inBraces(text, command.length - 1);
    if (inner !== null && inner.length === text.length - command.length - 1) return inner;
  }
  // The end of an emphasis that began before the answer: **Answer: 42**
  return text.endsWith('**') && text.indexOf('**') === text.length - 2
    ? text.slice(0, -2)
    : text.replace(/^\*\*(?!.*\*\*)/s, '');
}
