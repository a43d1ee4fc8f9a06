/** Asks the judge during a rollout, and decides which failures are retried, skip the question, or end the command. */
import { signalOf } from '../abortable.js';
import { SparkError, type SparkErrorCode, threw, throwIfAborted, toSparkError } from '../errors.js';
import type { Judge, JudgeRequest, JudgeVerdict } from '../judge/judge.js';

/** Failures that every later question would meet too; the others skip one question. */
const FATAL: ReadonlySet<SparkErrorCode> = new Set<SparkErrorCode>([
  'judge_key_missing',
  'judge_key_invalid',
  'judge_budget',
  'judge_no_credit',
  'judge_useless',
  'judge_batch_unsupported',
  'judge_batch_failed',
  'interrupted',
  'inference_ended',
  'server_unreachable',
  'server_key_missing',
  'server_key_invalid',
  'server_refused',
  'server_mismatch',
  'server_no_ids',
  'disk_full',
  'io_error',
  'tool_unavailable',
  'disposed',
  'invalid_config',
  'invalid_argument',
  'verifier_failed',
]);

/** Failures that may have passed when a question is tried again. */
const PASSING: ReadonlySet<string> = new Set<SparkErrorCode>(['judge_unreachable', 'judge_unparsable']);

export function mayPass(code: string): boolean {
  return PASSING.has(code);
}

export function endsTheRun(error: SparkError): boolean {
  return FATAL.has(error.code);
}

/**
 * Asks, and checks the answer: a judge may be the user's own object. Throws `invalid_argument` for what is no verdict,
 * and for what is thrown and no SparkError, because such a judge is wrong about every question.
 */
export async function ask(judge: Judge, request: JudgeRequest, signal: AbortSignal | undefined): Promise<JudgeVerdict> {
  const verdict = await answerOf(judge, request, signal);
  const wrong = (expected: string, got: unknown) =>
    new SparkError('invalid_argument', `judge ${judge.id}: expected ${expected}, got ${String(got)}; mend the judge`);
  if (typeof verdict?.scores !== 'object' || verdict.scores === null) throw wrong('{ scores, processOk }', verdict);
  for (const [action, score] of Object.entries(verdict.scores)) {
    if (score === null || (typeof score === 'number' && score >= 0 && score <= 10)) continue;
    throw wrong(`a score of 0 to 10 or null for ${action}`, score);
  }
  if (verdict.processOk !== null && typeof verdict.processOk !== 'boolean') {
    throw wrong('processOk true, false or null', verdict.processOk);
  }
  return verdict;
}

/** The request as judges get it: without the examples and how answers are graded; their caches go by what they are told. */
export function told(request: JudgeRequest): JudgeRequest {
  const { verifier: _verifier, ...question } = request.question;
  return { ...request, question, actions: request.actions.map(({ example: _example, ...action }) => action) };
}

async function answerOf(judge: Judge, request: JudgeRequest, signal: AbortSignal | undefined): Promise<JudgeVerdict> {
  try {
    return await judge.judge(told(request), signalOf({ signal }));
  } catch (error) {
    throwIfAborted(signal);
    const failure = toSparkError(error, 'invalid_argument');
    // A SparkError, an abort, a full disk.
    if (failure === error || failure.code !== 'invalid_argument') throw failure;
    throw new SparkError(
      'invalid_argument',
      `judge ${judge.id} ${threw(error)}; mend the judge, or throw a SparkError with a judge_… code where it has no ` +
        'verdict on one question',
      { cause: error },
    );
  }
}

/**
 * A verdict with at least one score. After a failure or a verdict without any score the judge is asked again, at most
 * `retries` times; then the last error is thrown, `judge_unparsable` for a verdict without scores.
 */
export async function askForScores(
  judge: Judge,
  request: JudgeRequest,
  retries: number,
  signal: AbortSignal | undefined,
): Promise<JudgeVerdict> {
  let failure: SparkError | null = null;
  for (let attempt = 0; attempt <= retries; attempt++) {
    try {
      const verdict = await ask(judge, request, signal);
      if (request.actions.some(({ name }) => typeof verdict.scores[name] === 'number')) return verdict;
      failure = new SparkError(
        'judge_unparsable',
        `expected a score for at least one of ${request.actions.length} actions, but the judge gave no score for any of ` +
          'them; run again to ask it once more, or try another judge.model',
      );
    } catch (error) {
      failure = toSparkError(error);
      if (endsTheRun(failure)) throw failure;
    }
  }
  throw failure!;
}

/**
 * Whether the last step of a finished trajectory was coherent. After a failure that may pass the judge is asked again, at
 * most three times `retries` times, because what it does not say now is missing for good; null when it fails all the same.
 */
export async function askForLastVerdict(
  judge: Judge,
  request: JudgeRequest,
  retries: number,
  signal: AbortSignal | undefined,
): Promise<boolean | null> {
  for (let attempt = 0; attempt <= 3 * retries; attempt++) {
    try {
      return (await ask(judge, request, signal)).processOk;
    } catch (error) {
      const failure = toSparkError(error);
      if (endsTheRun(failure)) throw failure;
      if (!mayPass(failure.code)) return null;
    }
  }
  return null;
}
