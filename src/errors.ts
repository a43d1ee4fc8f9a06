/**
 * Every failure a user can meet is a SparkError with a stable code. The message says what was expected, what came
 * instead, and what to do; `cause` keeps the original error. Neither shows a secret. Codes are API: add, never rename.
 */
import { inspect } from 'node:util';
import { cleanCause } from './secrets/cause.js';
import { redact } from './secrets/redact.js';

export type SparkErrorCode =
  // files and arguments
  | 'invalid_argument'
  | 'invalid_config'
  | 'invalid_file'
  | 'unsupported_file'
  | 'io_error'
  | 'disk_full'
  // setup: what building the engine asks of the machine
  | 'setup_platform'
  | 'setup_node'
  | 'setup_npm'
  | 'setup_wheels'
  | 'setup_cmake'
  | 'setup_compiler'
  | 'setup_packages'
  | 'setup_typescript'
  | 'setup_addon'
  | 'setup_cuda'
  | 'setup_cublas'
  | 'setup_usage'
  | 'setup_stopped'
  // native engine
  | 'addon_missing'
  | 'backend_unavailable'
  | 'device_lost'
  | 'model_busy'
  | 'disposed'
  | 'out_of_memory'
  | 'memory_limit'
  | 'unsupported_compute'
  | 'adapter_mismatch'
  | 'not_finite'
  // trainer against sampler
  | 'parity_failed'
  | 'export_failed'
  // inference
  | 'context_overflow'
  | 'inference_failed'
  | 'inference_ended'
  // a server that generates
  | 'server_unreachable'
  | 'server_key_missing'
  | 'server_key_invalid'
  | 'server_refused'
  | 'server_mismatch'
  | 'server_no_ids'
  // questions
  | 'invalid_question'
  | 'verifier_failed'
  // tools
  | 'tool_input'
  | 'tool_timeout'
  | 'tool_failed'
  | 'tool_unavailable'
  // judge
  | 'judge_key_missing'
  | 'judge_key_invalid'
  | 'judge_unreachable'
  | 'judge_refused'
  | 'judge_unparsable'
  | 'judge_budget'
  | 'judge_no_credit'
  | 'judge_useless'
  | 'judge_batch_unsupported'
  | 'judge_batch_failed'
  | 'judge_batch_expired'
  | 'judge_batch_open'
  // runs
  | 'run_exists'
  | 'run_locked'
  | 'no_data'
  | 'failure_sign'
  | 'stale_rollouts'
  | 'interrupted'
  | 'internal';

export class SparkError extends Error {
  readonly code: SparkErrorCode;

  constructor(code: SparkErrorCode, message: string, options?: { cause?: unknown }) {
    super(redact(message), options === undefined || !('cause' in options) ? {} : { cause: cleanCause(options.cause) });
    this.name = 'SparkError';
    this.code = code;
  }
}

/** Wraps anything thrown into a SparkError; a SparkError passes through, an abort becomes `interrupted`. */
export function toSparkError(error: unknown, code: SparkErrorCode = 'internal'): SparkError {
  if (error instanceof SparkError) return error;
  if (error instanceof Error && error.name === 'AbortError') {
    return new SparkError('interrupted', 'interrupted by the caller', { cause: error });
  }
  const message = error instanceof Error ? error.message : String(error);
  const reason = noRoom(error);
  if (reason !== null) return new SparkError('disk_full', `${message}: ${reason}`, { cause: error });
  return new SparkError(code, message, { cause: error });
}

/** The error of a failed write: `disk_full` when the file cannot grow, else `io_error`. */
export function writeError(error: unknown, file: string): SparkError {
  if (error instanceof SparkError) return error;
  const reason = noRoom(error);
  if (reason !== null) return new SparkError('disk_full', `cannot write ${file}: ${reason}`, { cause: error });
  const message = error instanceof Error ? error.message : String(error);
  return new SparkError('io_error', `cannot write ${file}: ${message}`, { cause: error });
}

/** Why a file cannot grow, and what to do about it; null for any other failure. */
function noRoom(error: unknown): string | null {
  switch (isNodeError(error) ? error.code : undefined) {
    case 'ENOSPC':
      return 'the disk is full; what is written is kept: free some space and run the same command again';
    case 'EDQUOT':
      return 'the disk quota is used up; what is written is kept: free some space and run the same command again';
    case 'EFBIG':
      return (
        'the file may not grow past the size limit of this process (ulimit -f); what is written is kept: raise the ' +
        'limit and run the same command again'
      );
    default:
      return null;
  }
}

/** What a message says of a wrong value: on one short line. */
export function shown(value: unknown): string {
  const text = inspect(value, { depth: 1, breakLength: Number.POSITIVE_INFINITY }).replace(/\s+/g, ' ');
  return text.length > 80 ? `${text.slice(0, 79)}…` : text;
}

/** What a message says of an error that code of the user's own threw: the error, and the place that threw it. */
export function threw(error: unknown): string {
  if (!(error instanceof Error)) return `threw ${shown(error)}`;
  const place = /^\s+(at .*)$/m.exec(error.stack ?? '')?.[1];
  return `threw ${String(error)}${place === undefined ? '' : ` (${place})`}`;
}

export function isNodeError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'code' in error;
}

/** Throws `interrupted` when the signal has fired. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new SparkError('interrupted', 'interrupted by the caller', { cause: signal.reason });
}
