/**
 * The ways in which a text can contain a secret in another spelling: encoded as a whole (base64, hex), or character by
 * character (percent signs in URLs, backslashes in JSON, entities in HTML), also nested.
 */
import { Buffer } from 'node:buffer';

/** A part of a text, `end` excluded. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** A decoded text; `span` maps a part of it to the part of the original that spells it. */
export interface Reading {
  readonly text: string;
  span(start: number, end: number): Span;
}

/** A spelling to search for, and the shortest piece that counts: in hex 16 digits, which are eight characters. */
export interface Form {
  readonly text: string;
  readonly shortest: number;
}

const SHORTEST = 8;
/** Most layers of encoding to undo; JSON in JSON in a URL has three. */
const MOST_LAYERS = 4;

/** Lower case, because servers and header tables change case. ASCII only, so that indices stay the same. */
export function lower(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

export function formsOf(secret: string): Form[] {
  const hex = Buffer.from(secret).toString('hex');
  const plain = [secret, encodeURIComponent(secret.toWellFormed()), ...base64Forms(secret)];
  return [
    ...[...new Set(plain)].map((text) => ({ text: lower(text), shortest: Math.min(SHORTEST, text.length) })),
    { text: hex, shortest: 2 * SHORTEST },
  ];
}

/**
 * Base64 encodes three bytes at a time, so a secret has three spellings, depending on the length of what stands before
 * it (`user:` in Basic credentials). Characters that also encode bits of the neighbours are left out.
 */
function base64Forms(secret: string): string[] {
  const bytes = Buffer.from(secret);
  const forms = [0, 1, 2].map((offset) => {
    const coded = Buffer.concat([Buffer.alloc(offset), bytes])
      .toString('base64')
      .replace(/=+$/, '');
    const whole = Math.floor(((offset + bytes.length) * 8) / 6);
    return coded.slice(Math.ceil((offset * 8) / 6), whole);
  });
  return forms.flatMap((form) => [form, form.replaceAll('+', '-').replaceAll('/', '_')]);
}

const CODED =
  /%[0-9a-f]{2}|\\u[0-9a-f]{4}|\\x[0-9a-f]{2}|\\[^ux]|&#x[0-9a-f]{1,6};|&#[0-9]{1,7};|&(?:amp|lt|gt|quot|apos);/gi;
const NAMED: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };
const ESCAPED: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', b: '\b', f: '\f' };

/** The text as it is, then with one layer of encoding after another undone. */
export function* readings(text: string): Generator<Reading> {
  let reading: Reading = { text, span: (start, end) => ({ start, end }) };
  yield reading;
  for (let layer = 0; layer < MOST_LAYERS; layer++) {
    const next = decoded(reading);
    if (next === null) return;
    reading = next;
    yield reading;
  }
}

function decoded(outer: Reading): Reading | null {
  const starts: number[] = [];
  const ends: number[] = [];
  let text = '';
  let done = 0;
  const copyTo = (end: number) => {
    for (let at = done; at < end; at++) {
      starts.push(at);
      ends.push(at + 1);
    }
    text += outer.text.slice(done, end);
  };
  for (const match of outer.text.matchAll(CODED)) {
    copyTo(match.index);
    done = match.index + match[0].length;
    // A decoded character may be two code units; the whole match spells each of them.
    const character = characterOf(match[0]);
    for (const _unit of character.split('')) {
      starts.push(match.index);
      ends.push(done);
    }
    text += character;
  }
  if (done === 0) return null;
  copyTo(outer.text.length);
  return {
    text,
    span: (start, end) => outer.span(starts[start]!, ends[end - 1]!),
  };
}

function characterOf(coded: string): string {
  if (coded[0] === '%') return String.fromCharCode(Number.parseInt(coded.slice(1), 16));
  if (coded[0] === '\\') {
    if (/^\\[ux]./i.test(coded)) return String.fromCharCode(Number.parseInt(coded.slice(2), 16));
    return ESCAPED[coded[1]!] ?? coded[1]!;
  }
  const number = /^&#(x?)([0-9a-f]+);$/i.exec(coded);
  if (number === null) return NAMED[coded.slice(1, -1).toLowerCase()]!;
  const code = Number.parseInt(number[2]!, number[1] === '' ? 10 : 16);
  return code <= 0x10ffff ? String.fromCodePoint(code) : '\ufffd';
}
