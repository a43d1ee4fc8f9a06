/**
 * The MCP servers of a run. What they listed when the run began stands in its folder: later commands know the actions without a
 * server, and a server with other tools is seen before it is called.
 */
import type { Config } from '../config/index.js';
import { SparkError } from '../errors.js';
import type { Log } from '../log.js';
import { readSealed, writeSealed } from '../sealed.js';
import { type McpListing, MOST_ACTIONS } from '../tools/mcp/listing.js';
import { knownMcp, type McpTools, openMcp, replayedMcp } from '../tools/mcp/mcp.js';
import { type Facts, hashOf } from './freshness.js';

interface StoredListings {
  /** Hash of what of `tools.mcp` decides which tools there are. */
  readonly settings: string;
  readonly listings: readonly McpListing[];
}

interface Surroundings {
  readonly log: Log;
  readonly signal: AbortSignal;
  /** The run's file of listings; absent: the servers are asked. */
  readonly file?: string;
}

/**
 * The tools of the configured servers; null without any. A replay starts and asks none. Throws `invalid_config` for settings that cannot be, and
 * `tool_unavailable` for a server that does not answer. The caller disposes of it.
 */
export async function openConfiguredMcp(
  config: Config,
  user: { readonly tools?: unknown },
  { file, log, signal }: Surroundings,
): Promise<McpTools | null> {
  const { mcp: servers, enabled, web } = config.tools;
  if (servers.length === 0) return null;
  if (user.tools !== undefined) {
    throw new SparkError(
      'invalid_config',
      'tools.mcp: expected no servers beside tools of your own parts, which replace all others; take tools.mcp out and ' +
        "register the servers' tools yourself (openMcp of spark-rl/rollout)",
    );
  }
  const stored = file === undefined ? null : storedListings(config, file);
  const mcp =
    config.tools.record === 'replay'
      ? replayedMcp(servers, stored ?? noList(file))
      : await openMcp(servers, { ...(stored === null ? {} : { listings: stored }), log, signal });
  const others = enabled.length + web.length;
  const count = others + mcp.tools.length + 1;
  if (count <= MOST_ACTIONS) return mcp;
  await mcp.dispose();
  throw new SparkError(
    'invalid_config',
    `tools.mcp: expected at most ${MOST_ACTIONS} actions, as the judge scores them all at every step, got ${count} ` +
      `(${enabled.length} of tools.enabled, ${web.length === 0 ? '' : `${web.length} of tools.web, `}${mcp.tools.length} of servers, and think); name fewer: tools.enabled, and tools ` +
      'of a server',
  );
}

/** What the model is told of the tools is replayed, too, and so has to be there. */
function noList(file: string | undefined): never {
  if (file === undefined) {
    throw new SparkError(
      'invalid_config',
      'tools.record: expected a run to replay the servers of tools.mcp from, got none; name it with --run, or set tools.record=on',
    );
  }
  throw new SparkError(
    'tool_unavailable',
    `tools.record: replay, but ${file} does not say what the servers of these tools.mcp list; copy that file, too, from the run ` +
      'that was recorded, or set tools.record=on',
  );
}

/** For a run that is only read: what its servers listed, without them; null where that is not known. */
export function readMcp(config: Config, file: string): McpTools | null {
  const stored = storedListings(config, file);
  return stored === null ? null : knownMcp(config.tools.mcp, stored);
}

/** What the servers listed when this configuration's run began; null where that is not known. */
function storedListings({ tools }: Config, file: string): readonly McpListing[] | null {
  if (tools.mcp.length === 0) return null;
  const remedy =
    tools.record === 'replay'
      ? 'copy it again from the run that was recorded'
      : 'remove it: the servers of tools.mcp are then asked again';
  const stored = readSealed<StoredListings>(file, { remedy });
  return stored !== null && stored.settings === settingsHash(tools.mcp) ? stored.listings : null;
}

export async function storeListings({ tools }: Config, file: string, { listings }: McpTools): Promise<void> {
  const content: StoredListings = { settings: settingsHash(tools.mcp), listings };
  await writeSealed(file, content);
}

/** Of each server its version and the tools taken, as a fact of what was made with them. */
export function mcpFacts(listings: readonly McpListing[]): Facts {
  return Object.fromEntries(
    listings.map(({ server, version, actions }) => [
      server,
      { version, tools: hashOf(actions.map(({ tool, hash }) => [tool, hash])) },
    ]),
  );
}

function settingsHash(servers: Config['tools']['mcp']): string {
  return hashOf(servers.map(({ cwd: _cwd, startTimeoutMs: _limit, ...decisive }) => decisive));
}
