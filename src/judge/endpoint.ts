/** Where the judge is asked and with which key: arguments first, then OPENAI_BASE_URL and OPENAI_API_KEY. */
import { isIP } from 'node:net';
import { SparkError } from '../errors.js';

export const KEY_VARIABLE = 'OPENAI_API_KEY';
export const URL_VARIABLE = 'OPENAI_BASE_URL';
const OPENAI_URL = 'https://api.openai.com/v1';

export interface Endpoint {
  readonly baseUrl: string;
  readonly apiKey: string;
  /** On this machine or in this network: needs no key, and costs nothing unless a price is given. */
  readonly local: boolean;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** Throws `invalid_config` for a base URL that is none, `judge_key_missing` when a server abroad would need a key. */
export function resolveEndpoint(
  baseUrl: string | null | undefined,
  apiKey: string | null | undefined,
  env: Environment,
): Endpoint {
  const given = baseUrl?.trim() || env[URL_VARIABLE]?.trim() || OPENAI_URL;
  const url = parseUrl(given);
  const local = isLocalHost(url.hostname);
  const key = apiKey?.trim() || env[KEY_VARIABLE]?.trim();
  if (!key && !local) {
    throw new SparkError(
      'judge_key_missing',
      `the judge at ${url.origin} needs a key: expected one in the environment variable ${KEY_VARIABLE}, got none. ` +
        `Set it, point judge.baseUrl at a local server (which needs none), or use judge.kind: oracle with mini questions`,
    );
  }
  // The client insists on a key; a local server ignores it.
  return { baseUrl: url.href.replace(/\/+$/, ''), apiKey: key || 'none', local };
}

function parseUrl(text: string): URL {
  let url: URL;
  try {
    url = new URL(text);
  } catch (cause) {
    throw new SparkError('invalid_config', urlMessage(text), { cause });
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw new SparkError('invalid_config', urlMessage(text));
  if (url.username !== '' || url.password !== '') {
    // It would end up in judge ids, caches and messages.
    throw new SparkError('invalid_config', `judge.baseUrl must not hold a password; put the key into ${KEY_VARIABLE}`);
  }
  return url;
}

function urlMessage(text: string): string {
  return `judge.baseUrl (or ${URL_VARIABLE}): expected a URL such as http://127.0.0.1:8080/v1, got "${text}"`;
}

/** Loopback, private and link-local addresses, and names no public resolver knows. */
export function isLocalHost(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, '').toLowerCase();
  if (isIP(host) === 4) return /^(127\.|10\.|192\.168\.|169\.254\.|172\.(1[6-9]|2\d|3[01])\.|0\.0\.0\.0$)/.test(host);
  if (isIP(host) === 6) return /^(::1$|::$|f[cd]|fe[89ab])/.test(host);
  return !host.includes('.') || /\.(local|localhost|internal|lan|home\.arpa)$/.test(host);
}
