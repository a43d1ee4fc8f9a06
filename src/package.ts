/** Where this package's own files are, wherever it runs from (src in tests, dist when built). */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');

/** Absolute path of a file that ships with the package: `models/spark-tiny.gguf`. */
export function packagePath(relative: string): string {
  return path.join(root, relative);
}

export function packageVersion(): string {
  return (JSON.parse(readFileSync(packagePath('package.json'), 'utf8')) as { version: string }).version;
}

/** A clone of the repository; else an installed package, into which npm never packs the lock file. */
export function isCheckout(): boolean {
  return existsSync(packagePath('package-lock.json'));
}
