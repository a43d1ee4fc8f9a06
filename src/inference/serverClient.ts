/**
 * Requests to a server that generates, with the retries of the openai client, and what its failures mean. The meaning of
 * replies is in serverDialects.ts.
 */
import { abortable, signalOf } from '../abortable.js';
import { SparkError, toSparkError } from '../errors.js';
import { redact } from '../secrets/redact.js';
import type { Environment } from '../secrets/sources.js';
import { addressOf, type EndpointNames, parseBaseUrl, readKey } from './endpoint.js';
import { askedWaitSeconds, rootCause, saysNoCredit } from './httpReply.js';
import {
  APIConnectionError,
  APIConnectionTimeoutError,
  APIError,
  APIUserAbortError,
  type ChatClient,
  createChatClient,
} from './openai.js';
import { mayUseProxy } from './proxy.js';

/** Not the judge's OPENAI_API_KEY: a key of OpenAI's is of no concern to another server. */
export const SERVER_KEY_VARIABLE = 'SPARK_RL_SERVER_KEY';

const NAMES: EndpointNames = {
  url: 'server.baseUrl',
  keyVariable: SERVER_KEY_VARIABLE,
  invalidKey: 'server_key_invalid',
};

export interface ServerClientOptions {
  readonly baseUrl: string;
  readonly model: string;
  readonly timeoutMs: number;
  readonly maxRetries: number;
  /** Default: SPARK_RL_SERVER_KEY. Many servers need none. */
  readonly apiKey?: string | null;
  readonly env?: Environment;
}

export class ServerClient {
  /** Without a slash at its end. */
  readonly address: string;
  /** Its address without `/v1`, under which llama-server has what is its own. */
  readonly root: string;
  readonly model: string;
  readonly #options: ServerClientOptions;
  readonly #client: ChatClient;
  readonly #hasKey: boolean;
  readonly #proxied: boolean;

  /** Throws `invalid_config` for what is no URL, `server_key_invalid` for a key that cannot be sent. */
  constructor(options: ServerClientOptions) {
    const env = options.env ?? process.env;
    const key = readKey(options.apiKey, env, NAMES);
    const url = parseBaseUrl(options.baseUrl.trim(), NAMES);
    this.address = addressOf(url);
    this.root = url.origin + url.pathname.replace(/(?:\/v1)?\/*$/, '');
    this.model = options.model;
    this.#options = options;
    this.#hasKey = key !== null;
    this.#proxied = mayUseProxy(url, env);
    const { timeoutMs, maxRetries } = options;
    // The client insists on a key; a server without one ignores it.
    this.#client = createChatClient({ baseUrl: this.address, apiKey: key ?? 'none', timeoutMs, maxRetries, env });
  }

  /** `path`: after the base URL, or a whole URL. Throws `server_…`, `context_overflow`, `invalid_config` or `interrupted`. */
  async post(path: string, body: Record<string, unknown>, signal?: AbortSignal): Promise<unknown> {
    try {
      return await abortable(this.#client.post(path, { body, ...signalOf({ signal }) }), signal);
    } catch (error) {
      throw this.#failure(error);
    }
  }

  /** The reply's JSON, or null where the server has nothing there. */
  async find(path: string, signal?: AbortSignal): Promise<unknown> {
    try {
      return await abortable(this.#client.get(path, signalOf({ signal })), signal);
    } catch (error) {
      const nothing = error instanceof SyntaxError || (error instanceof APIError && isNothing(error.status));
      if (nothing) return null;
      throw this.#failure(error);
    }
  }

  #failure(error: unknown): SparkError {
    if (error instanceof SparkError) return error;
    const { timeoutMs, maxRetries } = this.#options;
    const at = `the server at ${this.address}`;
    const tries = `${maxRetries} ${maxRetries === 1 ? 'retry' : 'retries'}`;
    if (error instanceof APIUserAbortError) {
      return new SparkError('interrupted', 'interrupted by the caller', { cause: error });
    }
    if (error instanceof APIConnectionTimeoutError) {
      const message = `${at} did not answer within ${timeoutMs / 1000} s (${tries}): see whether it is overloaded, raise server.timeoutMs, or lower generation.inFlight`;
      return new SparkError('server_unreachable', `${message}; the same command goes on`, { cause: error });
    }
    if (error instanceof APIConnectionError) {
      const proxy = this.#proxied ? ', or see whether the proxy of HTTPS_PROXY or HTTP_PROXY lets it through' : '';
      const message = `cannot reach ${at} (${tries}): ${rootCause(error)}. Start it, or correct server.baseUrl${proxy}; the same command goes on`;
      return new SparkError('server_unreachable', message, { cause: error });
    }
    if (error instanceof APIError) return this.#statusFailure(error, at, tries);
    if (error instanceof SyntaxError) return notACompletion(this.address, error);
    return toSparkError(error);
  }

  #statusFailure(error: APIError, at: string, tries: string): SparkError {
    const status = error.status as number | undefined;
    // Redacted on its own, because the server may have cut a key short at the end of its message.
    const said = redact(error.message);
    const kinds = `${error.code} ${error.type} ${error.message}`;
    const of = (code: SparkError['code'], message: string) => new SparkError(code, message, { cause: error });
    if (status === 400 && /context.{0,20}(?:length|size|window)|max_model_len/i.test(kinds)) {
      return of('context_overflow', `${at} has too small a context (${said}); lower inference.contextSize to it`);
    }
    if (saysNoCredit(status ?? 0, kinds)) {
      return of('server_refused', `the account at ${this.address} has no credit (${said}); the same command goes on`);
    }
    if (status === 401 || status === 403) {
      const [code, given] = this.#hasKey
        ? (['server_key_invalid', 'a key was sent'] as const)
        : (['server_key_missing', 'no key was sent'] as const);
      return of(code, `${at} refused access (${said}); ${given}: expected a valid one in ${SERVER_KEY_VARIABLE}`);
    }
    if (status === 404) {
      const message = `${at} knows no such thing (${said}): see server.model (now "${this.model}") and server.baseUrl (most end in /v1)`;
      return of('invalid_config', message);
    }
    if (status === undefined || status === 408 || status === 409 || status === 429 || status >= 500) {
      const wait = askedWaitSeconds(error.headers);
      const patience = wait ? `; it asks to wait ${Math.ceil(wait)} s` : '';
      const message = `${at} generated nothing (${tries}, the last reply: ${said}${patience}). Run the same command again later, lower generation.inFlight, or raise server.maxRetries`;
      return of('server_unreachable', message);
    }
    return of('server_refused', `${at} refused the request: ${said}; see server.model (now "${this.model}")`);
  }
}

/** What servers answer to a path that they do not have, or keep to others. */
function isNothing(status: number | undefined): boolean {
  return status === 501 || [400, 401, 403, 404, 405].includes(status ?? 0);
}

/** The error for a reply with status 200 that is no completion, such as a proxy's login page or another API. */
export function notACompletion(address: string, cause: unknown): SparkError {
  const message = `the server at ${address} answered with something that is no completion: expected an OpenAI-compatible API; see server.baseUrl (most end in /v1)`;
  return new SparkError('server_refused', message, { cause });
}
