/** Removes secrets from the cause of an error, because Node prints causes with the error. */
import { inspect } from 'node:util';
import { redact } from './redact.js';

/**
 * The cause itself when it shows no secret, as is nearly always the case. Otherwise an error with the same name, code,
 * message and causes, without secrets and without other properties (request headers, bodies).
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

/** All that printing the value could show; '' when printing it throws. */
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
