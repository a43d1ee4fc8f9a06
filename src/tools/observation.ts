/** Cuts text to `max` characters and marks the cut. Never splits a surrogate pair. */
export function clip(text: string, max: number): string {
  if (text.length <= max) return text;
  let end = Math.max(0, max - 1);
  if (end > 0 && isHighSurrogate(text.charCodeAt(end - 1))) end -= 1;
  return `${text.slice(0, end).trimEnd()}…`;
}

/** One short line, for error texts a model reads. */
export function oneLine(text: string, max = 160): string {
  return clip(text.replace(/\s+/g, ' ').trim(), max);
}

/**
 * Observations become part of a prompt: control characters (terminal escapes, NUL) and lone surrogates, which no
 * tokenizer agrees on, are replaced; tab and newline stay.
 */
export function printable(text: string): string {
  return text.toWellFormed().replace(/\r\n?/g, '\n').replace(CONTROL, '\ufffd');
}

const CONTROL = /(?![\t\n])\p{Cc}/gu;

function isHighSurrogate(code: number): boolean {
  return code >= 0xd800 && code <= 0xdbff;
}
