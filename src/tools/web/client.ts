/** One request to an engine on the web: through the proxy, with undici's retries, up to a size, and to no other host. */
import type { Dispatcher } from 'undici';
import { rootCause } from '../../inference/httpReply.js';
import { connectionsTo } from '../../inference/proxy.js';
import { packageVersion } from '../../package.js';
import type { Environment } from '../../secrets/sources.js';
import { WebFault, type WebRequest } from './engine.js';

/** Largest reply, in bytes, as of MCP servers. */
const MOST_BYTES = 8 * 1024 * 1024;
const MOST_REDIRECTS = 3;
/**
 * Twice again, after at most three seconds each whatever the engine asks for: a call has `tools.timeoutMs`, ten seconds unless
 * told otherwise, and is to end with the engine's words rather than by the clock.
 */
const RETRIES = { maxRetries: 2, minTimeout: 500, maxTimeout: 3000 };

export interface WebReply {
  readonly status: number;
  readonly headers: Headers;
  readonly body: string;
}

interface Surroundings {
  readonly env: Environment;
  readonly signal: AbortSignal;
  /** Of the user, for the User-Agent. */
  readonly contact?: string | null;
}

/** The last reply, whatever its status. Throws a WebFault where there is none, or none of use. */
export async function askEngine(address: string, request: WebRequest, around: Surroundings): Promise<WebReply> {
  let url = urlOf(address, request);
  for (let redirects = 0; ; redirects++) {
    const { statusCode, headers: raw, body } = await send(url, request, around);
    const headers = headersOf(raw);
    const to = headers.get('location');
    if (to === null || ![301, 302, 303, 307, 308].includes(statusCode)) {
      return { status: statusCode, headers, body: await textOf(body, around.signal) };
    }
    await body.dump();
    url = redirected(url, to);
    if (redirects === MOST_REDIRECTS) throw new WebFault('settings', 'it redirects without end');
  }
}

function urlOf(address: string, { path, params = {} }: WebRequest): URL {
  const url = new URL(address);
  url.pathname = `${url.pathname.replace(/\/+$/, '')}/${path}`;
  for (const [name, value] of Object.entries(params)) if (value !== null) url.searchParams.set(name, String(value));
  return url;
}

/** Another host would get the key and the questions. */
function redirected(from: URL, to: string): URL {
  const url = URL.canParse(to, from.href) ? new URL(to, from.href) : null;
  const secured = from.protocol === 'http:' && url?.protocol === 'https:' && url.hostname === from.hostname;
  if (url !== null && (url.origin === from.origin || (secured && from.port === '' && url.port === ''))) return url;
  const where = url === null ? 'what is no address' : url.origin;
  throw new WebFault(
    'settings',
    `it redirects to ${where}, which is not followed; give that as baseUrl if it is meant`,
  );
}

async function send(url: URL, { headers, body }: WebRequest, { env, signal, contact }: Surroundings) {
  const { request, interceptors } = await import('undici');
  const method = body === undefined ? 'GET' : 'POST';
  const retry = interceptors.retry({ ...RETRIES, throwOnError: false, methods: [method] });
  const dispatcher = (await connectionsTo(url, env)).compose(retry);
  const contacted = contact == null ? '' : `; ${contact}`;
  const given = {
    'user-agent': `spark-rl/${packageVersion()} (research on language models${contacted})`,
    accept: 'application/json',
    ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    ...headers,
  };
  const sent = body === undefined ? {} : { body: JSON.stringify(body) };
  try {
    return await request(url, { method, headers: given, ...sent, signal, dispatcher });
  } catch (error) {
    if (signal.aborted) throw error;
    throw new WebFault('passing', `it cannot be reached: ${rootCause(error)}`);
  }
}

function headersOf(raw: Dispatcher.ResponseData['headers']): Headers {
  const pairs = Object.entries(raw).flatMap(([name, value]): [string, string][] =>
    value === undefined ? [] : [[name, Array.isArray(value) ? value.join(', ') : value]],
  );
  return new Headers(pairs);
}

async function textOf(body: Dispatcher.ResponseData['body'], signal: AbortSignal): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      bytes += chunk.byteLength;
      // Leaving the loop ends the connection.
      if (bytes > MOST_BYTES) throw new WebFault('passing', `its reply is longer than ${MOST_BYTES} bytes`);
      chunks.push(chunk);
    }
  } catch (error) {
    if (signal.aborted || error instanceof WebFault) throw error;
    throw new WebFault('passing', `its reply was cut off: ${rootCause(error)}`);
  }
  return Buffer.concat(chunks).toString('utf8');
}
