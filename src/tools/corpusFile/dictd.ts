/**
 * Articles of a dictionary of the dictd server: `NAME.index` says where each headword's entry lies in `NAME.dict` or
 * `NAME.dict.dz` (gzip). Entries are read in the order in which they lie, so that the text is streamed once; headwords of
 * one entry become its title and its aliases.
 */
import { createReadStream, existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { SparkError } from '../../errors.js';
import { titleKey } from '../child/titles.js';
import { badRow, gunzipped, type SourceArticle } from './source.js';

const DIGITS = new Map(
  [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'].map((digit, value) => [digit, value]),
);

interface Entry {
  readonly start: number;
  readonly end: number;
  readonly headwords: string[];
}

/** `file`: the index. */
export async function* dictdArticles(file: string, source: string): AsyncGenerator<SourceArticle> {
  const stem = file.replace(/\.index$/, '');
  const data = [`${stem}.dict.dz`, `${stem}.dict`].find((one) => existsSync(one));
  if (data === undefined) {
    throw new SparkError(
      'invalid_file',
      `${source}: expected ${stem}.dict.dz or .dict beside it, found neither; fetch it`,
    );
  }
  const entries = await readIndex(file, source);
  const raw = createReadStream(data, { highWaterMark: 1 << 20 });
  const stream = data.endsWith('.dz') ? gunzipped(raw) : raw;
  let held: Buffer = Buffer.alloc(0);
  let at = 0;
  let next = 0;
  try {
    for await (const chunk of stream) {
      held = held.length === 0 ? (chunk as Buffer) : Buffer.concat([held, chunk as Buffer]);
      for (; next < entries.length && entries[next]!.end <= at + held.length; next += 1) {
        const { start, end, headwords } = entries[next]!;
        yield articleOf(decode(held.subarray(start - at, end - at)), headwords);
      }
      // Entries may overlap, so what is kept begins where the next one does.
      const keep = next < entries.length ? Math.min(entries[next]!.start, at + held.length) : at + held.length;
      held = held.subarray(keep - at);
      at = keep;
    }
  } catch (error) {
    throw badRow(source, data, 'a readable dictionary', (error as Error).message);
  } finally {
    raw.destroy();
  }
  if (next < entries.length) {
    throw badRow(source, data, `${entries[next]!.end} bytes or more, as the index says`, `${at + held.length}`);
  }
}

async function readIndex(file: string, source: string): Promise<Entry[]> {
  const entries = new Map<string, Entry>();
  const text = await readFile(file, 'utf8');
  for (const [index, line] of text.split('\n').entries()) {
    if (line === '') continue;
    const [word, offset, length, original] = line.split('\t');
    const [start, size] = [numberOf(offset), numberOf(length)];
    if (!word || start === undefined || size === undefined) {
      throw badRow(
        source,
        `line ${index + 1}`,
        'headword, offset and length of a dictd index',
        JSON.stringify(line.slice(0, 40)),
      );
    }
    if (/^00-?database/.test(word)) continue;
    const key = `${start} ${size}`;
    const entry = entries.get(key) ?? { start, end: start + size, headwords: [] };
    entry.headwords.push(original || word);
    entries.set(key, entry);
  }
  return [...entries.values()].sort((a, b) => a.start - b.start || a.end - b.end);
}

/** dictd's numbers: base 64, the first digit the highest. */
function numberOf(digits: string | undefined): number | undefined {
  if (digits === undefined || digits === '' || digits.length > 8) return undefined;
  let value = 0;
  for (const digit of digits) {
    const one = DIGITS.get(digit);
    if (one === undefined) return undefined;
    value = value * 64 + one;
  }
  return value;
}

/** UTF-8, or Latin-1 where it is none: older dictionaries are, and say so nowhere. */
function decode(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return bytes.toString('latin1');
  }
}

/**
 * An index has headwords in small letters; an entry mostly begins with its own line, which is the better title. `{links}`
 * lose their braces; a line that holds nothing but a mark in brackets, such as `[1913 Webster]`, is left out; lines
 * that were broken to fit 72 columns are joined.
 */
function articleOf(entry: string, headwords: readonly string[]): SourceArticle {
  const keys = new Set(headwords.map(titleKey));
  const end = entry.indexOf('\n');
  const first = (end < 0 ? entry : entry.slice(0, end)).trim();
  const own = keys.has(titleKey(first));
  const body = (own ? entry.slice(end < 0 ? entry.length : end + 1) : entry)
    .replace(/\{([^{}]*)\}/g, '$1')
    .replace(/^\s*\[[^\]\n]{1,40}\]\s*$/gm, '')
    .replace(/[ \t]*\n[ \t]*(?=\S)/g, '\n')
    .replace(/([^\n])\n(?=[^\n])/g, '$1 ')
    .replace(/[ \t]{2,}/g, ' ')
    .trim();
  const title = own ? first : headwords[0]!;
  return { title, text: body, aliases: headwords.filter((word) => titleKey(word) !== titleKey(title)) };
}
