/** The tools of MCP servers as `Tool`s. Loads the SDK and starts a server when one is asked, and nothing before. */
import { SparkError } from '../../errors.js';
import { type Log, silentLog } from '../../log.js';
import { checkKeys, type KeysOf } from '../../options.js';
import type { Tool } from '../tool.js';
import { type McpListing, namedActions } from './listing.js';
import { McpServer } from './server.js';
import { type McpServerOptions, type McpServerSettings, mcpSettings } from './settings.js';

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
    return toolsOf(opened, listings);
  } catch (error) {
    await Promise.all(opened.map((server) => server.dispose()));
    throw error;
  }
}

/** The tools of servers by what they listed before; none of a server that is not among them. Asks no server. */
export function knownMcp(settings: readonly McpServerSettings[], listings: readonly McpListing[]): McpTools {
  const known = listings.flatMap((listing) => {
    const one = settings.find(({ name }) => name === listing.server);
    return one === undefined ? [] : [{ server: new McpServer(one, listing, process.env), listing }];
  });
  return toolsOf(
    known.map(({ server }) => server),
    known.map(({ listing }) => listing),
  );
}

function toolsOf(servers: readonly McpServer[], listings: readonly McpListing[]): McpTools {
  const byName = new Map(listings.map(({ server }, at) => [server, servers[at]!]));
  const tools = namedActions(listings).map(({ name, server, action }): Tool => {
    const { description, inputHint } = action;
    return { name, description, inputHint, run: (input, context) => byName.get(server)!.call(action, input, context) };
  });
  const warm = async () => {
    await Promise.all(servers.map((server) => server.warm()));
  };
  const dispose = async () => {
    await Promise.all(servers.map((server) => server.dispose()));
  };
  return { tools, listings, warm, dispose, [Symbol.asyncDispose]: dispose };
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
