/** Refuses mistyped keys of options, which plain JavaScript would pass over in silence. */
import { SparkError } from './errors.js';

/** A list of the keys of `Options`; with `satisfies` the compiler finds one that is missing or too many. */
export type KeysOf<Options> = Readonly<Record<keyof Options, unknown>>;

/**
 * Throws `invalid_argument` for a key that is not `known`, and for what is no object; `undefined` passes. `what` begins
 * the message: `openModel: options`.
 */
export function checkKeys<Options extends object>(
  given: Options | undefined,
  known: KeysOf<Options>,
  what: string,
): void {
  if (given === undefined) return;
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw new SparkError('invalid_argument', `${what}: expected an object, got ${given}; pass { … }, or leave it out`);
  }
  const names = Object.keys(known);
  const unknown = Object.keys(given).filter((key) => !names.includes(key));
  if (unknown.length === 0) return;
  throw new SparkError(
    'invalid_argument',
    `${what}: expected some of ${names.join(', ')}, got ${unknown.join(', ')}; correct it or leave it out`,
  );
}

/** As `checkKeys`, for options that may not be left out. */
export function requireKeys<Options extends object>(given: Options, known: KeysOf<Options>, what: string): void {
  if (given === undefined) {
    throw new SparkError(
      'invalid_argument',
      `${what}: expected an object, got undefined; pass { ${Object.keys(known).join(', ')} }`,
    );
  }
  checkKeys(given, known, what);
}
