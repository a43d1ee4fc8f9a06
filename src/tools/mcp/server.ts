/**
 * An MCP server through a run: connected when it is first needed, started again when it ended, given up when it ends again and
 * again. Its tools are those that it listed first: prompts, scores and trajectories know them, so another list ends the work.
 */
import pLimit from 'p-limit';
import { abortable, pause } from '../../abortable.js';
import { SparkError, throwIfAborted } from '../../errors.js';
import { redact } from '../../secrets/redact.js';
import type { Environment } from '../../secrets/sources.js';
import { inTime, timedOut } from '../inTime.js';
import { oneLine } from '../observation.js';
import type { ToolContext, ToolResult } from '../tool.js';
import { Connection, codeOf, isLost } from './connection.js';
import { resultOf } from './content.js';
import { differenceOf, listingOf, type McpAction, type McpListing } from './listing.js';
import type { McpServerSettings } from './settings.js';

/** Ends without one good answer between them after which it is given up. */
const MOST_ENDS = 5;
/** Before each try to start it again: a server that is restarted by others is there after a while. */
const WAITS_MS = [0, 1000, 4000];

type Arguments = Readonly<Record<string, unknown>>;
type CallContext = ToolContext & { readonly signal: AbortSignal };

export class McpServer {
  readonly #settings: McpServerSettings;
  readonly #env: Environment;
  #listing: McpListing | null;
  #connection: Promise<Connection> | null = null;
  #ends = 0;
  /** Whether it was connected before, so that the next connection is another try. */
  #wasThere = false;
  #listChanged = false;
  #asking: Promise<boolean> | null = null;
  /** Calls that are made again, one at a time; no other call is made meanwhile. */
  readonly #alone = pLimit(1);
  readonly #repeats = new Set<Promise<unknown>>();
  readonly #closing = new AbortController();

  /** `listing`: what it listed when the run began; null: what it lists now. */
  constructor(settings: McpServerSettings, listing: McpListing | null, env: Environment) {
    this.#settings = settings;
    this.#listing = listing;
    this.#env = env;
  }

  /** Its tools; asks the server only when they are not known. Throws `tool_unavailable`, `invalid_config`, `interrupted`. */
  async listing(signal: AbortSignal): Promise<McpListing> {
    if (this.#listing === null) await this.#ready(signal);
    return this.#listing!;
  }

  async warm(signal: AbortSignal = this.#closing.signal): Promise<void> {
    await this.#ready(signal);
  }

  /** Of its program, to look at it; null while there is none. */
  async pid(): Promise<number | null> {
    return (await this.#connection)?.pid ?? null;
  }

  /**
   * One call. Waiting for the server to start, or for calls that are made again, does not count against its limit. One that was
   * lost because of another is made once more, if its tool says that this does no harm.
   */
  async call(action: McpAction, args: Arguments, context: CallContext): Promise<ToolResult> {
    while (this.#repeats.size > 0) await abortable(Promise.allSettled(this.#repeats), context.signal);
    const first = await this.#once(action, args, context);
    if (!first.blameless || !action.repeatable) return first.result;
    const timeoutMs = Math.max(1, Math.ceil(context.timeoutMs - first.tookMs));
    const again = this.#alone(() => this.#again(action, args, { ...context, timeoutMs }));
    this.#repeats.add(again);
    again.finally(() => this.#repeats.delete(again)).catch(() => undefined);
    const { result } = await abortable(again, context.signal);
    return !result.ok && result.code === 'tool_timeout' ? timedOut(context) : result;
  }

  /** Alone: what ends the server again was to blame, and has one fault, not two. */
  async #again(action: McpAction, args: Arguments, context: CallContext) {
    const ends = this.#ends;
    const second = await this.#once(action, args, context);
    this.#ends = Math.min(this.#ends, ends);
    return second;
  }

  async #once({ tool, inputHint }: McpAction, args: Arguments, context: CallContext) {
    const connection = await this.#readyForCall(context.signal);
    const started = performance.now();
    let blameless = false;
    const result = await inTime(async ({ signal, timeoutMs }) => {
      try {
        const answer = resultOf(await connection.call(tool, args, { signal, timeoutMs }));
        this.#ends = 0;
        return answer;
      } catch (error) {
        if (signal.aborted) throw error;
        blameless = isLost(error) && connection.endedByAnother;
        return this.#failed(connection, error);
      }
    }, context);
    const tookMs = performance.now() - started;
    if (!result.ok && result.code === 'tool_timeout') void this.#endUnlessItAnswers(connection);
    if (result.ok || result.code !== 'tool_input') return { result, blameless, tookMs };
    const observation = `${oneLine(result.observation)}; write ${inputHint}`;
    return { result: { ...result, observation }, blameless, tookMs };
  }

  /** What is wrong with the settings, such as a variable that is not set, would be wrong for every call. */
  async #readyForCall(signal: AbortSignal): Promise<Connection> {
    try {
      return await this.#ready(signal);
    } catch (error) {
      if (!(error instanceof SparkError) || error.code !== 'invalid_config') throw error;
      throw new SparkError('tool_unavailable', error.message, { cause: error });
    }
  }

  /** Ends its program, or its session. */
  async dispose(): Promise<void> {
    this.#closing.abort();
    const connection = await this.#connection?.catch(() => null);
    await connection?.close();
  }

  async #failed(connection: Connection, error: unknown): Promise<ToolResult> {
    // Before anything is cut off, as a part of a secret is not known for one.
    const message = oneLine(redact((error as Error).message), 300);
    if (!isLost(error)) {
      return { ok: false, code: codeOf(error) === -32602 ? 'tool_input' : 'tool_failed', observation: message };
    }
    void connection.close();
    const words = connection.lastWords;
    return {
      ...{ ok: false, code: 'tool_failed' },
      observation: `${this.#settings.name} ended during the call: ${words === '' ? message : words}`,
    };
  }

