/** What stands behind an error is shown with it by every runtime, so it is cleaned, too. */
import { inspect } from 'node:util';
import { redact } from './redact.js';

/**
 * The cause itself when it shows no secret, which is nearly always. Otherwise an error with the same name, code, words
 * and causes, without the rest (request headers, bodies) and without the secrets.
 */
export function cleanCause(cause: unknown): unknown {
  if (typeof cause === 'string') return redact(cause);
  if (typeof cause !== 'object' || cause === null) return cause;
  const shown = show(cause);
  if (redact(shown) === shown) return cause;
  return cause instanceof Error ? cleanCopy(cause) : redact(shown);
}

function cleanCopy(error: Error): Error {
  const copy = new Error(redact(error.message), error.cause === undefined ? {} : { cause: cleanCause(error.cause) });
  copy.name = error.name;
  if (error.stack !== undefined) copy.stack = redact(error.stack);
  const { code, status } = error as { code?: unknown; status?: unknown };
  if (typeof code === 'string') Object.assign(copy, { code: redact(code) });
  if (typeof status === 'number') Object.assign(copy, { status });
  return copy;
}

/** Whole and deep; what throws when it is looked at shows nothing. */
function show(value: object): string {
  try {
    return inspect(value, {
      depth: 8,
      maxStringLength: null,
      maxArrayLength: null,
      breakLength: Infinity,
      getters: false,
    });
  } catch {
    return '';
  }
}
