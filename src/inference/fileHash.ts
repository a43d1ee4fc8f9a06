/** sha256 of a file. Models are gigabytes, so a process reads a file again only after its size or time has changed. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { signalOf } from '../abortable.js';
import { SparkError, toSparkError } from '../errors.js';

const known = new Map<string, string>();

export async function fileSha256(file: string, signal?: AbortSignal): Promise<string> {
  const resolved = path.resolve(file);
  try {
    const { size, mtimeMs, ino } = await stat(resolved);
    const key = `${resolved}\0${size}\0${mtimeMs}\0${ino}`;
    const before = known.get(key);
    if (before !== undefined) return before;
    const hash = createHash('sha256');
    const source = createReadStream(resolved, { highWaterMark: 1 << 20 });
    await pipeline(source, hash, signalOf({ signal }));
    const digest = hash.digest('hex');
    known.set(key, digest);
    return digest;
  } catch (error) {
    const failure = toSparkError(error, 'io_error');
    if (failure.code !== 'io_error') throw failure;
    throw new SparkError('io_error', `cannot read ${resolved}: ${failure.message}`, { cause: error });
  }
}
