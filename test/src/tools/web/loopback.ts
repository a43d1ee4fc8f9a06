/** An engine on this machine: every request is kept, and answered as the test says. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll } from 'vitest';
import { ToolRegistry } from '../../../../src/tools/registry.js';
import type { WebOptions } from '../../../../src/tools/web/settings.js';
import { openWeb, type WebToolOptions } from '../../../../src/tools/web/web.js';

export interface Received {
  readonly method: string;
  readonly path: string;
  readonly params: Readonly<Record<string, string>>;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

export interface Answer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** A text as it is, else JSON. */
  readonly body?: unknown;
}

type Answering = (received: Received, response: ServerResponse) => Answer | Promise<Answer> | null;

export class LoopbackEngine {
  readonly received: Received[] = [];
  /** Hosts to which it was asked to be a tunnel; it refuses. */
  readonly tunnels: string[] = [];
  /** Null: the test answers itself, or never. */
  answering: Answering = () => ({ body: {} });
  address = '';
  readonly #server = createServer((request, response) => void this.#serve(request, response));

  static async start(): Promise<LoopbackEngine> {
    const engine = new LoopbackEngine();
    engine.#server.on('connect', ({ url }, socket) => {
      engine.tunnels.push(url ?? '');
      socket.end('HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n');
    });
    await new Promise<void>((resolve) => engine.#server.listen(0, '127.0.0.1', resolve));
    engine.address = `http://127.0.0.1:${(engine.#server.address() as AddressInfo).port}`;
    afterAll(() => engine.stop());
    return engine;
  }

  answer(answer: Answer): void {
    this.received.length = 0;
    this.answering = () => answer;
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.address);
    let body = '';
    for await (const chunk of request) body += String(chunk);
    const { method = '', headers } = request;
    const params = Object.fromEntries(url.searchParams);
    const received = { method, path: url.pathname, params, headers, body };
    this.received.push(received);
    const answer = await this.answering(received, response);
    if (answer === null) return;
    const text = typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body ?? {});
    response.writeHead(answer.status ?? 200, { 'content-type': 'application/json', ...answer.headers }).end(text);
  }
}

export const KEY = 'test-key-4f0a91c7d2e8b653';
export const env = { TEST_KEY: KEY };
export const context = { timeoutMs: 30_000, maxObservationChars: 2000 };

/** One engine as the action `ask`. */
export function registryOf(options: WebOptions, more: WebToolOptions = {}): ToolRegistry {
  const registry = new ToolRegistry();
  for (const tool of openWeb([options], { env, ...more })) registry.register(tool);
  return registry;
}
