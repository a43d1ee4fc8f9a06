/** What can be wrong with a batch, and with a request that was in one, in words that say what to do. */
import path from 'node:path';
import { SparkError, type SparkErrorCode } from '../errors.js';
import type { Ledger, OpenBatch } from './batchLedger.js';
import type { Batch } from './batchServer.js';

/** With these the server has said that it made no batch. */
export const REFUSALS: ReadonlySet<SparkErrorCode> = new Set<SparkErrorCode>([
  ...(['judge_refused', 'judge_no_credit', 'judge_key_missing', 'judge_key_invalid'] as const),
  ...(['judge_batch_unsupported', 'invalid_config'] as const),
]);

/** For a request that a batch did not come to within its day. */
export function expired(said: string): SparkError {
  return new SparkError(
    'judge_batch_expired',
    `a request was not answered within the day that a batch may take (${said}): run the same command again to ask in another ` +
      'batch, or leave out batch: true to ask directly',
  );
}

/** For a request of which an ended batch says nothing. */
export function unanswered({ id, status }: Batch): SparkError {
  if (status === 'expired') return expired(`batch ${id}`);
  return new SparkError(
    'judge_unreachable',
    `batch ${id} is ${status} and has no line for this request; run again to ask it`,
  );
}

export function nothingSaid(): SparkError {
  return new SparkError(
    'judge_unparsable',
    'the verdict has no score and nothing on coherence; another judge.model may say more',
  );
}

export function otherJudge({ judge, open }: Ledger, file: string): SparkError {
  return new SparkError(
    'invalid_config',
    `${path.basename(file)}: ${open.length} batches are under way that were sent to ${judge}: run again with the settings they were ` +
      `sent with, so that their verdicts are kept; give this judge another name; or remove ${file} to give them up`,
  );
}

/** Of a batch that ended as failed; `full`: more tokens would wait than the account may have waiting. */
export function notTaken(batch: OpenBatch, state: Batch): { readonly failure: SparkError; readonly full: boolean } {
  const errors = state.errors?.data ?? [];
  const said = errors.slice(0, 3).map(({ code, message }) => `${code ?? 'no code'}: ${message ?? 'no message'}`);
  const full = errors.some(({ code }) => code === 'token_limit_exceeded');
  const failure = new SparkError(
    'judge_batch_failed',
    `the server did not take batch ${batch.batchId} of ${batch.requests.length} requests (${said.join('; ') || 'it does not say why'}): ` +
      (full
        ? 'lower batchRequests of this judge, so that fewer tokens wait at a time'
        : 'nothing was asked; see judge.model') +
      ', and run the same command again. Every verdict so far is kept',
  );
  return { failure, full };
}
