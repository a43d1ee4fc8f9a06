/** Writes a model's weights as F32, so that llama.cpp computes without rounding weights or activations to another type. */
import { statfsSync } from 'node:fs';
import path from 'node:path';
import type { Model, ModelInfo } from '../engine/types.js';
import { SparkError } from '../errors.js';
import { byteText } from '../units.js';

/** What the machine has free for such a file, in bytes. */
export interface Room {
  readonly disk: number;
  readonly memory: number;
}

export function isF32({ tensorTypes }: ModelInfo): boolean {
  return Object.keys(tensorTypes).every((type) => type === 'F32');
}

/**
 * The model's own file when it is F32, else an F32 copy in `folder`. Throws `disk_full` or `memory_limit` before it
 * writes a copy that would not fit. It has to fit the memory too, or it would be read from disk again for every token.
 */
export async function exactFile(model: Model, folder: string, signal: AbortSignal): Promise<string> {
  if (isF32(model.info)) return model.info.path;
  const { bavail, bsize } = statfsSync(folder);
  requireRoom(model.info.parameters * 4, { disk: bavail * bsize, memory: process.availableMemory() });
  const file = path.join(folder, 'exact-F32.gguf');
  await model.save(file, { type: 'F32', signal });
  return file;
}

/** Throws unless `needed` fits in nine tenths of disk and memory. */
export function requireRoom(needed: number, { disk, memory }: Room): void {
  const refuse = (code: 'disk_full' | 'memory_limit', what: string, free: number): never => {
    throw new SparkError(
      code,
      `expected room for an F32 copy of the weights, ${byteText(needed)}, but only ${byteText(free)} of ${what} are free; ` +
        'free some, point TMPDIR elsewhere, or leave it out with --skip-exact',
    );
  };
  if (needed > 0.9 * disk) refuse('disk_full', 'disk', disk);
  if (needed > 0.9 * memory) refuse('memory_limit', 'memory', memory);
}
