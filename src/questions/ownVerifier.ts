/** Calls the user's own verifier, so that it cannot hang a run, and checks what it says. */
import { createContext, Script } from 'node:vm';
import { abortable } from '../abortable.js';
import { SparkError, shown, threw, throwIfAborted } from '../errors.js';
import type { ToVerify, Verifier } from './verifier.js';

/**
 * True, false, or null for an answer that cannot be read. Throws `verifier_failed` when it throws, says something else, or
 * takes longer than `timeoutMs`, and `interrupted`.
 */
export async function verifyInTime(
  verifier: Verifier,
  given: ToVerify,
  timeoutMs: number,
  outer: AbortSignal | undefined,
): Promise<boolean | null> {
  throwIfAborted(outer);
  const fail = (what: string, cause?: unknown) =>
    new SparkError(
      'verifier_failed',
      `verifier ${verifier.id} ${what}, for question ${given.question.question_id} and the answer ${shown(given.answer)}; mend ` +
        'the verifier and run the same command again: what is finished is kept',
      { cause },
    );
  const deadline = new AbortController();
  const timer = setTimeout(() => deadline.abort(), timeoutMs);
  const signal = outer === undefined ? deadline.signal : AbortSignal.any([deadline.signal, outer]);
  try {
    const begun = begin(() => verifier.verify(given, { signal }), timeoutMs);
    const verdict = await abortable(Promise.resolve(begun), signal);
    if (verdict === null || typeof verdict === 'boolean') return verdict;
    throw fail(`said ${shown(verdict)} instead of true, false or null`);
  } catch (error) {
    throwIfAborted(outer);
    if (isStopped(error) || deadline.signal.aborted)
      throw fail(`took more than ${timeoutMs} ms (questions.verifierTimeoutMs)`);
    throw error instanceof SparkError ? error : fail(threw(error), error);
  } finally {
    clearTimeout(timer);
  }
}

/** By the code alone: it is an Error of the script's own context. */
function isStopped(error: unknown): boolean {
  return typeof error === 'object' && (error as { code?: unknown } | null)?.code === 'ERR_SCRIPT_EXECUTION_TIMEOUT';
}

// Code of this process that a script calls is stopped with the script: what a timeout of node:vm is used for here.
const script = new Script('result = call()');

/** What a function returns. Throws ERR_SCRIPT_EXECUTION_TIMEOUT when it does not return, whatever loop it is in. */
function begin(call: () => unknown, timeoutMs: number): unknown {
  const context = createContext({ call, result: undefined });
  script.runInContext(context, { timeout: timeoutMs });
  return context.result;
}
