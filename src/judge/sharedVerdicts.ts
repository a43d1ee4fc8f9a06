/**
 * The verdicts of all runs, in one folder that any number of processes use at once:
 *
 *   verdicts/<3 digits>.jsonl   one verdict a line with a hash of it, in the file that the first digits of its key name
 *   claims/<key>.lock           a process is asking for this verdict; the others wait for it
 *   claims/<key>.pending        the room for that verdict, then the verdict until its line is written
 *
 * No index is held: a lookup reads one file of 4,096, which is 100 KB when there are a million verdicts. A line begins
 * with a line break of its own, so that one that was cut off spoils no other, and is written by one call, which the
 * system does not mix with another process's. Room is taken before the judge is asked: on a full disk nothing is asked,
 * and what was paid for has its place. This is our own code because SQLite and LMDB come to Node with install scripts,
 * LevelDB serves one process, and cacache takes two files for each verdict.
 */
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import { pause } from '../abortable.js';
import { dropDeadDrafts } from '../drafts.js';
import { isNodeError, SparkError, writeError } from '../errors.js';
import { isOlder, type TakenLock, takeLock } from '../lockFile.js';
import { sealed, unsealed } from '../sealed.js';
import type { JudgeVerdict } from './judge.js';
import { cacheError, entrySchema } from './verdictFile.js';

/** Milliseconds between two looks at a claim of another process, growing from the first to the last. */
const LOOKS = { first: 20, last: 500 };
/** After so many milliseconds it is asked whether the holder of a claim still lives. */
const PATIENCE = 2000;
/** A claim of another machine, of which that cannot be told, or one that cannot be read, is given up after so many. */
const ABANDONED = 15 * 60_000;

export interface OnceOptions {
  readonly judge: string;
  /** Bytes that the verdict will take at most. */
  readonly bytes: number;
  readonly signal?: AbortSignal | undefined;
  /** Asks the judge; null: a verdict that is not worth keeping. */
  ask(): Promise<{ readonly verdict: JudgeVerdict; readonly keep: boolean }>;
}

export class SharedVerdicts {
  readonly #verdicts: string;
  readonly #claims: string;
  #skipped = 0;

