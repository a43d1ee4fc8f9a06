/** The user's cache folder: it outlives a program, and may be emptied at any time. */
import { homedir } from 'node:os';
import path from 'node:path';

/** A path inside the cache folder; nothing is created. */
export function inCacheFolder(...names: string[]): string {
  const cache = process.env.XDG_CACHE_HOME;
  const usual = process.platform === 'darwin' ? ['Library', 'Caches'] : ['.cache'];
  const root = cache !== undefined && path.isAbsolute(cache) ? cache : path.join(homedir(), ...usual);
  return path.join(root, 'spark-rl', ...names);
}
