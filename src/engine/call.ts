/** Wraps one native call: the abort signal becomes a cancel flag, and any error becomes a SparkError. */
import { SparkError, type SparkErrorCode, throwIfAborted, toSparkError } from '../errors.js';
import { type CancelHandle, loadAddon } from './addon.js';

/**
 * `start` makes the call; it gets the cancel flag, or undefined when there is no signal. After an abort `start` is not
 * called; during the call an abort stops the engine at the next layer, and the promise rejects with `interrupted`.
 */
export async function call<T>(
  signal: AbortSignal | undefined,
  start: (cancel: CancelHandle | undefined) => Promise<T>,
): Promise<T> {
  if (signal === undefined) return start(undefined).catch(rethrow);
  if (!(signal instanceof AbortSignal)) {
    throw new SparkError(
      'invalid_argument',
      `options.signal: expected an AbortSignal, got ${typeof signal}; pass new AbortController().signal, or leave it out`,
    );
  }
  throwIfAborted(signal);
  const addon = loadAddon();
  const flag = addon.createCancel();
  const onAbort = () => addon.cancel(flag);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await start(flag);
  } catch (error) {
    throw toEngineError(error, signal);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

function rethrow(error: unknown): never {
  throw toEngineError(error);
}

/**
 * Native errors carry a code, which is kept. Anything else, such as an error thrown by a getter of the caller, has
 * none.
 */
export function toEngineError(error: unknown, signal?: AbortSignal): SparkError {
  if (
    error instanceof SparkError ||
    !(error instanceof Error) ||
    typeof (error as { code?: unknown }).code !== 'string'
  ) {
    return toSparkError(error);
  }
  const code = (error as Error & { code: string }).code as SparkErrorCode;
  const cause = code === 'interrupted' && signal?.aborted ? signal.reason : error;
  return new SparkError(code, error.message, { cause });
}
