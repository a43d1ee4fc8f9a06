/**
 * Files that are written whole: a file gets its name only when all of it is on the disk. JSON documents are also
 * sealed: their last key, `sha256`, is the hash of the rest, which finds a changed value, a cut or a flipped bit when
 * the file is read. Spaces and line breaks do not count, so a formatter may change them.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, realpathSync } from 'node:fs';
import path from 'node:path';
import { isNodeError, SparkError, writeError } from './errors.js';
import { redactedJson } from './secrets/redact.js';
import { WholeFile } from './wholeFile.js';

/**
 * Writes a draft, flushes it and renames it: readers see the old file or the new one, even after a power cut. A link to a file stays
 * one, and the file keeps who may read it.
 */
export async function writeWhole(file: string, content: string | Uint8Array): Promise<void> {
  try {
    mkdirSync(path.dirname(file), { recursive: true });
    const whole = new WholeFile(existsSync(file) ? realpathSync(file) : file, { overwrite: true });
    whole.write(content);
    whole.commit();
  } catch (error) {
    throw writeError(error, file);
  }
}

export async function writeSealed(file: string, content: object): Promise<void> {
  await writeWhole(file, `${JSON.stringify(sealed(content), null, 2)}\n`);
}

/** The content as it will be read, without secrets and without what JSON leaves out, and the hash of that. */
export function sealed(content: object): object {
  const plain = JSON.parse(redactedJson(content)) as object;
  return { ...plain, sha256: hashOf(plain) };
}

export interface Unsealed {
  readonly content: object;
  /** The hash that the document has, and the one that its content should have; it is intact when they are the same. */
  readonly sha256: unknown;
  readonly hash: string;
}

export function unsealed(document: object): Unsealed {
  const { sha256, ...content } = document as Record<string, unknown>;
  return { content, sha256, hash: hashOf(content) };
}

export interface SealedOptions {
  /** For the message: what to do about a damaged file, and what happens then: `remove it: the stages are trained again`. */
  readonly remedy: string;
  /** Accept a file without `sha256`, which a person removes who edits the file. */
  readonly editable?: boolean;
}

/** The content; null when there is no file. Throws `invalid_file` when it is not as it was written. */
export function readSealed<T>(file: string, { remedy, editable = false }: SealedOptions): T | null {
  const text = readIfThere(file);
  if (text === null) return null;
  const damaged = (expected: string, got: string, cause?: unknown) =>
    new SparkError('invalid_file', `${file} is damaged: expected ${expected}, got ${got}; ${remedy}`, { cause });
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    throw damaged('a JSON document', text === '' ? 'an empty file' : (error as Error).message, error);
  }
  if (typeof document !== 'object' || document === null || Array.isArray(document)) {
    throw damaged('a JSON object', Array.isArray(document) ? 'an array' : `${document}`.slice(0, 40));
  }
  const { content, sha256, hash } = unsealed(document);
  if (sha256 === undefined && editable) return content as T;
  if (sha256 !== hash) {
    throw damaged(`sha256 ${hash} for what it holds`, sha256 === undefined ? 'none' : JSON.stringify(sha256));
  }
  return content as T;
}

function hashOf(content: object): string {
  return createHash('sha256').update(JSON.stringify(content)).digest('hex');
}

function readIfThere(file: string): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (isNodeError(error) && error.code === 'ENOENT') return null;
    throw new SparkError('io_error', `cannot read ${file}: ${(error as Error).message}`, { cause: error });
  }
}
