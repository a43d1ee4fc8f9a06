/** Finds the package's own files, whether its code runs from src (in tests) or from dist. */
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

/** True in a clone of the repository, false in an installed package, which never has the lock file. */
export function isCheckout(): boolean {
  return existsSync(packagePath('package-lock.json'));
}
