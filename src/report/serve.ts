/** Serves a page on this machine alone, rendered anew for whoever asks, while a run goes on. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SparkError, toSparkError } from '../errors.js';
import { redactKnown } from '../secrets/redact.js';

export interface ServeOptions {
  /** 0: a free one */
  readonly port: number;
  /** The browser asks again after so many seconds. */
  readonly everySeconds: number;
  /** Ends the server. */
  readonly signal: AbortSignal;
}

export interface ServedPage {
  readonly url: string;
  /** Resolves when the signal has fired and the server is closed. */
  readonly closed: Promise<void>;
}

/** A page is good for so long: several browsers, or an impatient one, do not each cost a rendering. */
const FRESH_MS = 1000;

/** Listens on the loopback address. Throws `invalid_argument` for a port that is taken or not allowed. */
export async function servePage(render: () => Promise<string>, options: ServeOptions): Promise<ServedPage> {
  const page = remembered(render);
  const server = createServer((request, response) => {
    void answer(request, response, page, options.everySeconds);
  });
  await new Promise<void>((ready, fail) => {
    server.once('error', (error) => {
      fail(
        new SparkError('invalid_argument', `--port ${options.port}: ${error.message}; name another, or leave it out`, {
          cause: error,
        }),
      );
    });
    server.listen(options.port, '127.0.0.1', ready);
  });
  const closed = new Promise<void>((resolve) => {
    const close = () => {
      server.close(() => resolve());
      server.closeAllConnections();
    };
    if (options.signal.aborted) close();
    else options.signal.addEventListener('abort', close, { once: true });
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, closed };
}

/** `render`, called once for all who ask before its page is `FRESH_MS` old. */
export function remembered(render: () => Promise<string>): () => Promise<string> {
  let last: { readonly page: Promise<string>; readonly at: number } | null = null;
  return () => {
    if (last === null || Date.now() - last.at > FRESH_MS) {
      // Counted from the end of the rendering, which may take longer than a page is good for.
      const page = render().finally(() => {
        last = last?.page === page ? { page, at: Date.now() } : last;
      });
      last = { page, at: Number.POSITIVE_INFINITY };
    }
    return last.page;
  };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  page: () => Promise<string>,
  everySeconds: number,
): Promise<void> {
  const head = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' };
  const plain = { ...head, 'content-type': 'text/plain; charset=utf-8' };
  // A page elsewhere could have its own name resolve to this address and then read what is served here.
  if (!/^(?:127\.0\.0\.1|localhost)(?::\d+)?$/.test(request.headers.host ?? '')) {
    response.writeHead(403, plain).end('served to this machine alone, under its loopback address\n');
  } else if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.writeHead(405, { ...plain, allow: 'GET, HEAD' }).end('expected GET\n');
  } else if (new URL(request.url ?? '/', 'http://localhost').pathname !== '/') {
    response.writeHead(404, plain).end('there is one page: /\n');
  } else {
    const refresh = { refresh: String(everySeconds) };
    try {
      const html = await page();
      response.writeHead(200, { ...head, ...refresh, 'content-type': 'text/html; charset=utf-8' });
      response.end(request.method === 'HEAD' ? undefined : html);
    } catch (error) {
      // A file may be half written at this moment, or the run not begun: the next try shows it.
      const { code, message } = toSparkError(error);
      response.writeHead(503, { ...plain, ...refresh }).end(`error [${code}]: ${redactKnown(message)}\n`);
    }
  }
}
