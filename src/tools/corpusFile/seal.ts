/**
 * A corpus file is a SQLite database and behind it its seal: what it was made from and with, and the sha256 of the database,
 * as JSON, the JSON's length, and eight letters that end the file. SQLite does not look behind its last page. Without a
 * whole seal a file does not open, so one that was cut or not finished does not.
 */
import { createHash } from 'node:crypto';
import { closeSync, createReadStream, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { z } from 'zod';
import { signalOf } from '../../abortable.js';
import { SparkError, toSparkError, writeError } from '../../errors.js';
import { sealed, unsealed } from '../../sealed.js';

const MAGIC = 'SPARKCOR';
const VERSION = 1;
const FOOTER = MAGIC.length + 8;
const MOST_JSON = 64 * 2 ** 20;
/** Of a source in the seal, but for its name, at most: keys, hash, counts. */
const SOURCE_BYTES = 160;

const count = z.number().int().min(0);
const schema = z.object({
  version: z.number().int(),
  /** Passages: of at most so many characters, the next one beginning with up to so many of the one before. */
  settings: z.object({ passageChars: count, overlapChars: count, tokenizer: z.string() }),
  articles: count,
  passages: count,
  /** Other names of articles: redirects, synonyms. */
  aliases: count,
  /** Redirects whose target no file has. */
  danglingRedirects: count,
  /** Articles without text, left out. */
  emptyArticles: count,
  /** The files, in their order. */
  sources: z.array(z.object({ name: z.string(), bytes: count, sha256: z.string(), articles: count })),
  skipped: z.array(z.object({ name: z.string(), why: z.string() })),
  /** Size and sha256 of the database before the seal. */
  bytes: count,
  database: z.string(),
});

export type CorpusSeal = z.infer<typeof schema>;
export type SealContent = Omit<CorpusSeal, 'version' | 'bytes' | 'database'>;

/** Ends a database file with its seal, and flushes it. */
export async function writeSeal(
  file: string,
  content: SealContent,
  signal: AbortSignal | undefined,
): Promise<CorpusSeal> {
  const { size: bytes } = statSync(file);
  const seal: CorpusSeal = { version: VERSION, ...content, bytes, database: await hashOfStart(file, bytes, signal) };
  const json = Buffer.from(JSON.stringify(sealed(seal)));
  refuseLength(json.length);
  try {
    const length = json.length.toString(16).padStart(8, '0');
    const handle = await open(file, 'a');
    try {
      await handle.writeFile(Buffer.concat([json, Buffer.from(`${length}${MAGIC}`)]));
      await handle.sync();
    } finally {
      await handle.close();
    }
    return seal;
  } catch (error) {
    const failed = writeError(error, file);
    if (failed.code !== 'disk_full') throw failed;
    // Not as of other files, of which what is written is kept.
    const why = `cannot write ${file} (${(error as Error).message}); free some space and build again`;
    throw new SparkError('disk_full', why, { cause: error });
  }
}

/** Before anything is read: whether the seal of these files could be read again. Throws `invalid_argument`. */
export function refuseLongSeal(files: readonly { readonly name: string }[], skipped: CorpusSeal['skipped']): void {
  const names = JSON.stringify([files.map(({ name }) => name), skipped]);
  refuseLength(Buffer.byteLength(names) + files.length * SOURCE_BYTES);
}

function refuseLength(bytes: number): void {
  if (bytes < MOST_JSON) return;
  throw new SparkError(
    'invalid_argument',
    `expected a list of files of less than ${MOST_JSON} bytes, got ${bytes}; join them into .jsonl files of many articles each`,
  );
}

/**
 * The seal of a finished corpus file; reads only the file's end. Throws `io_error` for no file, `invalid_file` for another
 * kind of file or one that is cut or changed at its end, `unsupported_file` for a later version.
 */
export function readSeal(file: string): CorpusSeal {
  const damaged = (what: string) =>
    new SparkError(
      'invalid_file',
      `${file}: expected a corpus that spark-rl corpus build has finished, ${what}; build it again`,
    );
  let descriptor: number;
  try {
    descriptor = openSync(file, 'r');
  } catch (cause) {
    throw new SparkError(
      'io_error',
      `no corpus to read at ${file}; check the path, or make it with spark-rl corpus build`,
      {
        cause,
      },
    );
  }
  try {
    const status = fstatSync(descriptor);
    if (!status.isFile()) throw damaged('got a folder, or what is no file');
    const { size } = status;
    const footer = readAt(descriptor, size - FOOTER, Math.min(size, FOOTER)).toString('latin1');
    if (footer.length < FOOTER || !footer.endsWith(MAGIC))
      throw damaged('got one without its seal: it is cut, or another kind of file');
    const length = Number.parseInt(footer.slice(0, 8), 16);
    if (!(length > 0 && length < Math.min(MOST_JSON, size))) throw damaged('got a damaged seal');
    const seal = parseSeal(readAt(descriptor, size - FOOTER - length, length).toString('utf8'));
    if (seal === null) throw damaged('got a damaged seal');
    if (seal.version !== VERSION) {
      const got = `${file}: expected version ${VERSION} of corpus files, got ${seal.version}`;
      throw new SparkError('unsupported_file', `${got}; build it again with this program`);
    }
    const parsed = schema.safeParse(seal);
    if (!parsed.success) throw damaged('got a damaged seal');
    const before = size - FOOTER - length;
    if (before !== parsed.data.bytes)
      throw damaged(`got ${before} bytes before its seal, which says ${parsed.data.bytes}`);
    return parsed.data;
  } finally {
    closeSync(descriptor);
  }
}

/** Files found whole by this process, by path, size, time and number: stages ask often, and a corpus is gigabytes. */
const verified = new Set<string>();

/** Reads all of the file, once while it stays as it is. Throws `invalid_file` when a byte of it is not what it was. */
export async function verifySeal(file: string, signal?: AbortSignal): Promise<CorpusSeal> {
  const seal = readSeal(file);
  const { size, mtimeMs, ino } = statSync(file);
  const key = [path.resolve(file), size, mtimeMs, ino, seal.database].join('\0');
  if (verified.has(key)) return seal;
  const now = await hashOfStart(file, seal.bytes, signal);
  if (now === seal.database) {
    verified.add(key);
    return seal;
  }
  throw new SparkError(
    'invalid_file',
    `${file} is damaged: expected sha256 ${seal.database}, got ${now}; build it again, or fetch it again`,
  );
}

function parseSeal(json: string): { version?: unknown } | null {
  try {
    const { content, sha256, hash } = unsealed(JSON.parse(json) as object);
    return sha256 === hash ? content : null;
  } catch {
    return null;
  }
}

function readAt(descriptor: number, position: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  return bytes.subarray(0, readSync(descriptor, bytes, 0, length, Math.max(0, position)));
}

async function hashOfStart(file: string, bytes: number, signal: AbortSignal | undefined): Promise<string> {
  const hash = createHash('sha256');
  try {
    if (bytes > 0) {
      await pipeline(createReadStream(file, { end: bytes - 1, highWaterMark: 1 << 20 }), hash, signalOf({ signal }));
    }
  } catch (error) {
    throw toSparkError(error, 'io_error');
  }
  return hash.digest('hex');
}
