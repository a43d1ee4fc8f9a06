/**
 * The engines of `tools.web` in a run, and what has to be there before the first rollout; where it keeps what they and MCP servers
 * answered.
 */
import type { Config } from '../config/index.js';
import { SparkError } from '../errors.js';
import type { Tools } from '../rollout/settings.js';
import { Recorder } from '../tools/recorder.js';
import { requireWebKeys } from '../tools/web/web.js';

/** The run's file; `writes` false: a run that is only read, into which another process may be writing. */
export interface Recordings {
  readonly file: string;
  readonly writes: boolean;
}

/**
 * Null where nothing is recorded. Throws `tool_unavailable` for a key that is not there, before the first rollout and not after the
 * hundredth, and `invalid_config` for a replay of nothing.
 */
export function recorderOf({ tools }: Config, recordings: Recordings | undefined): Recorder | null {
  const { record: mode, web, mcp } = tools;
  if (web.length === 0 && mcp.length === 0) return null;
  if (mode !== 'replay') requireWebKeys(web, process.env);
  if (mode === 'off') return null;
  if (recordings !== undefined) return new Recorder({ ...recordings, mode });
  if (mode === 'on') return null;
  throw new SparkError(
    'invalid_config',
    'tools.record: expected a run with recordings to replay from, got none; name it with --run, or set tools.record=on',
  );
}

/** The user's own tools, which replace all others; a configuration that names engines beside them means something else. */
export function ownTools(config: Config, { tools }: { readonly tools?: Tools }): Tools | undefined {
  if (tools === undefined || config.tools.web.length === 0) return tools;
  throw new SparkError(
    'invalid_config',
    'tools.web: expected no engines beside tools of your own parts, which replace all others; take tools.web out and register ' +
      'the tools yourself (openWeb of spark-rl/rollout)',
  );
}