  /** After a call without an answer: whoever hangs would let every later call hang, too. */
  async #endUnlessItAnswers(connection: Connection): Promise<void> {
    if (this.#asking !== null || !connection.open) return;
    this.#asking = connection.answers();
    const answers = await this.#asking;
    this.#asking = null;
    if (!answers) await connection.close();
  }

  /** A connection whose tools are those that are known. */
  async #ready(signal: AbortSignal): Promise<Connection> {
    if (this.#closing.signal.aborted) {
      throw new SparkError('disposed', `tools.mcp ${this.#settings.name}: it has been shut down; open it again`);
    }
    throwIfAborted(signal);
    this.#connection ??= this.#connect();
    const awaited = this.#connection;
    const connection = await abortable(awaited, signal);
    // Of one that has ended the next one is compared.
    if (!connection.open) return connection;
    if (this.#listChanged) {
      this.#listChanged = false;
      this.#connection = this.#compare(connection).then(() => connection);
    }
    // Calls beside the one that saw the change wait for the comparison, too.
    return this.#connection === awaited ? connection : this.#ready(signal);
  }

  async #connect(): Promise<Connection> {
    const { name } = this.#settings;
    try {
      if (this.#ends >= MOST_ENDS) throw new Error(`it ended ${this.#ends} times in a row without a good answer`);
      const connection = await this.#tries();
      this.#wasThere = true;
      await this.#compare(connection);
      return connection;
    } catch (error) {
      // What failed may be mended, and is then tried again.
      this.#connection = null;
      if (error instanceof SparkError) throw error;
      throw new SparkError('tool_unavailable', `tools.mcp ${name}: ${(error as Error).message}; ${this.#remedy()}`, {
        cause: error,
      });
    }
  }

  async #tries(): Promise<Connection> {
    const waits = this.#wasThere ? WAITS_MS : [0];
    for (const [at, ms] of waits.entries()) {
      await pause(ms, this.#closing.signal);
      try {
        return await this.#open();
      } catch (error) {
        if (error instanceof SparkError || at === waits.length - 1) throw error;
      }
    }
    throw new Error('not reached');
  }

  #open(): Promise<Connection> {
    const onEnd = () => {
      this.#ends += 1;
      this.#connection = null;
    };
    const onListChanged = () => {
      this.#listChanged = true;
    };
    const options = { env: this.#env, signal: this.#closing.signal };
    return Connection.open(this.#settings, { onEnd, onListChanged }, options);
  }

  #remedy(): string {
    const { command, url } = this.#settings;
    if (command !== null) return `see that \`${command}\` runs and speaks MCP on its standard output, then go on`;
    return `see that a server answers at ${url}, with these headers, then go on`;
  }

  /** Takes the server's list when there is none yet, else throws `tool_unavailable` when it is another. */
  async #compare(connection: Connection): Promise<void> {
    const { name, startTimeoutMs } = this.#settings;
    let listed: Awaited<ReturnType<Connection['list']>>;
    try {
      listed = await connection.list(this.#closing.signal, startTimeoutMs);
    } catch (error) {
      await connection.close();
      const said = oneLine(`${redact((error as Error).message)} ${connection.lastWords}`, 300);
      throw new SparkError('tool_unavailable', `tools.mcp ${name}: it lists no tools: ${said}; ${this.#remedy()}`, {
        cause: error,
      });
    }
    try {
      const now = listingOf(this.#settings, connection.version, listed);
      const difference = this.#listing === null ? null : differenceOf(this.#listing, now);
      this.#listing ??= now;
      if (difference !== null) throw new SparkError('tool_unavailable', changed(name, difference));
    } catch (error) {
      await connection.close();
      // That it lists another set than before, or none, is a change as well.
      if (this.#listing === null || (error instanceof SparkError && error.code === 'tool_unavailable')) throw error;
      throw new SparkError('tool_unavailable', changed(name, (error as Error).message), { cause: error });
    }
  }
}

function changed(name: string, difference: string): string {
  return (
    `tools.mcp ${name}: expected the tools that were there when this work began, but ${difference}; steps with both would not ` +
    'be of one set of actions: bring the old server back (a fixed version in tools.mcp), or give another --run'
  );
}
