/** Where the judge is asked and with which key: arguments first, then OPENAI_BASE_URL and OPENAI_API_KEY. */
import { isIP } from 'node:net';
import { SparkError } from '../errors.js';
import { type Environment, holdsCredentials } from '../secrets/sources.js';
import { KEY_VARIABLE, readKey } from './key.js';

export const URL_VARIABLE = 'OPENAI_BASE_URL';
const OPENAI_URL = 'https://api.openai.com/v1';

export interface Endpoint {
  readonly baseUrl: string;
  readonly apiKey: string;
  /** On this machine or in this network: needs no key, and costs nothing unless a price is given. */
  readonly local: boolean;
}

/**
 * Throws `invalid_config` for a base URL that is none or holds a password or key, `judge_key_missing` when a server abroad
 * would need a key, `judge_key_invalid` for a key that cannot be one.
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
  return { baseUrl: url.href.replace(/\/+$/, ''), apiKey: key ?? 'none', local };
}

function parseUrl(text: string): URL {
  if (holdsCredentials(text)) {
    // It would end up in judge ids, caches and messages.
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

/** What is no URL may be a key in the wrong variable, so the message repeats no more of it than a scheme. */
function urlMessage(text: string): string {
  const scheme = /^[a-z][a-z0-9+.-]{0,9}:\/\//i.exec(text)?.[0];
  const got = scheme === undefined ? `${text.length} characters that do not start with http://` : `${scheme}…`;
  return `judge.baseUrl (or ${URL_VARIABLE}): expected a URL such as http://127.0.0.1:8080/v1, got ${got}`;
}

/** Loopback, private and link-local addresses, and names no public resolver knows. */
export function isLocalHost(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, '').toLowerCase();
  if (isIP(host) === 4) return /^(127\.|10\.|192\.168\.|169\.254\.|172\.(1[6-9]|2\d|3[01])\.|0\.0\.0\.0$)/.test(host);
  if (isIP(host) === 6) return /^(::1$|::$|f[cd]|fe[89ab])/.test(host);
  return !host.includes('.') || /\.(local|localhost|internal|lan|home\.arpa)$/.test(host);
}
