/** The judge's URL and key: from the arguments, else from OPENAI_BASE_URL and OPENAI_API_KEY. */
import { isIP } from 'node:net';
import { SparkError } from '../errors.js';
import { mayUseProxy } from '../inference/proxy.js';
import { type Environment, holdsCredentials } from '../secrets/sources.js';
import { KEY_VARIABLE, readKey } from './key.js';

export const URL_VARIABLE = 'OPENAI_BASE_URL';
const OPENAI_URL = 'https://api.openai.com/v1';

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
  const key = readKey(apiKey, env);
  const given = baseUrl?.trim() || env[URL_VARIABLE]?.trim() || OPENAI_URL;
  const url = parseUrl(given);
  const local = isLocalHost(url.hostname);
  if (key === null && !local) {
    throw new SparkError(
      'judge_key_missing',
      `the judge at ${url.origin} needs a key: expected one in the environment variable ${KEY_VARIABLE}, got none. ` +
        `Set it, point judge.baseUrl at a local server (which needs none), or use judge.kind: oracle with mini questions`,
    );
  }
  // The client insists on a key; a local server ignores it.
  url.pathname = url.pathname.replace(/\/+$/, '');
  const address = url.href.replace(/\/+$/, '');
  return { baseUrl: address, apiKey: key ?? 'none', local, proxied: mayUseProxy(url, env) };
}

function parseUrl(text: string): URL {
  if (holdsCredentials(text)) {
    // Refused, because the URL is part of judge ids, caches and messages.
    throw new SparkError(
      'invalid_config',
      `judge.baseUrl (or ${URL_VARIABLE}): expected a URL without name, password or key, got one that holds some ` +
        `(it is not shown); put the key into ${KEY_VARIABLE}`,
    );
  }
  if (!URL.canParse(text)) throw new SparkError('invalid_config', urlMessage(text));
  const url = new URL(text);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw new SparkError('invalid_config', urlMessage(text));
  return url;
}

/** The text may be a key in the wrong variable, so the message shows at most its scheme. */
function urlMessage(text: string): string {
  const scheme = /^[a-z][a-z0-9+.-]{0,9}:\/\//i.exec(text)?.[0];
  const got = scheme === undefined ? `${text.length} characters that do not start with http://` : `${scheme}…`;
  return `judge.baseUrl (or ${URL_VARIABLE}): expected a URL such as http://127.0.0.1:8080/v1, got ${got}`;
}

/** True for loopback, private and link-local addresses, and for names that public DNS does not have. */
export function isLocalHost(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, '').toLowerCase();
  if (isIP(host) === 4) return /^(127\.|10\.|192\.168\.|169\.254\.|172\.(1[6-9]|2\d|3[01])\.|0\.0\.0\.0$)/.test(host);
  if (isIP(host) === 6) return /^(::1$|::$|f[cd]|fe[89ab])/.test(host);
  return !host.includes('.') || /\.(local|localhost|internal|lan|home\.arpa)$/.test(host);
}
