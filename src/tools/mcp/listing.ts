/** What a server lists, as actions: what prompts, judge and facts know of it. Small, clean, and comparable. */
import { createHash } from 'node:crypto';
import { SparkError } from '../../errors.js';
import { redactKnown } from '../../secrets/redact.js';
import { hintOf, type InputShape, shapeOf, visible } from '../schemaInput.js';
import type { ServerTool } from './connection.js';
import { actionNames } from './names.js';
import type { McpServerSettings } from './settings.js';

/**
 * Most actions of a run, `think` among them: the judge scores all of them in one reply (`judge.maxTokens`), and each is a line
 * of every prompt. The paper has nine.
 */
export const MOST_ACTIONS = 32;
const LONGEST_DESCRIPTION = 240;

export interface McpAction {
  /** The server's own name of the tool. */
  readonly tool: string;
  readonly description: string;
  readonly inputHint: string;
  readonly input: InputShape;
  /** Of the tool's name, description and schema as the server sends them. */
  readonly hash: string;
  /** Whether it says of itself that it changes or destroys something. */
  readonly changes: boolean;
  /** Whether it says of itself that it only reads, or that the same call made again changes nothing more. */
  readonly repeatable: boolean;
}

export interface McpListing {
  readonly server: string;
  /** What the server calls itself: `name version`. */
  readonly version: string;
  readonly actions: readonly McpAction[];
}

/** The tools that the settings take of a server. Throws `invalid_config` for one that is not there, and for too many. */
export function listingOf(settings: McpServerSettings, version: string, listed: readonly ServerTool[]): McpListing {
  const { name: server, tools: wanted } = settings;
  const byName = new Map(listed.map((tool) => [tool.name, tool]));
  const missing = (wanted ?? []).filter((name) => !byName.has(name));
  if (missing.length > 0 || listed.length === 0) {
    throw new SparkError(
      'invalid_config',
      `tools.mcp ${server}: expected ${missing.length > 0 ? `the tools ${missing.join(', ')}` : 'some tools'}, but ` +
        `${visible(version, 80)} lists ${listed.length === 0 ? 'none' : someOf(listed)}; correct tools.mcp`,
    );
  }
  const chosen = wanted === null ? [...byName.values()] : wanted.map((name) => byName.get(name)!);
  if (chosen.length > MOST_ACTIONS) {
    throw new SparkError(
      'invalid_config',
      `tools.mcp ${server}: expected at most ${MOST_ACTIONS} actions in all, got ${chosen.length} tools; name those that are ` +
        `worth it: tools: [${visible(chosen[0]!.name, 40)}, …]`,
    );
  }
  return { server, version: visible(version, 80), actions: chosen.map((tool) => actionOf(server, tool)) };
}

function someOf(listed: readonly ServerTool[]): string {
  const names = listed.slice(0, 20).map(({ name }) => visible(name, 40));
  return names.join(', ') + (listed.length > 20 ? `, … (${listed.length})` : '');
}

function actionOf(server: string, tool: ServerTool): McpAction {
  const { name, title, description, inputSchema, annotations } = tool;
  // As it is stored: a file holds no secret, and prompts have to be the same the next time.
  const said = visible(redactKnown(description ?? title ?? ''), LONGEST_DESCRIPTION);
  return {
    tool: name,
    description: said === '' ? `The tool ${visible(name, 60)} of ${server}.` : said,
    inputHint: redactKnown(hintOf(inputSchema)),
    input: shapeOf(inputSchema),
    hash: createHash('sha256')
      .update(JSON.stringify([name, description, inputSchema]))
      .digest('hex')
      .slice(0, 16),
    changes: annotations?.destructiveHint === true || annotations?.readOnlyHint === false,
    repeatable: annotations?.readOnlyHint === true || annotations?.idempotentHint === true,
  };
}

/** Every action of all servers with the name that the model writes. */
export function namedActions(
  listings: readonly McpListing[],
): readonly { readonly name: string; readonly server: string; readonly action: McpAction }[] {
  const all = listings.flatMap(({ server, actions }) => actions.map((action) => ({ server, action })));
  const names = actionNames(all.map(({ server, action }) => ({ server, tool: action.tool })));
  return all.map((one, at) => ({ name: names[at]!, ...one }));
}

/** What of a server is another than it was, in words; null where nothing is. */
export function differenceOf(before: McpListing, now: McpListing): string | null {
  if (before.version !== now.version) return `it was ${before.version} and is ${now.version}`;
  const hashes = new Map(now.actions.map(({ tool, hash }) => [tool, hash]));
  const changed = before.actions.filter(({ tool, hash }) => hashes.get(tool) !== hash).map(({ tool }) => tool);
  const added = now.actions.filter(({ tool }) => !before.actions.some((one) => one.tool === tool));
  if (changed.length > 0) return `${visible(changed.join(', '), 200)} changed or went`;
  return added.length === 0 ? null : `${visible(added.map(({ tool }) => tool).join(', '), 200)} came`;
}
