/**
 * One connection to an MCP server; the only importer of the SDK, which is loaded when a server is first asked. A program is
 * given the SDK's few safe variables and what the configuration says, so that no key of this process gets into it.
 */
import type { ChildProcess } from 'node:child_process';
import { statSync } from 'node:fs';
import path from 'node:path';
import type {
  CallToolResult,
  Client,
  jsonSchemaValidator,
  ListToolsResult,
  Transport,
} from '@modelcontextprotocol/client';
import { SparkError } from '../../errors.js';
import { fetchThroughProxy } from '../../inference/proxy.js';
import { packageVersion } from '../../package.js';
import { noteSecret, redact } from '../../secrets/redact.js';
import { expandReferences } from '../../secrets/references.js';
import { type Environment, namesSecret } from '../../secrets/sources.js';
import { oneLine } from '../observation.js';
import type { McpServerSettings } from './settings.js';

export type ServerTool = ListToolsResult['tools'][number];

/** Largest message, in bytes. A picture may be in it; a longer text than an observation is of no use. */
const MOST_BYTES = 8 * 1024 * 1024;
/** The SDK asks for no more pages. */
const MOST_PAGES = 32;
const PING_TIMEOUT_MS = 5000;
/** The end of what a program wrote to its standard error, for the message when it ends. */
const SHOWN_STDERR = 400;
/** So much more that a secret whose start was cut off is not within what is shown. */
const KEPT_STDERR = 16 * SHOWN_STDERR;

interface Handlers {
  /** Called once, when the connection has ended, whoever ended it. */
  readonly onEnd: () => void;
  /** The server says that its list of tools is another. */
  readonly onListChanged: () => void;
}

/**
 * Whether structured content is as the server's own schema says is nothing to us, and a pattern of that schema could hold this
 * thread for ever.
 */
const UNCHECKED: jsonSchemaValidator = {
  getValidator: () => (input) => ({ valid: true, data: input as never, errorMessage: undefined }),
};

interface Opened {
  readonly client: Client;
  readonly transport: Transport;
  readonly pid: number | null;
  readonly last: () => string;
  readonly onEnd: () => void;
}

export class Connection {
  readonly #client: Client;
  readonly #transport: Transport;
  readonly #pid: number | null;
  /** What the program wrote last, or why the connection ended. */
  readonly #last: () => string;
  readonly #onEnd: () => void;
  #open = true;
  #calls = 0;
  #endedByAnother = false;

  private constructor({ client, transport, pid, last, onEnd }: Opened) {
    this.#client = client;
    this.#transport = transport;
    this.#pid = pid;
    this.#last = last;
    this.#onEnd = onEnd;
  }

  /** Throws `invalid_config` for a variable or folder that is not there, and what the transport throws. */
  static async open(
    settings: McpServerSettings,
    handlers: Handlers,
    { env, signal }: { readonly env: Environment; readonly signal: AbortSignal },
  ): Promise<Connection> {
    const { Client: McpClient } = await import('@modelcontextprotocol/client');
    let stderr = '';
    let problem = '';
    const transport = await transportOf(settings, env, (text) => {
      stderr = (stderr + text).slice(-KEPT_STDERR);
    });
    const client = new McpClient(
      { name: 'spark-rl', version: packageVersion() },
      {
        capabilities: {},
        jsonSchemaValidator: UNCHECKED,
        listMaxPages: MOST_PAGES,
        // At once: a call that follows has to see it.
        listChanged: { tools: { autoRefresh: false, debounceMs: 0, onChanged: handlers.onListChanged } },
      },
    );
    client.onerror = (error) => {
      problem = error.message;
    };
    // Hidden before anything is cut off, as a part of a secret is not known for one.
    const words = () => {
      const said = [redact(problem), redact(stderr).slice(-SHOWN_STDERR)];
      return oneLine(said.filter((text) => text.trim() !== '').join('; '), 300);
    };
    try {
      await client.connect(transport, { signal, timeout: settings.startTimeoutMs });
    } catch (error) {
      await transport.close().catch(() => undefined);
      const said = new Set([oneLine(redact((error as Error).message), 300), words()].filter((text) => text !== ''));
      throw new Error([...said].join('; '), { cause: error });
    }
    const pid = 'pid' in transport && typeof transport.pid === 'number' ? transport.pid : null;
    const connection = new Connection({ client, transport, pid, last: words, onEnd: handlers.onEnd });
    if (pid !== null) remember(pid);
    hold(transport, false);
    client.onclose = () => {
      if (pid !== null) running.delete(pid);
      connection.#end(connection.#calls > 1);
    };
    return connection;
  }

  get open(): boolean {
    return this.#open;
  }

  /**
   * Whether a call that was lost with it need not be to blame: we ended it because of another call, or it ended by itself during
   * several.
   */
  get endedByAnother(): boolean {
    return this.#endedByAnother;
  }

  /** Of the program; null for a server behind a URL. */
  get pid(): number | null {
    return this.#pid;
  }

  /** What the server calls itself: `name version`. */
  get version(): string {
    const { name = '', version = '' } = this.#client.getServerVersion() ?? {};
    return oneLine(`${name} ${version}`, 80);
  }

  /** What is known of its end, in words; may be empty. */
  get lastWords(): string {
    return this.#last();
  }

