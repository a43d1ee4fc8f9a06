/**
 * Files that leave hold UTF-8, in which half of a surrogate pair has no bytes: writers put U+FFFD there without a word, or an
 * escape that other programs refuse.
 */
import { SparkError } from '../errors.js';

/** Throws `invalid_file` for a text anywhere in `value`, name or value, that UTF-8 cannot hold. `id`: of the trajectory. */
export function requireUtf8(id: string, value: unknown): void {
  const wrong = illFormedIn(value);
  if (wrong === undefined) return;
  throw new SparkError(
    'invalid_file',
    `${id}: expected text that UTF-8 can hold, got half of a character pair in ${JSON.stringify(wrong.slice(0, 60))}; mend the line, ` +
      'or the question that it is about',
  );
}

/** The first text in `value`, name or value, that UTF-8 cannot hold. */
export function illFormedIn(value: unknown): string | undefined {
  if (typeof value === 'string') return value.isWellFormed() ? undefined : value;
  if (typeof value !== 'object' || value === null) return undefined;
  for (const pair of Object.entries(value)) {
    for (const one of pair) {
      const wrong = illFormedIn(one);
      if (wrong !== undefined) return wrong;
    }
  }
  return undefined;
}
