/** Append-only lines of JSON: one finished thing a line, readable after any crash. */
import { closeSync, fstatSync, fsyncSync, ftruncateSync, mkdirSync, openSync, readSync, writeSync } from 'node:fs';
import path from 'node:path';
import { SparkError, writeError } from '../errors.js';
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
