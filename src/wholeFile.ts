/**
 * A file that is written piece by piece and gets its name only when all of it is on the disk. What a killed process left of
 * one, the next to write into the folder removes.
 */
import {
  closeSync,
  existsSync,
  fchmodSync,
  fchownSync,
  fsyncSync,
  openSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { draftOf, dropDeadDrafts } from './drafts.js';
import { SparkError, writeError } from './errors.js';

export interface WholeFileOptions {
  /** Replace a file that is there; else it is refused. */
  readonly overwrite: boolean;
}

export class WholeFile {
  readonly file: string;
  readonly #partial: string;
  readonly #overwrite: boolean;
  #descriptor: number | null;

  /** Throws `io_error` where the folder is missing, and `invalid_argument` where the file is there and stays. */
  constructor(file: string, { overwrite }: WholeFileOptions) {
    this.file = path.resolve(file);
    this.#overwrite = overwrite;
    this.#refuseExisting();
    // A missing folder is more likely a typing error than a wish.
    if (!existsSync(path.dirname(this.file))) {
      throw new SparkError(
        'io_error',
        `no folder at ${path.dirname(this.file)} to write ${path.basename(this.file)} into; create it or correct the path`,
      );
    }
    dropDeadDrafts(path.dirname(this.file));
    this.#partial = draftOf(this.file);
    try {
      this.#descriptor = openSync(this.#partial, 'wx');
      const before = statSync(this.file, { throwIfNoEntry: false });
      if (before?.isFile()) keepAccess(this.#descriptor, before);
    } catch (error) {
      throw writeError(error, this.file);
    }
  }

  write(content: string | Uint8Array): void {
    this.#guarded((descriptor) => writeFileSync(descriptor, content));
  }

  /** Gives the file its name. */
  commit(): void {
    this.#guarded((descriptor) => {
      fsyncSync(descriptor);
      this.#close();
      this.#refuseExisting();
      renameSync(this.#partial, this.file);
    });
  }

  /** Removes what was written; does nothing after `commit`. */
  abandon(): void {
    if (this.#descriptor === null) return;
    this.#close();
    rmSync(this.#partial, { force: true });
  }

  #guarded(work: (descriptor: number) => void): void {
    if (this.#descriptor === null) throw new SparkError('disposed', `${this.file} was closed; begin it again`);
    try {
      work(this.#descriptor);
    } catch (error) {
      this.#close();
      rmSync(this.#partial, { force: true });
      throw writeError(error, this.file);
    }
  }

  #close(): void {
    if (this.#descriptor !== null) closeSync(this.#descriptor);
    this.#descriptor = null;
  }

  #refuseExisting(): void {
    if (this.#overwrite || !existsSync(this.file)) return;
    throw new SparkError(
      'invalid_argument',
      `expected a new file, but ${this.file} exists; name another, or replace it with --overwrite`,
    );
  }
}

/** Who may read and write the file that is replaced may do so with the new one. */
function keepAccess(descriptor: number, { uid, gid, mode }: Stats): void {
  try {
    fchownSync(descriptor, uid, gid);
    fchmodSync(descriptor, mode);
  } catch {
    // Somebody else's file may be replaced but not given back, and some file systems have no modes.
  }
}
