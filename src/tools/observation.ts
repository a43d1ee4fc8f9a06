/** Makes text fit to be an observation: cut, on one line, without control characters. */

/** Cuts text to `max` characters and marks the cut with `…`. Never splits a surrogate pair. */
export function clip(text: string, max: number): string {
  if (text.length <= max) return text;
  let end = Math.max(0, max - 1);
  if (end > 0 && isHighSurrogate(text.charCodeAt(end - 1))) end -= 1;
  return `${text.slice(0, end).trimEnd()}…`;
}

/** Text as one short line, for error messages that a model reads. */
export function oneLine(text: string, max = 160): string {
  return clip(text.replace(/\s+/g, ' ').trim(), max);
}

/**
 * Replaces control characters (terminal escapes, NUL) and lone surrogates, which tokenizers treat differently; tab and
 * newline stay.
 */
export function printable(text: string): string {
  return text.toWellFormed().replace(/\r\n?/g, '\n').replace(CONTROL, '\ufffd');
}

const CONTROL = /(?![\t\n])\p{Cc}/gu;

function isHighSurrogate(code: number): boolean {
  return code >= 0xd800 && code <= 0xdbff;
}
