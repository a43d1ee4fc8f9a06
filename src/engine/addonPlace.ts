/** Where the built addon is, and the command that builds it, in a clone and in an installed package. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { inCacheFolder } from '../cacheFolder.js';
import { isCheckout, packagePath, packageVersion } from '../package.js';

const ADDON = path.join('Release', 'spark_rl.node');

/** The user's own build of a package that is read-only to them comes first; it is there only when they made it. */
export function findAddon(): string {
  const beside = path.join(packagePath('build'), ADDON);
  if (isCheckout()) return beside;
  const own = path.join(userBuildFolder(), ADDON);
  return existsSync(own) ? own : beside;
}

/**
 * For this installation, version and processor, because a build uses every instruction the processor has: a home folder
 * may be shared by several machines.
 */
export function userBuildFolder(): string {
  const facts = JSON.stringify([packagePath('.'), os.cpus()[0]?.model]);
  const key = createHash('sha256').update(facts).digest('hex').slice(0, 12);
  return inCacheFolder(`${packageVersion()}-${process.platform}-${process.arch}-${key}`);
}

/** What to type where it is not built or does not load: both see to it that it loads. */
export function remedy(checkout: boolean = isCheckout()): string {
  return checkout ? 'npm start' : 'npx spark-rl setup';
}
