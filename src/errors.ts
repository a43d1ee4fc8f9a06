/**
 * Every failure a user can meet is a SparkError with a stable code. The message says what was expected, what came
 * instead, and what to do; `cause` keeps the original. Codes are API: add, never rename.
 */
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
  | 'setup_cmake'
  | 'setup_compiler'
  | 'setup_packages'
  | 'setup_addon'
  | 'setup_cuda'
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
  // trainer and sampler
  | 'parity_failed'
  | 'export_failed'
  // inference
  | 'context_overflow'
  | 'inference_failed'
  // questions
  | 'invalid_question'
  // tools
  | 'tool_input'
  | 'tool_timeout'
  | 'tool_failed'
  // judge
  | 'judge_key_missing'
  | 'judge_unreachable'
  | 'judge_refused'
  | 'judge_unparsable'
  | 'judge_budget'
  // runs
  | 'run_exists'
  | 'no_data'
  | 'interrupted'
  | 'internal';

export class SparkError extends Error {
  readonly code: SparkErrorCode;

  constructor(code: SparkErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
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
  if (isNodeError(error) && error.code === 'ENOSPC') {
    return new SparkError('disk_full', `the disk is full: ${error.message}; free some space and run again`, {
      cause: error,
    });
  }
  return new SparkError(code, error instanceof Error ? error.message : String(error), { cause: error });
}

export function isNodeError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'code' in error;
}

/** Throws `interrupted` when the signal has fired. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new SparkError('interrupted', 'interrupted by the caller', { cause: signal.reason });
}
