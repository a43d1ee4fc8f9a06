/** Asking the judge during a rollout: what is retried, what costs a trajectory, what ends the run. */
import { SparkError, type SparkErrorCode, toSparkError } from '../errors.js';
import type { Judge, JudgeRequest, JudgeVerdict } from '../judge/judge.js';

/** No later question would fare better: going on would only waste the generator's time. */
const FATAL: ReadonlySet<SparkErrorCode> = new Set<SparkErrorCode>([
  'judge_key_missing',
  'judge_key_invalid',
  'judge_budget',
  'interrupted',
  'disk_full',
  'io_error',
  'disposed',
  'invalid_config',
  'invalid_argument',
]);

export function endsTheRun(error: SparkError): boolean {
  return FATAL.has(error.code);
}

/**
 * A verdict with at least one score. A reply without any is asked for again `retries` times; then the last error, or
 * `judge_unparsable`, is thrown and the step is lost.
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
      const verdict = await judge.judge(request, signal === undefined ? {} : { signal });
      if (request.actions.some(({ name }) => typeof verdict.scores[name] === 'number')) return verdict;
      failure = new SparkError(
        'judge_unparsable',
        `the judge gave no score for any of ${request.actions.length} actions; the step cannot be used`,
      );
    } catch (error) {
      failure = toSparkError(error, 'judge_refused');
      if (endsTheRun(failure)) throw failure;
    }
  }
  throw failure!;
}

/** The verdict on the last step once the trajectory is over. A judge that fails here leaves it missing. */
export async function askForLastVerdict(
  judge: Judge,
  request: JudgeRequest,
  signal: AbortSignal | undefined,
): Promise<boolean | null> {
  try {
    return (await judge.judge(request, signal === undefined ? {} : { signal })).processOk;
  } catch (error) {
    const failure = toSparkError(error, 'judge_refused');
    if (endsTheRun(failure)) throw failure;
    return null;
  }
}
