/** Which files a corpus is built from, and the reader of each. */
import { createHash } from 'node:crypto';
import { createReadStream, existsSync, lstatSync, readdirSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { SparkError } from '../../errors.js';
import { dictdArticles } from './dictd.js';
import { jsonlArticles } from './jsonl.js';
import { markdownArticle, textArticle } from './markdown.js';
import { parquetArticles } from './parquet.js';
import type { SourceArticle } from './source.js';

type Reader = (file: string, source: string) => AsyncGenerator<SourceArticle>;

/** Endings that are read. A `.dict` or `.dict.dz` is read through its index. */
const READERS: readonly (readonly [RegExp, Reader])[] = [
  [/\.(jsonl|ndjson)(\.gz)?$/i, jsonlArticles],
  [/\.parquet$/i, parquetArticles],
  [/\.(md|markdown)$/i, markdownArticle],
  [/\.(txt|text)$/i, textArticle],
  [/\.index$/i, dictdArticles],
];
const PART = /\.dict(\.dz)?$/i;

/** Known, and not read; what to do instead. */
const REFUSED: readonly (readonly [RegExp, string])[] = [
  [/\.zim$/i, 'take the Parquet or JSONL of the same articles, or unpack it to text with zimdump'],
  [/\.(zst|bz2|xz|zip|7z|tar|tgz)$/i, 'unpack it first'],
  [/\.(html?|pdf|docx?|epub|xml)$/i, 'convert it to Markdown or text, for example with pandoc'],
  [/\.json$/i, "one JSON object a line is read: convert it with jq -c '.[]' and name it .jsonl"],
  [/\.(csv|tsv|arrow)$/i, 'convert it to Parquet or JSONL'],
];

/** A file that articles are read from. */
export interface SourceFile {
  readonly file: string;
  /** As people see it: its path below the folder that was named, or its own name. */
  readonly name: string;
  readonly bytes: number;
  articles(): AsyncGenerator<SourceArticle>;
}

/** Files below a named folder that hold no articles, with the reason; shown to who builds. */
export interface Skipped {
  readonly name: string;
  readonly why: string;
}

/**
 * The files of each path in turn, those of a folder by name, all levels. Throws `io_error` for a path that is not there and
 * `unsupported_file` for a named file of a kind that is not read; in a folder such files are skipped, and said.
 */
export async function findSources(paths: readonly string[]): Promise<{ files: SourceFile[]; skipped: Skipped[] }> {
  const files: SourceFile[] = [];
  const skipped: Skipped[] = [];
  const seen = new Set<string>();
  for (const given of paths) {
    const top = path.resolve(given);
    const found = statSync(top, { throwIfNoEntry: false });
    if (found === undefined) throw new SparkError('io_error', `no file or folder at ${top}; check the path`);
    const names = found.isDirectory() ? readdirSync(top, { recursive: true, encoding: 'utf8' }).sort() : [''];
    for (const below of names) {
      const file = path.join(top, below);
      const entry = statSync(file, { throwIfNoEntry: false });
      // Below a folder, links to folders are not followed: they may lead back.
      if (entry?.isFile() !== true && lstatSync(file).isSymbolicLink()) {
        skipped.push({ name: below, why: 'a link that leads to no file; if it leads to a folder, name that' });
      }
      if (entry?.isFile() !== true || seen.has(file)) continue;
      // The text of a dictionary whose index is in the same folder.
      if (below !== '' && PART.test(file) && existsSync(file.replace(PART, '.index'))) continue;
      seen.add(file);
      const name = below === '' ? path.basename(file) : below;
      const reader = await readerOf(file);
      if (typeof reader !== 'string')
        files.push({ file, name, bytes: bytesOf(file), articles: () => reader(file, name) });
      else if (below !== '') skipped.push({ name, why: reader });
      else throw new SparkError('unsupported_file', `${file}: ${reader}`);
    }
  }
  if (files.length === 0) {
    const got =
      skipped.length === 0
        ? 'none'
        : `only ${skipped
            .slice(0, 3)
            .map(({ name }) => name)
            .join(', ')}`;
    throw new SparkError(
      'invalid_file',
      `expected files to read articles from (${KINDS}) in ${paths.join(', ')}, found ${got}`,
    );
  }
  return { files, skipped };
}

const KINDS = '.jsonl, .parquet, .md, .txt, .index of dictd';

/** The reader, or why there is none. By the first bytes where they tell, as endings lie. */
async function readerOf(file: string): Promise<Reader | string> {
  const start = await firstBytes(file);
  if (start.toString('latin1') === 'ZIM\u0004') return `ZIM is not read; ${REFUSED[0]![1]}`;
  if (start.toString('latin1') === 'PAR1') return parquetArticles;
  if (PART.test(file)) return 'read through its .index; name that, or the folder';
  const reader = READERS.find(([ending]) => ending.test(file))?.[1];
  if (reader !== undefined) return reader;
  const refused = REFUSED.find(([ending]) => ending.test(file))?.[1];
  return `expected ${KINDS}, got ${path.extname(file) || 'no ending'}${refused === undefined ? '' : `; ${refused}`}`;
}

async function firstBytes(file: string): Promise<Buffer> {
  const handle = await open(file, 'r');
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(4), 0, 4, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

/** The files that hold a source: of a dictionary its index and its text. */
function partsOf(file: string): string[] {
  if (!file.endsWith('.index')) return [file];
  const stem = file.slice(0, -'.index'.length);
  return [file, `${stem}.dict.dz`, `${stem}.dict`].filter((part) => existsSync(part));
}

function bytesOf(file: string): number {
  return partsOf(file).reduce((sum, part) => sum + statSync(part).size, 0);
}

/** sha256 of all that a source is read from. */
export async function sourceSha256({ file }: SourceFile, signal: AbortSignal | undefined): Promise<string> {
  const hash = createHash('sha256');
  for (const part of partsOf(file)) {
    await pipeline(createReadStream(part, { highWaterMark: 1 << 20 }), hash, { end: false, ...(signal && { signal }) });
  }
  return hash.digest('hex');
}
