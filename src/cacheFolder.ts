/** What this machine remembers between programs, and can lose at any time: the user's cache folder. */
import { homedir } from 'node:os';
import path from 'node:path';

/** A path inside it; nothing is created. */
export function inCacheFolder(...names: string[]): string {
  const cache = process.env.XDG_CACHE_HOME;
  const usual = process.platform === 'darwin' ? ['Library', 'Caches'] : ['.cache'];
  const root = cache !== undefined && path.isAbsolute(cache) ? cache : path.join(homedir(), ...usual);
  return path.join(root, 'spark-rl', ...names);
}