  /** Makes the folder, and finishes what killed processes have begun in it. Throws `io_error` or `disk_full`. */
  constructor(folder: string) {
    this.#verdicts = path.join(folder, 'verdicts');
    this.#claims = path.join(folder, 'claims');
    try {
      for (const one of [this.#verdicts, this.#claims]) mkdirSync(one, { recursive: true });
      this.#finish();
    } catch (error) {
      throw cacheError(writeError(error, folder), folder);
    }
  }

  /** Entries found damaged by the lookups so far; their verdicts count as unknown. */
  get skippedLines(): number {
    return this.#skipped;
  }

  get(key: string): JudgeVerdict | undefined {
    let bytes: Buffer;
    try {
      bytes = readFileSync(this.#fileOf(key));
    } catch (error) {
      if (isNodeError(error) && error.code === 'ENOENT') return undefined;
      throw cacheError(error, this.#fileOf(key));
    }
    let damaged = false;
    for (let at = bytes.indexOf(key); at >= 0; at = bytes.indexOf(key, at + 1)) {
      const start = bytes.lastIndexOf('\n', at) + 1;
      const end = bytes.indexOf('\n', at);
      const verdict = readLine(bytes.subarray(start, end < 0 ? bytes.length : end).toString(), key);
      if (verdict !== null) return verdict;
      // Without its end it may be under way.
      damaged ||= end >= 0;
    }
    if (damaged) this.#skipped++;
    return undefined;
  }

  /** The verdict that is there, or else that of `ask`, which one process at a time calls for a key; `asked` says which. */
  async once(key: string, options: OnceOptions): Promise<{ readonly verdict: JudgeVerdict; readonly asked: boolean }> {
    const { judge, bytes, signal, ask } = options;
    const claim = await this.#claim(key, signal);
    if ('scores' in claim) return { verdict: claim, asked: false };
    let pending: Pending | null = null;
    try {
      const known = this.get(key) ?? this.#takeOver(key);
      if (known !== undefined) return { verdict: known, asked: false };
      pending = new Pending(this.#pendingOf(key), bytes);
      const { verdict, keep } = await ask();
      if (keep) {
        const line = lineOf(key, judge, verdict);
        pending.write(line);
        // What cannot be written stays pending, for whoever asks next.
        pending = null;
        this.#append(key, line);
        rmSync(this.#pendingOf(key), { force: true });
      }
      return { verdict, asked: true };
    } finally {
      pending?.discard();
      claim.release();
    }
  }

  /** For a verdict that was not asked for through `once`. */
  add(key: string, judge: string, verdict: JudgeVerdict): void {
    if (this.get(key) === undefined) this.#append(key, lineOf(key, judge, verdict));
  }

  /** The lock, or the verdict that another process got meanwhile. */
  async #claim(key: string, signal: AbortSignal | undefined): Promise<TakenLock | JudgeVerdict> {
    const file = path.join(this.#claims, `${key}.lock`);
    for (;;) {
      const known = this.get(key);
      if (known !== undefined) return known;
      const lock = tryLock(file);
      if (lock !== null) return lock;
      for (let waited = 0, look = LOOKS.first; waited < PATIENCE && existsSync(file); waited += look) {
        await pause(look, signal);
        look = Math.min(LOOKS.last, look * 1.5);
      }
    }
  }

  /** What killed processes left: verdicts that were paid for get their line, the rest is removed. */
  #finish(): void {
    dropDeadDrafts(this.#claims);
    for (const name of readdirSync(this.#claims)) {
      const file = path.join(this.#claims, name);
      // Of another machine, of whose processes nothing can be known.
      if (name.endsWith('.tmp') && isOlder(file, ABANDONED)) rmSync(file, { force: true });
      // Of one that was killed while it took a claim over.
      if (name.endsWith('.takeover')) tryLock(file)?.release();
      const key = /^([0-9a-f]{64})\.(?:pending|lock)$/.exec(name)?.[1];
      if (key === undefined) continue;
      const lock = tryLock(path.join(this.#claims, `${key}.lock`));
      if (lock === null) continue;
      try {
        this.#takeOver(key);
      } finally {
        lock.release();
      }
    }
  }

  /** The verdict that another process was given and could not write; the caller holds the lock. */
  #takeOver(key: string): JudgeVerdict | undefined {
    const file = this.#pendingOf(key);
    if (!existsSync(file)) return undefined;
    const line = readFileSync(file, 'utf8').trim();
    const verdict = readLine(line, key) ?? undefined;
    if (verdict !== undefined && this.get(key) === undefined) this.#append(key, line);
    rmSync(file, { force: true });
    return verdict;
  }

  #append(key: string, line: string): void {
    const file = this.#fileOf(key);
    const bytes = Buffer.from(`\n${line}\n`);
    try {
      const descriptor = openSync(file, 'a');
      try {
        // Of a line of which only a part was written the rest could stand behind another's: the whole is written again.
        while (writeSync(descriptor, bytes) < bytes.length);
      } finally {
        closeSync(descriptor);
      }
    } catch (error) {
      throw cacheError(writeError(error, file), file);
    }
  }

  #fileOf(key: string): string {
    return path.join(this.#verdicts, `${key.slice(0, 3)}.jsonl`);
  }

  #pendingOf(key: string): string {
    return path.join(this.#claims, `${key}.pending`);
  }
}

/** A file that has its size before it has its content. */
class Pending {
  readonly #file: string;
  readonly #bytes: number;

  constructor(file: string, bytes: number) {
    this.#file = file;
    this.#bytes = bytes;
    try {
      writeFileSync(file, ' '.repeat(bytes));
    } catch (error) {
      this.discard();
      throw cacheError(writeError(error, file), file);
    }
  }

  /** Over the room that was taken, which needs no more of it. */
  write(line: string): void {
    try {
      const descriptor = openSync(this.#file, 'r+');
      try {
        writeSync(descriptor, line.padEnd(this.#bytes), 0);
      } finally {
        closeSync(descriptor);
      }
    } catch (error) {
      throw cacheError(writeError(error, this.#file), this.#file);
    }
  }

  discard(): void {
    rmSync(this.#file, { force: true });
  }
}

/** Null while somebody else has it. */
function tryLock(file: string): TakenLock | null {
  try {
    const lock = takeLock(file, { unknown: ABANDONED, unreadable: PATIENCE });
    return 'holder' in lock ? null : lock;
  } catch (error) {
    // Half of a lock is what a power cut may leave, or what is being written on a file system without links.
    if (error instanceof SparkError && error.code === 'invalid_file') return null;
    throw error;
  }
}

function lineOf(key: string, judge: string, verdict: JudgeVerdict): string {
  return JSON.stringify(sealed({ key, judge, verdict }));
}

/** Null for a line that is not what `lineOf` wrote for this key. */
function readLine(line: string, key: string): JudgeVerdict | null {
  try {
    const { content, sha256, hash } = unsealed(JSON.parse(line) as object);
    if (sha256 !== hash) return null;
    const entry = entrySchema.parse(content);
    return entry.key === key ? entry.verdict : null;
  } catch {
    return null;
  }
}
