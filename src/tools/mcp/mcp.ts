/** The tools of MCP servers as `Tool`s. Loads the SDK and starts a server when one is asked, and nothing before. */
import { SparkError } from '../../errors.js';
import { type Log, silentLog } from '../../log.js';
import { checkKeys, type KeysOf } from '../../options.js';
import { fitToShow } from '../fitToShow.js';
import type { Recorder } from '../recorder.js';
import { argumentsOf } from '../schemaInput.js';
import type { Tool } from '../tool.js';
import { type McpAction, type McpListing, namedActions } from './listing.js';
import { McpServer } from './server.js';
import { decisiveOfServer, type McpServerOptions, type McpServerSettings, mcpSettings } from './settings.js';

export interface McpOptions {
  /** What servers listed before: those are not asked until a tool is called, and have to be the same then. */
  readonly listings?: readonly McpListing[];
  readonly log?: Log;
  readonly signal?: AbortSignal;
}

const OPTIONS = { listings: true, log: true, signal: true } as const satisfies KeysOf<McpOptions>;

/** Whoever opens it disposes of it, which ends the servers' programs. */
export interface McpTools {
  readonly tools: readonly Tool[];
  /** The same, which answer from a record what it has. */
  recorded(recorder: Recorder): readonly Tool[];
  readonly listings: readonly McpListing[];
  /** Connects to all servers now instead of at their first call. */
  warm(): Promise<void>;
  dispose(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * The tools of MCP servers, for `ToolRegistry.register`; in a run `tools.mcp` does this. Throws `invalid_config` for settings
 * that are wrong or name a tool that is not there, `tool_unavailable` for a server that does not start or answer.
 */
export async function openMcp(servers: readonly McpServerOptions[], options: McpOptions = {}): Promise<McpTools> {
  checkKeys(options, OPTIONS, 'openMcp: options');
  const { listings: known = [], log = silentLog, signal = new AbortController().signal } = options;
  const settings = checked(servers);
  const before = settings.map(({ name }) => known.find(({ server }) => server === name) ?? null);
  const opened = settings.map((one, at) => new McpServer(one, before[at]!, process.env));
  try {
    const listings = await Promise.all(opened.map((server) => server.listing(signal)));
    for (const [at, listing] of listings.entries()) if (before[at] === null) say(settings[at]!, listing, log);
    return toolsOf(listings.map((listing, at) => serving(settings[at]!, listing, opened[at]!)));
  } catch (error) {
    await Promise.all(opened.map((server) => server.dispose()));
    throw error;
  }
}

/** The tools of servers by what they listed before; none of a server that is not among them. Asks no server. */
export function knownMcp(settings: readonly McpServerSettings[], listings: readonly McpListing[]): McpTools {
  const known = servedBefore(settings, listings);
  return toolsOf(known.map(({ one, listing }) => serving(one, listing, new McpServer(one, listing, process.env))));
}

/** As `knownMcp`, of servers that are never asked: `recorded` alone answers. */
export function replayedMcp(settings: readonly McpServerSettings[], listings: readonly McpListing[]): McpTools {
  const nobody = async (): Promise<never> => {
    throw new SparkError(
      'tool_unavailable',
      'tools.mcp: expected a recorded call, as tools.record is replay, got another',
    );
  };
  const nothing = async () => undefined;
  const known = servedBefore(settings, listings);
  return toolsOf(
    known.map(({ one, listing }) => serving(one, listing, { call: nobody, warm: nothing, dispose: nothing })),
  );
}

function servedBefore(settings: readonly McpServerSettings[], listings: readonly McpListing[]) {
  return listings.flatMap((listing) => {
    const one = settings.find(({ name }) => name === listing.server);
    return one === undefined ? [] : [{ one, listing }];
  });
}

/** Who answers the calls of a server's tools. */
type Answering = Pick<McpServer, 'call' | 'warm' | 'dispose'>;

interface Served {
  readonly listing: McpListing;
  readonly answering: Answering;
  /** What of its settings decides its answers. */
  readonly decisive: Readonly<Record<string, unknown>>;
}

function serving(settings: McpServerSettings, listing: McpListing, answering: Answering): Served {
  return { listing, answering, decisive: decisiveOfServer(settings) };
}

function toolsOf(served: readonly Served[]): McpTools {
  const listings = served.map(({ listing }) => listing);
  const byName = new Map(served.map((one) => [one.listing.server, one]));
  const tools = (recorder: Recorder | null) =>
    namedActions(listings).map(({ name, server, action }) => toolOf(name, action, byName.get(server)!, recorder));
  const warm = async () => {
    await Promise.all(served.map(({ answering }) => answering.warm()));
  };
  const dispose = async () => {
    await Promise.all(served.map(({ answering }) => answering.dispose()));
  };
  return { tools: tools(null), recorded: tools, listings, warm, dispose, [Symbol.asyncDispose]: dispose };
}

function toolOf(
  name: string,
  action: McpAction,
  { answering, decisive, listing }: Served,
  recorder: Recorder | null,
): Tool {
  const { description, inputHint, input: shape, hash } = action;
  const { version } = listing;
  return {
    ...{ name, description, inputHint, keepsDeadlines: true },
    async run(input, context) {
      const args = argumentsOf(input, shape);
      if (!args.ok) return { ok: false, code: 'tool_input', observation: `${args.why}; write ${inputHint}` };
      if (recorder === null) return answering.call(action, args.value, context);
      const { maxObservationChars, step } = context;
      // The hash is of the tool's name, too.
      const settings = { ...decisive, version, hash, maxObservationChars };
      return recorder.answer({ tool: name, settings, input: input.trim(), step }, async () => {
        const result = await answering.call(action, args.value, context);
        // A server may answer megabytes: what is kept is what is shown.
        return { ...result, observation: fitToShow(result.observation, maxObservationChars) };
      });
    },
  };
}

function checked(servers: readonly McpServerOptions[]): readonly McpServerSettings[] {
  const parsed = mcpSettings.safeParse(servers);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'servers'}: ${message}`);
  throw new SparkError('invalid_config', `openMcp: ${problems.join('; ')}`);
}

function say({ tools }: McpServerSettings, { server, version, actions }: McpListing, log: Log): void {
  log.info(`tools.mcp ${server}: ${version}, ${actions.map(({ tool }) => tool).join(', ')}`);
  const changing = actions.filter(({ changes }) => changes).map(({ tool }) => tool);
  if (tools !== null || changing.length === 0) return;
  log.warn(
    `tools.mcp ${server}: ${changing.join(', ')} may change or destroy something, and a rollout tries every action; ` +
      'take only what it may use: tools: [NAME, …]',
  );
}
