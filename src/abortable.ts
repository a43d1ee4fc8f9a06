import { SparkError } from './errors.js';

/**
 * `work`, or `interrupted` as soon as the signal fires, whichever is first. For work that takes its time to notice: the
 * openai client sleeps through an abort between two retries.
 */
export function abortable<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  return new Promise<T>((resolve, reject) => {
    const onAbort = () => {
      reject(new SparkError('interrupted', 'interrupted by the caller', { cause: signal.reason }));
    };
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    // Attached even when aborted, so that a late failure of `work` is no unhandled rejection.
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
