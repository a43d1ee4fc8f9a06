/** Where the built addon is, and the command that builds it, in a clone and in an installed package. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { inCacheFolder } from '../cacheFolder.js';
import { isCheckout, packagePath, packageVersion } from '../package.js';

const ADDON = path.join('Release', 'spark_rl.node');

/** In the package's build folder, unless the user built into their cache folder because the package is read-only. */
export function findAddon(): string {
  const beside = path.join(packagePath('build'), ADDON);
  if (isCheckout()) return beside;
  const own = path.join(userBuildFolder(), ADDON);
  return existsSync(own) ? own : beside;
}

/**
 * One folder for each installation, version and processor: a build uses every instruction of its processor, and
 * machines with different ones may share a home folder.
 */
export function userBuildFolder(): string {
  const facts = JSON.stringify([packagePath('.'), os.cpus()[0]?.model]);
  const key = createHash('sha256').update(facts).digest('hex').slice(0, 12);
  return inCacheFolder(`${packageVersion()}-${process.platform}-${process.arch}-${key}`);
}

/** The command that builds the addon, or builds it again when it does not load. */
export function remedy(checkout: boolean = isCheckout()): string {
  return checkout ? 'npm start' : 'npx spark-rl setup';
}
