/**
 * The only importer of the `openai` package: makes its client, and exports its error classes, by which callers tell
 * failures apart. Requests and the meaning of replies belong to src/judge.
 */
import OpenAI, { APIConnectionError, APIConnectionTimeoutError, APIError, APIUserAbortError } from 'openai';
import type { Environment } from '../secrets/sources.js';
import { askedWaitSeconds, LONGEST_WAIT_SECONDS, saysNoCredit, withStatusOfBody } from './httpReply.js';
import { fetchThroughProxy } from './proxy.js';

export { APIConnectionError, APIConnectionTimeoutError, APIError, APIUserAbortError };
export type ChatClient = OpenAI;
export type ChatParams = OpenAI.Chat.ChatCompletionCreateParamsNonStreaming;

/** How one HTTP request ended: with a status, or with status `null` and the error. */
export interface AttemptEnd {
  readonly status: number | null;
  readonly error: unknown;
}

export interface ChatClientOptions {
  /** Its query, such as Azure's `?api-version=…`, goes with every request. */
  readonly baseUrl: string;
  readonly apiKey: string;
  /** Milliseconds for one HTTP request, from start to the end of the reply's body. */
  readonly timeoutMs: number;
  /** Retries after a 408, 409, 429, 5xx or a broken connection; the client waits before each. */
  readonly maxRetries: number;
  /** Where HTTPS_PROXY, HTTP_PROXY and NO_PROXY are looked up. */
  readonly env: Environment;
  /** The bodies of replies with status 200 are files, and what they say of errors is not about the request. */
  readonly bodiesAreFiles?: boolean;
  /** Whether a reply with a status that is usually tried again would come again, whatever one waits. */
  isFinal?(status: number, body: string): boolean;
  /** Called before each HTTP request, retries included. The client treats an error thrown here as a broken connection. */
  beforeAttempt?(): Promise<void>;
  afterAttempt?(end: AttemptEnd): void;
}

export function createChatClient(options: ChatClientOptions): ChatClient {
  const { origin, pathname, searchParams, hostname } = new URL(options.baseUrl);
  return new OpenAI({
    baseURL: origin + pathname.replace(/\/+$/, ''),
    defaultQuery: Object.fromEntries(searchParams),
    // Azure's older addresses take a key in this header alone.
    defaultHeaders: /\.azure\.com$/i.test(hostname) ? { 'api-key': options.apiKey } : {},
    apiKey: options.apiKey,
    timeout: options.timeoutMs,
    maxRetries: options.maxRetries,
    // The client would print its own warnings; ours go through SparkError and the run's log.
    logLevel: 'off',
    fetch: async (url, init) => {
      await options.beforeAttempt?.();
      try {
        const response = await fetchWhole(url, init, options);
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
async function fetchWhole(
  url: string | URL | Request,
  init: RequestInit | undefined,
  { env, isFinal, bodiesAreFiles }: ChatClientOptions,
): Promise<Response> {
  const response = await fetchThroughProxy(url, init, env);
  const text = await response.text();
  const { status, body } = bodiesAreFiles
    ? { status: response.status, body: text }
    : withStatusOfBody(response.status, text);
  const headers = new Headers(response.headers);
  const wait = askedWaitSeconds(headers);
  const final = (wait ?? 0) > LONGEST_WAIT_SECONDS || saysNoCredit(status, body) || isFinal?.(status, body);
  if (final) headers.set('x-should-retry', 'false');
  return new Response(body === '' ? null : body, { status, statusText: response.statusText, headers });
}
