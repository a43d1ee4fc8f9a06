/**
 * Objects in the text of a model that was asked for JSON: strict JSON, or what models write in its place and means one
 * thing only: Python's True, False, None and single quotes, a comma after the last item, NaN. Nothing is completed and
 * nothing is guessed: an object without its closing brace is none.
 */
import { isScalar, parseDocument, visit } from 'yaml';
import { z } from 'zod';

const objectSchema = z.record(z.string(), z.unknown());

const MAX_OBJECTS = 200;
/** YAML's reader is a hundred times slower than JSON's; no verdict is longer, and no reply needs more attempts. */
const MAX_LENIENT_CHARS = 8192;
const MAX_LENIENT_TRIES = 8;

/** Every outermost object in the text, in order. Not the inner ones of one that cannot be read: they are parts of it. */
export function findObjects(text: string): Record<string, unknown>[] {
  const found: Record<string, unknown>[] = [];
  let lenient = MAX_LENIENT_TRIES;
  let at = text.indexOf('{');
  for (let tries = 0; at >= 0 && tries < MAX_OBJECTS; tries++) {
    const end = objectEnd(text, at);
    const part = end < 0 ? null : text.slice(at, end);
    let object = part === null ? null : parseJson(part);
    if (object === null && part !== null && part.length <= MAX_LENIENT_CHARS && lenient-- > 0)
      object = parseLoose(part);
    if (object !== null) found.push(object);
    at = text.indexOf('{', end < 0 ? at + 1 : end);
  }
  return found;
}

/** Index after the brace that closes the one at `start`, or -1. Braces inside strings do not count. */
function objectEnd(text: string, start: number): number {
  let depth = 0;
  let quoted = false;
  for (let i = start; i < text.length; i++) {
    const c = text[i];
    if (quoted) {
      if (c === '\\') i++;
      else if (c === '"') quoted = false;
    } else if (c === '"') quoted = true;
    else if (c === '{') depth++;
    else if (c === '}' && --depth === 0) return i + 1;
  }
  return -1;
}

function parseJson(text: string): Record<string, unknown> | null {
  // Servers in Python write NaN and Infinity, which are not JSON. As null they cost one score instead of the whole
  // reply.
  return checked(() => JSON.parse(withWords(text, { NaN: 'null', Infinity: 'null' })));
}

/** A mapping in YAML's flow style holds all those forms, and a key that comes twice is an error there. */
function parseLoose(text: string): Record<string, unknown> | null {
  const json = withWords(text, { NaN: 'null', Infinity: 'null', True: 'true', False: 'false', None: 'null' });
  return checked(() => {
    const document = parseDocument(json, { logLevel: 'error' });
    let sure = document.errors.length === 0;
    visit(document, {
      // What YAML allows beyond: `{calculator}` for a key without a value, and whatever stands before a colon as a key.
      Pair(_, { key, value }) {
        const valued = value !== null && !(isScalar(value) && value.value === null && value.source === '');
        sure &&= valued && isScalar(key) && /^[\w .-]+$/.test(String(key.value));
      },
    });
    return sure ? document.toJS({ maxAliasCount: 0 }) : null;
  });
}

/** Puts other words in place of some that stand outside of strings. */
function withWords(text: string, words: Readonly<Record<string, string>>): string {
  const pattern = new RegExp(`"(?:[^"\\\\]|\\\\.)*"|-?\\b(?:${Object.keys(words).join('|')})\\b`, 'g');
  return text.replace(pattern, (token) => (token[0] === '"' ? token : words[token.replace('-', '')]!));
}

function checked(read: () => unknown): Record<string, unknown> | null {
  try {
    const parsed = objectSchema.safeParse(read());
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}
