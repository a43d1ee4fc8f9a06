/**
 * A model in several files, `name-00001-of-00003.gguf` and so on. llama.cpp finds the others by the name of the first;
 * given any of them, so do we.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { fileSha256 } from './fileHash.js';

/** The paths of all parts, by the file's name; the file alone when its name is not that of a part. */
export function partsOf(file: string): readonly string[] {
  const [, prefix, number, of] = /^(.*)-(\d{5})-of-(\d{5})\.gguf$/s.exec(file) ?? [];
  const count = Number(of);
  if (prefix === undefined || count < 2 || Number(number) < 1 || Number(number) > count) return [file];
  return Array.from({ length: count }, (_, i) => `${prefix}-${String(i + 1).padStart(5, '0')}-of-${of}.gguf`);
}

/** The part that llama.cpp wants; the file itself while that is missing, so that a message names the one that is there. */
export function firstPart(file: string): string {
  const [first = file] = partsOf(file);
  return existsSync(first) ? first : file;
}

/** sha256 of a model: of its file, or of the hashes of all of its parts. */
export async function modelSha256(file: string, signal?: AbortSignal): Promise<string> {
  const parts = partsOf(file).filter((part) => part === file || existsSync(part));
  if (parts.length === 1) return fileSha256(file, signal);
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${await fileSha256(part, signal)}\n`);
  return hash.digest('hex');
}