  async list(signal: AbortSignal, timeout: number): Promise<readonly ServerTool[]> {
    return (await this.#client.listTools(undefined, { signal, timeout, cacheMode: 'refresh' })).tools;
  }

  async call(
    name: string,
    args: Readonly<Record<string, unknown>>,
    { signal, timeoutMs }: { readonly signal: AbortSignal; readonly timeoutMs: number },
  ): Promise<CallToolResult> {
    this.#calls += 1;
    try {
      // The signal fires at the deadline; the SDK's own limit only has to be later.
      return await this.#client.callTool({ name, arguments: { ...args } }, { signal, timeout: timeoutMs + 60_000 });
    } finally {
      this.#calls -= 1;
    }
  }

  /** Whether the server still answers anything. */
  async answers(): Promise<boolean> {
    try {
      await this.#client.ping({ timeout: PING_TIMEOUT_MS });
      return true;
    } catch (error) {
      // That it does not know the word is an answer, too.
      return !isLost(error);
    }
  }

  /** A program gets the end of its input, then SIGTERM, then SIGKILL. */
  async close(): Promise<void> {
    if (!this.#open) return;
    // At once, as a program may take seconds to end: the next call is for another connection.
    this.#end(true);
    hold(this.#transport, true);
    const { sessionId } = this.#transport;
    if (sessionId !== undefined && 'terminateSession' in this.#transport) {
      await (this.#transport as unknown as { terminateSession(): Promise<void> })
        .terminateSession()
        .catch(() => undefined);
    }
    await this.#client.close().catch(() => undefined);
  }

  #end(byAnother: boolean): void {
    if (!this.#open) return;
    this.#open = false;
    this.#endedByAnother = byAnother;
    this.#onEnd();
  }
}

/** Whether an error means that the server cannot be talked to any more, and not that it answered with an error. */
export function isLost(error: unknown): boolean {
  // Arguments nested so deeply that they cannot be written as JSON were never sent.
  if (error instanceof RangeError) return false;
  const code = codeOf(error);
  return typeof code !== 'number' && code !== 'INVALID_RESULT';
}

/** A number of JSON-RPC for an error that the server answered with; a text of the SDK's for its own. */
export function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

async function transportOf(
  settings: McpServerSettings,
  env: Environment,
  onStderr: (text: string) => void,
): Promise<Transport> {
  const { name, command, args, cwd, url } = settings;
  if (url !== null) {
    const { StreamableHTTPClientTransport } = await import('@modelcontextprotocol/client');
    const headers = valuesOf(`${name}.headers`, settings.headers, env);
    return new StreamableHTTPClientTransport(new URL(url), {
      requestInit: { headers },
      fetch: async (address, init) => bounded(await fetchThroughProxy(address, init, env)),
    });
  }
  const folder = path.resolve(cwd ?? '.');
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) {
    throw new SparkError('invalid_config', `tools.mcp ${name}: expected a folder as cwd, got ${folder}; correct it`);
  }
  const { StdioClientTransport } = await import('@modelcontextprotocol/client/stdio');
  const transport = new StdioClientTransport({
    ...{ command: command!, args, cwd: folder, stderr: 'pipe', maxBufferSize: MOST_BYTES },
    env: valuesOf(`${name}.env`, settings.env, env),
  });
  // Read, or a program that writes much to it would wait for ever.
  transport.stderr?.on('data', (chunk: Buffer) => onStderr(chunk.toString('utf8').slice(-KEPT_STDERR)));
  return transport;
}

/** The values with what the environment says in place of `$NAME`; that, and what has the name of a secret, is hidden from now on. */
function valuesOf(where: string, given: Readonly<Record<string, string>>, env: Environment): Record<string, string> {
  return Object.fromEntries(
    Object.entries(given).map(([key, text]) => {
      const { text: value, values, missing } = expandReferences(text, env);
      if (missing.length > 0) {
        throw new SparkError(
          'invalid_config',
          `tools.mcp ${where}.${key}: expected the environment variable ${missing.join(', ')}, which is not set; set it, or ` +
            'take it out (a dollar sign is written $$)',
        );
      }
      for (const one of values) if (!one.startsWith('/')) noteSecret(one);
      if (namesSecret(key)) noteSecret(value);
      return [key, value];
    }),
  );
}

/** The response, whose body ends with an error when it is longer than a message may be. */
function bounded(response: Response): Response {
  if (response.body === null) return response;
  let bytes = 0;
  const counted = response.body.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        bytes += chunk.byteLength;
        if (bytes <= MOST_BYTES) controller.enqueue(chunk);
        else controller.error(new Error(`the answer is longer than ${MOST_BYTES} bytes`));
      },
    }),
  );
  const { status, statusText, headers } = response;
  return new Response(counted, { status, statusText, headers });
}

/**
 * Whether a program keeps this process from ending: one that is used does not, as nobody may have disposed of it; one that is
 * ending does, so that it is seen to end.
 */
function hold(transport: Transport, held: boolean): void {
  const child = Reflect.get(transport, '_process') as ChildProcess | undefined;
  for (const handle of [child, child?.stdin, child?.stdout, child?.stderr]) {
    const { ref, unref } = Object(handle) as { ref?(): void; unref?(): void };
    (held ? ref : unref)?.call(handle);
  }
}

/** Programs that run; whatever ends this process ends them. */
const running = new Set<number>();

function remember(pid: number): void {
  if (running.size === 0 && !process.listeners('exit').includes(endAll)) process.once('exit', endAll);
  running.add(pid);
}

function endAll(): void {
  for (const pid of running) {
    try {
      process.kill(pid, 'SIGTERM');
    } catch {
      // It has ended already.
    }
  }
}
