/** Append-only lines of JSON: one finished thing a line, readable after any crash. */
import {
  closeSync,
  createReadStream,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import type { z } from 'zod';
import { isNodeError, SparkError, writeError } from '../errors.js';
import { redactedJson } from '../secrets/redact.js';

const NEWLINE = 0x0a;

export class JsonlAppender {
  readonly file: string;
  readonly #fsync: boolean;
  #descriptor: number | null;
  /** Bytes cut off the end because a line was never finished; 0 on a sound file. */
  readonly droppedBytes: number;

  /** `fsync`: each line is on the disk itself before `append` returns. A killed process loses no line without it. */
  constructor(file: string, fsync: boolean) {
    this.file = path.resolve(file);
    this.#fsync = fsync;
    try {
      mkdirSync(path.dirname(this.file), { recursive: true });
      // Reading and writing, made when missing, never cut at opening.
      this.#descriptor = openSync(this.file, 'a+');
      this.droppedBytes = cutTornLine(this.#descriptor);
    } catch (error) {
      throw writeError(error, this.file);
    }
  }

  append(value: unknown): void {
    if (this.#descriptor === null) throw new SparkError('disposed', `${this.file} was closed; open it again`);
    const line = Buffer.from(`${redactedJson(value)}\n`);
    const before = fstatSync(this.#descriptor).size;
    try {
      let written = 0;
      while (written < line.length) written += writeSync(this.#descriptor, line, written);
      if (this.#fsync) fsyncSync(this.#descriptor);
    } catch (error) {
      // A full disk may have taken half of the line.
      cutBack(this.#descriptor, before);
      throw writeError(error, this.file);
    }
  }

  close(): void {
    if (this.#descriptor === null) return;
    const descriptor = this.#descriptor;
    this.#descriptor = null;
    fsyncSync(descriptor);
    closeSync(descriptor);
  }
}

/**
 * Yields what the schema makes of each line. A last line without its newline was never finished and is left out; `onTorn`
 * hears of it.
 */
export async function* readJsonl<T>(file: string, schema: z.ZodType<T>, onTorn = () => {}): AsyncGenerator<T> {
  let number = 0;
  for await (const line of completeLines(file, onTorn)) yield parseLine(line, ++number, file, schema);
}

/** Split at \n alone: node:readline also splits at U+2028, which JSON text may hold. */
async function* completeLines(file: string, onTorn: () => void): AsyncGenerator<string> {
  let rest = '';
  try {
    for await (const chunk of createReadStream(file, { encoding: 'utf8' })) {
      const lines = (rest + (chunk as string)).split('\n');
      rest = lines.pop()!;
      yield* lines;
    }
    if (rest !== '') onTorn();
  } catch (error) {
    throw readFailure(error as Error, file);
  }
}

function parseLine<T>(line: string, number: number, file: string, schema: z.ZodType<T>): T {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw invalidLine(file, number, (error as Error).message);
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues
    .slice(0, 3)
    .map(({ path: at, message }) => `${at.join('.') || 'line'}: ${message}`);
  throw invalidLine(file, number, issues.join('; '));
}

function invalidLine(file: string, number: number, reason: string): SparkError {
  return new SparkError(
    'invalid_file',
    `${file}, line ${number} is not what this program writes (${reason}); remove that line, or start another run`,
  );
}

/** Cuts the file after its last newline; returns how many bytes went. */
function cutTornLine(descriptor: number): number {
  const { size } = fstatSync(descriptor);
  const chunk = Buffer.alloc(64 * 1024);
  let end = size;
  while (end > 0) {
    const start = Math.max(0, end - chunk.length);
    const read = readSync(descriptor, chunk, 0, end - start, start);
    const at = chunk.subarray(0, read).lastIndexOf(NEWLINE);
    if (at >= 0) {
      end = start + at + 1;
      break;
    }
    end = start;
  }
  if (end < size) ftruncateSync(descriptor, end);
  return size - end;
}

/** Best effort: a line left torn is cut off when the file is opened again. */
function cutBack(descriptor: number, size: number): void {
  try {
    ftruncateSync(descriptor, size);
  } catch {
    // The write's own failure is what the user has to hear of.
  }
}

function readFailure(error: Error, file: string): SparkError {
  const missing = isNodeError(error) && error.code === 'ENOENT';
  return new SparkError(
    'io_error',
    missing ? `no file at ${file}; generate trajectories first` : `cannot read ${file}: ${error.message}`,
    { cause: error },
  );
}
