/** What every reader of a kind of file gives, and the errors and cleaning they share. */
import type { Readable } from 'node:stream';
import { createGunzip, type Gunzip } from 'node:zlib';
import { SparkError } from '../../errors.js';

/** An article as a file holds it. */
export interface SourceArticle {
  readonly title: string;
  /** Paragraphs are separated by empty lines. */
  readonly text: string;
  readonly url?: string | undefined;
  /** Other titles under which it is found: redirects, synonyms, headwords that share one entry. */
  readonly aliases?: readonly string[];
  /** Set when this is no article but another name for the one with that title; `text` is empty then. */
  readonly redirect?: string;
}

/** Longest text of one article, and so longest line: nobody wrote more by hand, and it has to be held in memory. */
export const MOST_CHARS = 64 * 2 ** 20;

export function badRow(source: string, where: string, expected: string, got: string): SparkError {
  return new SparkError('invalid_file', `${source}: ${where}: expected ${expected}, got ${got}; mend or remove it`);
}

const CONTROL = /(?![\t\n])\p{Cc}/gu;

/** Text without control characters and lone surrogates, lines ending in \n. */
export function cleaned(text: string): string {
  return text.toWellFormed().replace(/\r\n?/g, '\n').replace(CONTROL, ' ');
}

/** The target of a page that only points at another, as Wikipedia's dumps write it; undefined for any other text. */
export function redirectTarget(text: string): string | undefined {
  return /^\s*#redirect:?\s*\[\[([^\]#|]+)/i.exec(text.slice(0, 400))?.[1]?.trim();
}

/** What a gzipped stream holds, a MiB at a time: each part is joined to what is held of a line. A failure to read the file ends it too, which `pipe` alone does not do. */
export function gunzipped(raw: Readable): Gunzip {
  const gunzip = createGunzip({ chunkSize: 1 << 20 });
  raw.on('error', (error) => gunzip.destroy(error));
  return raw.pipe(gunzip);
}
