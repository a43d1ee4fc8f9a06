/**
 * The picture of Python's memory that every Python child starts from. It is made once, by a child that is given nothing
 * to run, and stays in this process's memory: on disk it would have to be believed.
 */
import { planLaunch } from './hostLaunch.js';
import { exitReason, spawnChild } from './hostSpawn.js';

/** A loaded interpreter takes 31 MB; more is not what was asked for. */
const MAX_BYTES = 128 * 2 ** 20;

let snapshot: Promise<Uint8Array> | undefined;

export function pythonSnapshot(): Promise<Uint8Array> {
  snapshot ??= make().catch((error: unknown) => {
    // The next child may have better luck.
    snapshot = undefined;
    throw error;
  });
  return snapshot;
}

async function make(): Promise<Uint8Array> {
  const { child, pipe, stderr } = spawnChild(await planLaunch('python', 'snapshot'));
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let size = 0;
    pipe.on('data', (part: Buffer) => {
      parts.push(part);
      size += part.length;
      if (size > MAX_BYTES) child.kill('SIGKILL');
    });
    child.on('error', reject);
    child.on('close', (code, signal) => {
      if (code === 0 && size > 0) resolve(Buffer.concat(parts));
      else reject(new Error(exitReason(code, signal, stderr())));
    });
  });
}
