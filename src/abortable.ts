/** Abort signals: as an option that may be absent, and to leave a promise early, whatever the work behind it does. */
import { setTimeout as wait } from 'node:timers/promises';
import { SparkError, throwIfAborted } from './errors.js';

/** `{ signal }`, or `{}` without one: with exactOptionalPropertyTypes options may not hold an undefined signal. */
export function signalOf({ signal }: { readonly signal?: AbortSignal | undefined }): { signal?: AbortSignal } {
  return signal === undefined ? {} : { signal };
}

/**
 * Settles as `work` does, or rejects with `interrupted` as soon as the signal fires. For work that notices an abort
 * late: the openai client sleeps through one between two retries.
 */
export function abortable<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  return new Promise<T>((resolve, reject) => {
    const onAbort = () => {
      reject(new SparkError('interrupted', 'interrupted by the caller', { cause: signal.reason }));
    };
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    // Attached even after an abort, so that a late failure of `work` is not an unhandled rejection.
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

/** Waits so many milliseconds; throws `interrupted` as soon as the signal fires. */
export async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  throwIfAborted(signal);
  await wait(ms, undefined, signalOf({ signal })).catch(() => throwIfAborted(signal));
}
