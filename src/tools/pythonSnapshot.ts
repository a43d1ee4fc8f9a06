/**
 * The snapshot of Python's memory that every Python child starts from. A child without any input makes it, which takes
 * 4 s. It is kept in the user's cache folder, under a hash of everything it depends on.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { inCacheFolder } from '../cacheFolder.js';
import { childrensFolder, planLaunch } from './hostLaunch.js';
import { exitReason, spawnChild } from './hostSpawn.js';
import { keepPicture, MAX_BYTES, readPicture } from './pictureFile.js';

/** Our files that the snapshot depends on; it also depends on pyodide and Node. */
export const SOURCES = ['python.js', 'pythonDriver.js', 'pythonIntact.js', 'pythonPlain.js', 'realm.js'];

let snapshot: Promise<Uint8Array> | undefined;

export function pythonSnapshot(): Promise<Uint8Array> {
  snapshot ??= keptOrMade().catch((error: unknown) => {
    // So that the next child tries again.
    snapshot = undefined;
    throw error;
  });
  return snapshot;
}

async function keptOrMade(): Promise<Uint8Array> {
  const file = inCacheFolder(`python-${await versions()}.snapshot`);
  const kept = await readPicture(file);
  if (kept !== null) return kept;
  const made = await make();
  await keepPicture(file, made).catch(() => undefined); // Without a writable cache folder it is made again each time.
  return made;
}

/** A hash of everything the snapshot depends on. */
async function versions(): Promise<string> {
  const hash = createHash('sha256');
  const { version } = createRequire(import.meta.url)('pyodide/package.json') as { version: string };
  hash.update(JSON.stringify([version, process.version, process.platform, process.arch]));
  const folder = await childrensFolder();
  for (const name of SOURCES) hash.update(await readFile(path.join(folder, 'child', name)));
  return hash.digest('hex').slice(0, 16);
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
