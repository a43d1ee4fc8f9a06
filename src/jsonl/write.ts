/** Appends JSON lines to a file that stays readable after any crash: at most its last line is cut off. */
import { closeSync, fstatSync, fsyncSync, ftruncateSync, mkdirSync, openSync, readSync, writeSync } from 'node:fs';
import path from 'node:path';
import { SparkError, writeError } from '../errors.js';
import { redactedJson } from '../secrets/redact.js';

const NEWLINE = 0x0a;

export class JsonlAppender {
  readonly file: string;
  readonly #fsync: boolean;
  #descriptor: number | null;
  /** Bytes removed from the end when the file was opened, because its last line was incomplete; usually 0. */
  readonly droppedBytes: number;

  /** `fsync`: each line is on the disk before `append` returns; needed for power cuts, not for killed processes. */
  constructor(file: string, fsync: boolean) {
    this.file = path.resolve(file);
    this.#fsync = fsync;
    try {
      mkdirSync(path.dirname(this.file), { recursive: true });
      // For reading and appending; creates the file when missing.
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
      // On a full disk part of the line may have been written.
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

/** Cuts the file after its last newline; returns how many bytes were removed. */
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

/** Best effort: an incomplete line that stays is removed when the file is opened again. */
function cutBack(descriptor: number, size: number): void {
  try {
    ftruncateSync(descriptor, size);
  } catch {
    // The caller reports the failed write itself, which matters more.
  }
}
