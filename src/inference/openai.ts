/**
 * The only importer of the `openai` package: one factory for its client, and its error classes for those who must tell
 * one failure from another. What is asked and what an answer means is the judge's business.
 */
import OpenAI, { APIConnectionError, APIConnectionTimeoutError, APIError, APIUserAbortError } from 'openai';

export { APIConnectionError, APIConnectionTimeoutError, APIError, APIUserAbortError };
export type ChatClient = OpenAI;
export type ChatParams = OpenAI.Chat.ChatCompletionCreateParamsNonStreaming;

/** How one HTTP request ended: with a status, or without one (`null`) and the error that stands for it. */
export interface AttemptEnd {
  readonly status: number | null;
  readonly error: unknown;
}

export interface ChatClientOptions {
  readonly baseUrl: string;
  readonly apiKey: string;
  /** Milliseconds for one HTTP request, its whole body included. */
  readonly timeoutMs: number;
  /** Further HTTP requests after a 408, 409, 429, 5xx or a broken connection; the client waits in between. */
  readonly maxRetries: number;
  /** Called before each HTTP request, the first one and every retry. Throwing there counts as a broken connection. */
  beforeAttempt?(): Promise<void>;
  afterAttempt?(end: AttemptEnd): void;
}

/** A server that wants more patience than this is reported at once instead of being waited for in silence. */
const LONGEST_RETRY_AFTER_S = 120;

export function createChatClient(options: ChatClientOptions): ChatClient {
  return new OpenAI({
    baseURL: options.baseUrl,
    apiKey: options.apiKey,
    timeout: options.timeoutMs,
    maxRetries: options.maxRetries,
    // The client would print its own warnings; ours go through SparkError and the run's log.
    logLevel: 'off',
    fetch: async (url, init) => {
      await options.beforeAttempt?.();
      try {
        const response = await fetchWhole(url, init);
        options.afterAttempt?.({ status: response.status, error: null });
        return response;
      } catch (error) {
        options.afterAttempt?.({ status: null, error });
        throw error;
      }
    },
  });
}

/**
 * The client's timeout and retries cover a request up to its headers only: a server that sends headers and then goes
 * quiet would be waited for without end. So the body is read here, inside what the client watches.
 */
async function fetchWhole(url: string | URL | Request, init?: RequestInit): Promise<Response> {
  const response = await fetch(url, init);
  const body = await response.arrayBuffer();
  const headers = new Headers(response.headers);
  if (!worthRetrying(response, body)) headers.set('x-should-retry', 'false');
  return new Response(body.byteLength === 0 ? null : body, {
    status: response.status,
    statusText: response.statusText,
    headers,
  });
}

function worthRetrying(response: Response, body: ArrayBuffer): boolean {
  const seconds = Number.parseFloat(response.headers.get('retry-after') ?? '0');
  if (seconds > LONGEST_RETRY_AFTER_S) return false;
  // A 429 for an empty account looks like one for haste; no waiting fills the account.
  return !(response.status === 429 && new TextDecoder().decode(body).includes('insufficient_quota'));
}
