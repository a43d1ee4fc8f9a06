/** Builds a corpus file from files of articles. It gets its name only when it is whole. */
import { existsSync, renameSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { isNodeError, SparkError, throwIfAborted, toSparkError, writeError } from '../../errors.js';
import { type TakenLock, takeLock } from '../../lockFile.js';
import { checkKeys, type KeysOf } from '../../options.js';
import { TOKENIZER } from '../child/corpusDatabase.js';
import { type CorpusSeal, refuseLongSeal, writeSeal } from './seal.js';
import { cleaned, type SourceArticle } from './source.js';
import { findSources, type SourceFile, sourceSha256 } from './sources.js';
import { passagesOf, type SplitSettings } from './split.js';
import { CorpusWriter } from './writer.js';

/** Options of `buildCorpus`. */
export interface BuildOptions {
  /** Most characters of a passage, 100 to 10,000; default 600. */
  readonly passageChars?: number;
  /** Characters, in whole sentences, that a passage repeats of the one before; default 100, or half of a shorter passage, which is the most. */
  readonly overlapChars?: number;
  /** Replace a file that is there. */
  readonly overwrite?: boolean;
  readonly signal?: AbortSignal;
  /** Called now and then. */
  readonly onProgress?: (message: string) => void;
}

const OPTIONS = {
  passageChars: true,
  overlapChars: true,
  overwrite: true,
  signal: true,
  onProgress: true,
} as const satisfies KeysOf<BuildOptions>;

const EVERY = 1000;

/**
 * Builds the corpus file `out` from files and folders: JSONL, Parquet, Markdown, text, dictionaries of dictd. Equal
 * files in the same order, named alike, make an equal corpus, byte by byte. Throws `invalid_argument`, `invalid_file` naming the
 * row that is wrong, `unsupported_file`, `io_error`, `disk_full`, `run_locked` where another build writes the same file,
 * `interrupted`; whatever it throws, nothing of it is left, and the next build begins anew.
 */
export async function buildCorpus(
  paths: readonly string[],
  out: string,
  options: BuildOptions = {},
): Promise<CorpusSeal> {
  checkKeys(options, OPTIONS, 'buildCorpus: options');
  try {
    return await built(paths, out, options);
  } catch (error) {
    // An abort, and files that may not be read.
    throw isNodeError(error) ? toSparkError(error, 'io_error') : error;
  }
}

async function built(paths: readonly string[], out: string, options: BuildOptions): Promise<CorpusSeal> {
  const settings = settingsOf(options);
  const file = path.resolve(out);
  refuseTaken(file, options);
  const { files, skipped } = await findSources(paths);
  if (files.some((one) => one.file === file)) {
    throw new SparkError('invalid_argument', `${file} is among the files to read; name another --out`);
  }
  refuseLongSeal(files, skipped);
  const lock = takeOver(file);
  const partial = `${file}.partial`;
  let writer: CorpusWriter | undefined;
  try {
    // What a killed build has left.
    remove(partial);
    writer = new CorpusWriter(partial);
    const said = await fill(writer, files, settings, options);
    await writer.finish(() => options.onProgress?.('making the index whole'), options.signal);
    const { counts } = writer;
    const content = { settings: { ...settings, tokenizer: TOKENIZER }, ...counts, ...said, skipped: [...skipped] };
    const seal = await writeSeal(partial, content, options.signal);
    refuseTaken(file, options);
    try {
      renameSync(partial, file);
    } catch (error) {
      throw writeError(error, file);
    }
    return seal;
  } finally {
    writer?.close();
    remove(partial);
    lock.release();
  }
}

function settingsOf({
  passageChars = 600,
  overlapChars = Math.min(100, Math.floor(passageChars / 2)),
}: BuildOptions): SplitSettings {
  const refuse = (what: string, got: number) =>
    new SparkError('invalid_argument', `buildCorpus: expected ${what}, got ${got}; correct it or leave it out`);
  if (!Number.isInteger(passageChars) || passageChars < 100 || passageChars > 10_000) {
    throw refuse('100 to 10000 characters of a passage', passageChars);
  }
  if (!Number.isInteger(overlapChars) || overlapChars < 0 || overlapChars > passageChars / 2) {
    throw refuse('an overlap of 0 to half of a passage', overlapChars);
  }
  return { passageChars, overlapChars };
}

function refuseTaken(file: string, { overwrite = false }: BuildOptions): void {
  if (!existsSync(path.dirname(file))) {
    throw new SparkError(
      'io_error',
      `no folder at ${path.dirname(file)} to write ${path.basename(file)} into; create it`,
    );
  }
  const there = statSync(file, { throwIfNoEntry: false });
  if (there?.isDirectory() === true) {
    throw new SparkError('invalid_argument', `expected a file to write, but ${file} is a folder; name a file in it`);
  }
  if (there !== undefined && !overwrite) {
    throw new SparkError(
      'invalid_argument',
      `expected a new file, but ${file} exists; name another, or replace it with --overwrite`,
    );
  }
}

/** One writer at a time, in whatever process or on whatever machine: two would seal what they both wrote. */
function takeOver(file: string): TakenLock {
  const lock = takeLock(`${file}.building`);
  if (!('holder' in lock)) return lock;
  const { pid, host, since } = lock.holder;
  throw new SparkError(
    'run_locked',
    `${file} is being built by process ${pid} on ${host} since ${since}; wait for it, name another --out, or, when you know that ` +
      `it has ended, remove ${file}.building`,
  );
}

function remove(partial: string): void {
  for (const one of [partial, `${partial}.lock`]) rmSync(one, { recursive: true, force: true });
}

async function fill(
  writer: CorpusWriter,
  files: readonly SourceFile[],
  settings: SplitSettings,
  { signal, onProgress }: BuildOptions,
): Promise<Pick<CorpusSeal, 'sources' | 'emptyArticles'>> {
  const sources: CorpusSeal['sources'] = [];
  let emptyArticles = 0;
  for (const [index, source] of files.entries()) {
    throwIfAborted(signal);
    const before = writer.counts.articles;
    const sha256 = await sourceSha256(source, signal);
    let read = 0;
    for await (const article of source.articles()) {
      if (!addArticle(writer, article, index, settings)) emptyArticles += 1;
      read += 1;
      if (read % EVERY !== 0) continue;
      throwIfAborted(signal);
      const { articles, passages } = writer.counts;
      onProgress?.(`file ${index + 1} of ${files.length}, ${source.name}: ${articles} articles, ${passages} passages`);
      await turn();
    }
    sources.push({ name: source.name, bytes: source.bytes, sha256, articles: writer.counts.articles - before });
  }
  if (writer.counts.articles === 0) {
    throw new SparkError(
      'invalid_file',
      `expected articles in ${files.map(({ name }) => name).join(', ')}, found none with text`,
    );
  }
  return { sources, emptyArticles };
}

/** False for an article without text. */
function addArticle(writer: CorpusWriter, given: SourceArticle, source: number, settings: SplitSettings): boolean {
  const title = cleaned(given.title).replace(/\s+/g, ' ').trim();
  if (given.redirect !== undefined) {
    writer.redirect(title, given.redirect);
    return true;
  }
  const passages = passagesOf(cleaned(given.text), settings);
  if (passages.length === 0) return false;
  writer.add({ ...given, title }, passages, source);
  return true;
}
