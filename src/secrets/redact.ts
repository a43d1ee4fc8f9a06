/**
 * Hides secrets in text. Errors, log lines, files and the terminal all use it, so that no key, header, password or
 * piece of one gets into them, whoever wrote the text.
 */
import { KnownSecrets } from './known.js';
import { maskPatterns } from './patterns.js';
import { type Environment, secretsInArguments, secretsInEnvironment, secretsInUrls } from './sources.js';
import type { Span } from './spellings.js';

const MASK = '***';
const known = new KnownSecrets();
let environmentNoted = false;

/** From now on this value is hidden, and so are its parts between spaces or line breaks. */
export function noteSecret(value: string): void {
  for (const part of [value, ...value.split(/\s+/), ...secretsInUrls(value)]) known.add(part);
}

/** Notes keys, tokens and passwords in environment variables, and those in their URLs (proxies, base URLs). */
export function noteEnvironment(env: Environment): void {
  for (const secret of secretsInEnvironment(env)) noteSecret(secret);
}

export function noteArguments(args: readonly string[]): void {
  for (const secret of secretsInArguments(args)) noteSecret(secret);
}

/** For messages: hides known secrets, every piece of them, and whatever looks like a secret. */
export function redact(text: string): string {
  noteOwnEnvironment();
  return maskPatterns(masked(text, known.pieces(text)));
}

/** For data, which must not change by chance: hides only known secrets, and only whole ones. */
export function redactKnown(text: string): string {
  noteOwnEnvironment();
  return masked(text, known.whole(text));
}

/** JSON for a file, with `redactKnown` applied to every string and key. */
export function redactedJson(value: unknown, options: JsonOptions = {}): string {
  const { space, replacer = (_key, inner) => inner } = options;
  return JSON.stringify(
    value,
    function (this: unknown, key, inner) {
      const replaced = replacer.call(this, key, inner);
      if (typeof replaced === 'string') return redactKnown(replaced);
      return isRecord(replaced) ? withRedactedKeys(replaced) : replaced;
    },
    space,
  );
}

export interface JsonOptions {
  readonly space?: number;
  readonly replacer?: (key: string, value: unknown) => unknown;
}

/** Programs that import the package do not go through our command line, so the environment is noted at the first use. */
function noteOwnEnvironment(): void {
  if (environmentNoted) return;
  environmentNoted = true;
  noteEnvironment(process.env);
}

function masked(text: string, found: readonly Span[]): string {
  if (found.length === 0) return text;
  let out = '';
  let done = 0;
  for (const { start, end } of found.toSorted((a, b) => a.start - b.start)) {
    if (start >= done && !(start === done && done > 0)) out += text.slice(done, start) + MASK;
    done = Math.max(done, end);
  }
  return out + text.slice(done);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

function withRedactedKeys(record: Record<string, unknown>): Record<string, unknown> {
  const keys = Object.keys(record);
  if (keys.every((key) => redactKnown(key) === key)) return record;
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [redactKnown(key), value]));
}
