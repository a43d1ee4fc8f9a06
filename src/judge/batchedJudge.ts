/** A judge that has all its verdicts from batches: told every request first, it then answers from what they brought. */
import { SparkError } from '../errors.js';
import { BatchRunner, type BatchRunnerOptions } from './batchRunner.js';
import { requestKey } from './cache.js';
import type { Judge, JudgeRequest } from './judge.js';

export interface BatchedJudge extends Judge {
  /** To be called before `judge`, with every request that will be asked. It may take days, and goes on after any end. */
  judgeAll(requests: readonly JudgeRequest[], signal?: AbortSignal): Promise<void>;
  readonly skippedLines: number;
  close(): void;
}

/** Throws `invalid_file` or `invalid_config` for a ledger that cannot be gone on with. */
export function batchedJudge(options: BatchRunnerOptions): BatchedJudge {
  const { api, cache, submit } = options;
  const runner = new BatchRunner(options);
  return {
    id: api.judge.id,
    judgeAll: (requests, signal) => runner.judgeAll(requests, signal),
    get skippedLines() {
      return cache.skippedLines;
    },
    close: () => cache.close(),
    async judge(request, given) {
      const key = requestKey(api.judge, request);
      const known = cache.known(request);
      if (known !== undefined) {
        if (!runner.answered.has(key)) api.judge.stats.hit(known, request.steps.length > 0);
        return known;
      }
      const failure = runner.failureOf(key);
      if (failure !== null) throw failure;
      if (!submit) return cache.judge(request, given);
      throw new SparkError('internal', 'a judge of batches was asked for a verdict that it was not told of before');
    },
  };
}
