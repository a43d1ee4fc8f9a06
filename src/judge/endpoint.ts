/** The judge's URL and key: from the arguments, else from OPENAI_BASE_URL and OPENAI_API_KEY. */
import { SparkError } from '../errors.js';
import { addressOf, type EndpointNames, isLocalHost, parseBaseUrl, readKey } from '../inference/endpoint.js';
import { mayUseProxy } from '../inference/proxy.js';
import type { Environment } from '../secrets/sources.js';

export const KEY_VARIABLE = 'OPENAI_API_KEY';
export const URL_VARIABLE = 'OPENAI_BASE_URL';
const OPENAI_URL = 'https://api.openai.com/v1';

const NAMES: EndpointNames = {
  url: `judge.baseUrl (or ${URL_VARIABLE})`,
  keyVariable: KEY_VARIABLE,
  invalidKey: 'judge_key_invalid',
};

export interface Endpoint {
  readonly baseUrl: string;
  readonly apiKey: string;
  /** The server is on this machine or in this network, and so needs no key. */
  readonly local: boolean;
  /** HTTPS_PROXY or HTTP_PROXY may stand between it and us. */
  readonly proxied: boolean;
}

/**
 * Throws `invalid_config` for a base URL that is not a URL or holds a password or key, `judge_key_missing` when a
 * server that is not local has no key, `judge_key_invalid` for a key that cannot be sent.
 */
export function resolveEndpoint(
  baseUrl: string | null | undefined,
  apiKey: string | null | undefined,
  env: Environment,
): Endpoint {
  const key = readKey(apiKey, env, NAMES);
  const url = parseBaseUrl(baseUrl?.trim() || env[URL_VARIABLE]?.trim() || OPENAI_URL, NAMES);
  const local = isLocalHost(url.hostname);
  if (key === null && !local) {
    throw new SparkError(
      'judge_key_missing',
      `the judge at ${url.origin} needs a key: expected one in the environment variable ${KEY_VARIABLE}, got none. ` +
        `Set it, point judge.baseUrl at a local server (which needs none), or use judge.kind: oracle with mini questions`,
    );
  }
  // The client insists on a key; a local server ignores it.
  return { baseUrl: addressOf(url), apiKey: key ?? 'none', local, proxied: mayUseProxy(url, env) };
}
