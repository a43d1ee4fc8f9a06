/** The address and the key of a server, wherever they are given: what is none is refused, and neither is ever shown. */
import { isIP } from 'node:net';
import { SparkError, type SparkErrorCode } from '../errors.js';
import { noteEnvironment, noteSecret } from '../secrets/redact.js';
import { type Environment, holdsCredentials } from '../secrets/sources.js';

/** How messages name a server's settings. */
export interface EndpointNames {
  /** Where its address is given: `judge.baseUrl`. */
  readonly url: string;
  /** The environment variable of its key. */
  readonly keyVariable: string;
  /** The code of a key that cannot be sent. */
  readonly invalidKey: SparkErrorCode;
}

/** Throws `invalid_config` for what is no http(s) URL, or holds a name, password or key. No slash at its end. */
export function parseBaseUrl(text: string, { url: place, keyVariable }: EndpointNames): URL {
  if (holdsCredentials(text)) {
    // Refused, because the URL is part of ids, caches and messages.
    throw new SparkError(
      'invalid_config',
      `${place}: expected a URL without name, password or key, got one that holds some (it is not shown); put the key ` +
        `into ${keyVariable}`,
    );
  }
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new SparkError('invalid_config', urlMessage(text, place));
  }
  url.pathname = url.pathname.replace(/\/+$/, '');
  return url;
}

/** The text may be a key in the wrong place, so the message shows at most its scheme. */
function urlMessage(text: string, place: string): string {
  const scheme = /^[a-z][a-z0-9+.-]{0,9}:\/\//i.exec(text)?.[0];
  const got = scheme === undefined ? `${text.length} characters that do not start with http://` : `${scheme}…`;
  return `${place}: expected a URL such as http://127.0.0.1:8080/v1, got ${got}`;
}

/** As ids and messages have it. */
export function addressOf(url: URL): string {
  return url.href.replace(/\/+$/, '');
}

/** True for loopback, private and link-local addresses, and for names that public DNS does not have. */
export function isLocalHost(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, '').toLowerCase();
  if (isIP(host) === 4) return /^(127\.|10\.|192\.168\.|169\.254\.|172\.(1[6-9]|2\d|3[01])\.|0\.0\.0\.0$)/.test(host);
  if (isIP(host) === 6) return /^(::1$|::$|f[cd]|fe[89ab])/.test(host);
  return !host.includes('.') || /\.(local|localhost|internal|lan|home\.arpa)$/.test(host);
}

/**
 * The key given, else that of the environment; null when both are missing or blank. `redact` hides it from here on. Throws
 * for a key that no HTTP header can carry: every call with it would fail, with an error message that shows the key.
 */
export function readKey(
  given: string | null | undefined,
  env: Environment,
  { keyVariable, invalidKey }: EndpointNames,
): string | null {
  noteEnvironment(env);
  const [text, source] = given?.trim() ? [given, 'the option apiKey'] : [env[keyVariable] ?? '', keyVariable];
  noteSecret(text);
  const key = text.trim();
  if (key === '') return null;
  const wrong = wrongCharacter(key);
  if (wrong === null) return key;
  throw new SparkError(
    invalidKey,
    `${source}: expected a key of visible ASCII characters, which is all that an HTTP header carries, got one with ${wrong} ` +
      'inside (the key is not shown); copy it again, as one line',
  );
}

function wrongCharacter(key: string): string | null {
  if (/[\r\n]/.test(key)) return 'a line break';
  if (/\s/.test(key)) return 'a space or tab';
  if (/\p{Cc}/u.test(key)) return 'a control character';
  return /[^\x21-\x7e]/.test(key) ? 'a character that is not ASCII' : null;
}
