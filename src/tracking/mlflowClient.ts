/**
 * Requests to MLflow's REST API (https://mlflow.org/docs/latest/api_reference/rest-api.html): its address and credentials, one
 * time limit for each request, retries of what may pass.
 */
import { Buffer } from 'node:buffer';
import { setTimeout as pause } from 'node:timers/promises';
import { SparkError } from '../errors.js';
import { noteSecret } from '../secrets/redact.js';
import type { Environment } from '../secrets/sources.js';

export interface MlflowEndpoint {
  /** Without name, password and query, and without a slash at its end. */
  readonly url: string;
  /** The header; null: none */
  readonly authorization: string | null;
}

const URI = 'MLFLOW_TRACKING_URI';

/**
 * `configured` wins over MLFLOW_TRACKING_URI; null where neither is there, or the variable names a file or database, which is
 * for MLflow's own client. Credentials come from MLflow's own variables, or stand in MLFLOW_TRACKING_URI. Throws
 * `invalid_config` for a URL that is none; its message does not show it.
 */
export function mlflowEndpoint(configured: string | null, env: Environment): MlflowEndpoint | null {
  const given = configured ?? env[URI]?.trim() ?? '';
  if (given === '' || (configured === null && !/^https?:/i.test(given))) return null;
  if (!URL.canParse(given)) {
    const where = configured === null ? URI : 'tracking.mlflow.url';
    throw new SparkError(
      'invalid_config',
      `${where}: expected a URL such as http://127.0.0.1:5000, got one that cannot be read`,
    );
  }
  const { origin, pathname, username, password } = new URL(given);
  const { MLFLOW_TRACKING_TOKEN: token, MLFLOW_TRACKING_USERNAME: user, MLFLOW_TRACKING_PASSWORD: secret } = env;
  const name = user || unescaped(username);
  const basic = name === '' ? null : Buffer.from(`${name}:${secret || unescaped(password)}`).toString('base64');
  if (basic !== null) noteSecret(basic);
  const scheme = basic === null ? (token ? `Bearer ${token}` : null) : `Basic ${basic}`;
  return { url: `${origin}${pathname}`.replace(/\/+$/, ''), authorization: scheme };
}

function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** What a request failed with. `passing`: another try may succeed. */
export class MlflowFailure extends Error {
  readonly status: number | null;
  /** MLflow's `error_code`; null where the reply has none. */
  readonly code: string | null;
  readonly passing: boolean;

  constructor(message: string, status: number | null, code: string | null, cause?: unknown) {
    super(message, { cause });
    this.name = 'MlflowFailure';
    this.status = status;
    this.code = code;
    this.passing = status === null || status === 408 || status === 429 || status >= 500;
  }
}

export interface Patience {
  /** Milliseconds for one request, body included. */
  readonly requestMs: number;
  /** Milliseconds before each further try. */
  readonly waitsMs: readonly number[];
}

export const PATIENCE: Patience = { requestMs: 10_000, waitsMs: [500, 2000] };

type Json = Readonly<Record<string, unknown>>;

export class MlflowClient {
  readonly endpoint: MlflowEndpoint;
  readonly #patience: Patience;
  readonly #signal: AbortSignal;

  /** Every wait and request ends when the signal fires. */
  constructor(endpoint: MlflowEndpoint, patience: Patience, signal: AbortSignal) {
    this.endpoint = endpoint;
    this.#patience = patience;
    this.#signal = signal;
  }

  /** `call`: as in `runs/log-batch`. Throws MlflowFailure. */
  async get(call: string, query: Readonly<Record<string, string>>): Promise<Json> {
    return this.#tried('GET', `${call}?${new URLSearchParams(query)}`, undefined);
  }

  async post(call: string, body: object): Promise<Json> {
    return this.#tried('POST', call, JSON.stringify(body));
  }

  async #tried(method: string, call: string, body: string | undefined): Promise<Json> {
    for (const wait of this.#patience.waitsMs) {
      try {
        return await this.#once(method, call, body);
      } catch (error) {
        if (!(error as MlflowFailure).passing || this.#signal.aborted) throw error;
      }
      // Aborted, the next request says so.
      await pause(wait, undefined, { signal: this.#signal, ref: false }).catch(() => {});
    }
    return this.#once(method, call, body);
  }

  async #once(method: string, call: string, body: string | undefined): Promise<Json> {
    const { url, authorization } = this.endpoint;
    const headers: Record<string, string> = body === undefined ? {} : { 'content-type': 'application/json' };
    if (authorization !== null) headers.authorization = authorization;
    const signal = AbortSignal.any([this.#signal, AbortSignal.timeout(this.#patience.requestMs)]);
    let status = 0;
    let text = '';
    try {
      // A server that sends elsewhere is a login page, or another address that the user should see and set.
      const init = { method, headers, signal, redirect: 'manual' as const, ...(body === undefined ? {} : { body }) };
      const reply = await fetch(`${url}/api/2.0/mlflow/${call}`, init);
      status = reply.status;
      text = await reply.text();
    } catch (error) {
      const reason = this.#signal.aborted ? 'the training is over' : reasonOf(error);
      throw new MlflowFailure(`no reply (${reason})`, null, null, error);
    }
    return readReply(status, text);
  }
}

function readReply(status: number, text: string): Json {
  let json: Json | null = null;
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed === 'object' && parsed !== null) json = parsed as Json;
  } catch {
    // Said below.
  }
  if (status === 200 && json !== null) return json;
  const code = typeof json?.error_code === 'string' ? json.error_code : null;
  const said = typeof json?.message === 'string' ? `: ${json.message.slice(0, 300)}` : '';
  const what = json === null ? 'a reply that is not MLflow’s JSON' : (code ?? 'an error');
  throw new MlflowFailure(`HTTP ${status}, ${what}${said}`, status, code);
}

/** `fetch failed` says nothing; its cause does. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const { code, message } = cause as { readonly code?: unknown; readonly message?: unknown };
  return typeof code === 'string' && code !== '' ? code : String(message);
}
