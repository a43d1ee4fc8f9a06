/** Turns errors of the openai client into SparkErrors `judge_…` that name the URL, what the server said and what to do. */
import { SparkError, toSparkError } from '../errors.js';
import { askedWaitSeconds, rootCause, saysNoCredit } from '../inference/httpReply.js';
import { APIConnectionError, APIConnectionTimeoutError, APIError, APIUserAbortError } from '../inference/openai.js';
import { redact } from '../secrets/redact.js';
import { type Endpoint, KEY_VARIABLE } from './endpoint.js';

export interface FailureContext {
  readonly endpoint: Endpoint;
  readonly model: string;
  readonly timeoutMs: number;
  /** HTTP requests made for this call. */
  readonly attempts: number;
}

export function judgeFailure(error: unknown, context: FailureContext): SparkError {
  if (error instanceof SparkError) return error;
  const { endpoint, timeoutMs } = context;
  const tries = `${context.attempts} ${context.attempts === 1 ? 'request' : 'requests'}`;
  if (error instanceof APIUserAbortError) {
    return new SparkError('interrupted', 'interrupted by the caller', { cause: error });
  }
  if (error instanceof APIConnectionTimeoutError) {
    const message = `the judge at ${endpoint.baseUrl} did not answer within ${timeoutMs / 1000} s (${tries}): see whether it is overloaded, or raise judge.timeoutMs`;
    return new SparkError('judge_unreachable', message, { cause: error });
  }
  if (error instanceof APIConnectionError) {
    const proxy = endpoint.proxied ? ', or see whether the proxy of HTTPS_PROXY or HTTP_PROXY lets it through' : '';
    const message = `cannot reach the judge at ${endpoint.baseUrl} (${tries}): ${rootCause(error)}. Start the server, or correct judge.baseUrl${proxy}`;
    return new SparkError('judge_unreachable', message, { cause: error });
  }
  if (error instanceof APIError) return statusFailure(error, context, tries);
  if (error instanceof SyntaxError) return notACompletion(endpoint, error);
  return toSparkError(error);
}

/** The error for a reply with status 200 that is no chat completion, such as a proxy's login page or another API. */
export function notACompletion(endpoint: Endpoint, cause: unknown): SparkError {
  const message = `the server at ${endpoint.baseUrl} answered with something that is no chat completion: expected an OpenAI-compatible API; see judge.baseUrl (most end in /v1)`;
  return new SparkError('judge_unparsable', message, { cause });
}

function statusFailure(error: APIError, context: FailureContext, tries: string): SparkError {
  const { endpoint, model } = context;
  const status = error.status as number | undefined;
  // Redacted on its own, because the server may have cut a key short at the end of its message.
  const said = redact(error.message);
  if (saysNoCredit(status ?? 0, `${error.code} ${error.type} ${error.message}`)) {
    const message = `the account at ${endpoint.baseUrl} has no credit (${said}): add some, or use another key or server, and run again; every verdict so far is kept`;
    return new SparkError('judge_no_credit', message, { cause: error });
  }
  if (status === 401 || status === 403) {
    const [code, given] =
      endpoint.apiKey === 'none'
        ? (['judge_key_missing', 'no key was sent'] as const)
        : (['judge_key_invalid', 'a key was sent'] as const);
    const message = `the judge at ${endpoint.baseUrl} refused access (${said}); ${given}: expected a valid one in ${KEY_VARIABLE}`;
    return new SparkError(code, message, { cause: error });
  }
  if (status === 404) {
    const message = `the judge at ${endpoint.baseUrl} knows no such thing (${said}): see judge.model (now "${model}") and judge.baseUrl (most end in /v1)`;
    return new SparkError('invalid_config', message, { cause: error });
  }
  if (status === undefined || status === 408 || status === 409 || status === 429 || status >= 500) {
    const wait = askedWaitSeconds(error.headers);
    const patience = wait ? `; it asks to wait ${Math.ceil(wait)} s` : '';
    const message = `the judge at ${endpoint.baseUrl} gave no verdict (${tries}, the last one: ${said}${patience}). Run again later, lower judge.concurrency, or raise judge.maxRetries`;
    return new SparkError('judge_unreachable', message, { cause: error });
  }
  const message = `the judge at ${endpoint.baseUrl} refused the request: ${said}; see judge.model (now "${model}")`;
  return new SparkError('judge_refused', message, { cause: error });
}
