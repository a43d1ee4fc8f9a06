/**
 * Stores a snapshot of a process's memory as a file in the user's cache folder: its SHA-256, then its bytes. A file is
 * trusted only when it is whole and nobody but the user or root can write it (who could also change this program); any other
 * file is ignored.
 */
import { createHash } from 'node:crypto';
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { draftOf, dropDeadDrafts } from '../drafts.js';

/** Largest snapshot; that of a loaded Python has 31 MB. */
export const MAX_BYTES = 128 * 2 ** 20;
const SEAL_BYTES = 32;
const KEPT = 3;

/** The snapshot; null unless the file is whole and nobody but the user or root can write it. */
export async function readPicture(file: string): Promise<Uint8Array | null> {
  const handle = await open(file, 'r').catch(() => null);
  if (handle === null) return null;
  try {
    const { uid, mode, size } = await handle.stat();
    const user = process.getuid?.();
    // Root can change this program, too: it may have installed the package.
    if (user !== undefined && ((uid !== user && uid !== 0) || (mode & 0o022) !== 0)) return null;
    if (size <= SEAL_BYTES || size > MAX_BYTES) return null;
    const whole = await handle.readFile();
    const bytes = whole.subarray(SEAL_BYTES);
    return sealOf(bytes).equals(whole.subarray(0, SEAL_BYTES)) ? bytes : null;
  } catch {
    return null;
  } finally {
    await handle.close();
  }
}

/**
 * Writes the hash and the snapshot; the file gets its name only when all of it is on the disk. Then removes old files of its
 * kind, all but `kept`.
 */
export async function keepPicture(file: string, bytes: Uint8Array, kept = KEPT): Promise<void> {
  const folder = path.dirname(file);
  await mkdir(folder, { recursive: true });
  dropDeadDrafts(folder);
  const temporary = draftOf(file);
  try {
    // Readable for all: it holds nothing of the user's, and root may have loaded it for everybody.
    const handle = await open(temporary, 'wx', 0o644);
    try {
      await handle.writeFile(sealOf(bytes));
      await handle.writeFile(bytes);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await dropOld(folder, path.extname(file), kept);
}

/** Keeps the newest files, because several installations may use a folder in turn. */
async function dropOld(folder: string, ending: string, kept: number): Promise<void> {
  const names = (await readdir(folder)).filter((name) => name.endsWith(ending));
  const files = names.map((name) => path.join(folder, name));
  const ages = await Promise.all(files.map(async (at) => ({ at, ms: (await stat(at)).mtimeMs })));
  ages.sort((a, b) => b.ms - a.ms);
  for (const { at } of ages.slice(kept)) await rm(at, { force: true });
}

const sealOf = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest();
