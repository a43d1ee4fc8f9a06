/**
 * Calls scripts/setup.mjs, which is JavaScript outside src/ because in a clone it runs before there is a TypeScript
 * compiler. Its failures become SparkErrors.
 */
import { pathToFileURL } from 'node:url';
import { userBuildFolder } from '../engine/addonPlace.js';
import { SparkError, type SparkErrorCode } from '../errors.js';
import { isCheckout, packagePath } from '../package.js';

export interface SetupOptions {
  readonly cuda: 'auto' | 'on' | 'off';
  /** Build even when there is a build already. */
  readonly force: boolean;
  readonly quiet: boolean;
  readonly signal: AbortSignal;
}

export interface SetupResult {
  readonly addon: string;
  readonly place: 'package' | 'cache';
  /** False when the addon was there already. */
  readonly built: boolean;
  readonly cuda: boolean;
  /** Why there is no CUDA backend. */
  readonly noCuda: string | null;
}

interface Script {
  setUpPackage(options: SetupOptions & { root: string; cache: string }): Promise<SetupResult>;
}

export async function setUpEngine(options: SetupOptions): Promise<SetupResult> {
  if (isCheckout()) {
    throw new SparkError(
      'invalid_argument',
      `expected an installed package, got a clone of the repository at ${packagePath('.')}; in a clone run: npm start`,
    );
  }
  const { setUpPackage }: Script = await import(pathToFileURL(packagePath('scripts/setup.mjs')).href);
  try {
    return await setUpPackage({ ...options, root: packagePath('.'), cache: userBuildFolder() });
  } catch (error) {
    throw isSetupError(error) ? new SparkError(error.code, error.message, { cause: error }) : error;
  }
}

function isSetupError(error: unknown): error is Error & { code: SparkErrorCode } {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' && error.code.startsWith('setup_');
}
