/**
 * The only importer of the `openai` package: makes its client, and exports its error classes, by which callers tell
 * failures apart. Requests and the meaning of replies belong to src/judge.
 */
import OpenAI, { APIConnectionError, APIConnectionTimeoutError, APIError, APIUserAbortError } from 'openai';

export { APIConnectionError, APIConnectionTimeoutError, APIError, APIUserAbortError };
export type ChatClient = OpenAI;
export type ChatParams = OpenAI.Chat.ChatCompletionCreateParamsNonStreaming;

/** How one HTTP request ended: with a status, or with status `null` and the error. */
export interface AttemptEnd {
  readonly status: number | null;
  readonly error: unknown;
}

export interface ChatClientOptions {
  readonly baseUrl: string;
  readonly apiKey: string;
  /** Milliseconds for one HTTP request, from start to the end of the reply's body. */
  readonly timeoutMs: number;
  /** Retries after a 408, 409, 429, 5xx or a broken connection; the client waits before each. */
  readonly maxRetries: number;
  /** Called before each HTTP request, retries included. The client treats an error thrown here as a broken connection. */
  beforeAttempt?(): Promise<void>;
  afterAttempt?(end: AttemptEnd): void;
}

/** A server that asks us to wait longer than this is reported as a failure at once. */
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
 * The client's timeout and retries cover a request only until its headers have come; it would wait forever for a server
 * that sends headers and no body. So the body is read here, inside the `fetch` that the client times.
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
  // An empty account is a 429 too, like too many requests, but waiting does not help.
  return !(response.status === 429 && new TextDecoder().decode(body).includes('insufficient_quota'));
}
