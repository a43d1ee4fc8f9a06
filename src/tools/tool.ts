/** What a tool is: a name, words about it, and `run`. */
import { SparkError, shown } from '../errors.js';
import type { KeysOf } from '../options.js';

/**
 * A tool the model may call. Its input is text that a model wrote, and not to be trusted. For bad input it returns
 * `ok: false` with a short message for the model and a code for statistics. It throws when aborted, and
 * `tool_unavailable` (a SparkError), which ends the run, when no input could work; anything else it throws is a failed
 * call. `signal` fires on an abort and at the deadline, when the call is left behind.
 */
export interface Tool {
  /** Lower-case, unique in the registry, one word: it is what the model writes between `<action>` tags. */
  readonly name: string;
  /** One sentence for prompts and the judge. */
  readonly description: string;
  /** What the input looks like, with one example: `an expression, e.g. 3 km / 2 h to m/s`. */
  readonly inputHint: string;
  /** One call that works, for the worked example in the instructions. */
  readonly example?: ActionExample;
  /** Whether `run` ends in time by itself, and so may wait for something (a process, its turn) that does not count. */
  readonly keepsDeadlines?: boolean;
  run(input: string, context: ToolContext & { readonly signal: AbortSignal }): Promise<ToolResult>;
  /** Ends what the tool holds (connections, processes); called once, by the registry's `dispose`. */
  dispose?(): void | Promise<void>;
}

/** What prompts and the judge are told about an action, which is a tool or `think`. */
export interface ActionInfo {
  readonly name: string;
  readonly description: string;
  /** What the input looks like; empty for `think`. */
  readonly inputHint: string;
  /** Not shown to the judge. */
  readonly example?: ActionExample;
}

/** A call as a model sees it that looks for something: "First I need {wanted}." */
export interface ActionExample {
  /** What is found out: `15 percent of 240`. */
  readonly wanted: string;
  readonly input: string;
  readonly observation: string;
}

export interface ToolContext {
  readonly signal?: AbortSignal;
  /** Wall-clock limit in milliseconds. */
  readonly timeoutMs: number;
  /** Longest observation in characters; the tool cuts and marks the cut with `…`. */
  readonly maxObservationChars: number;
  /**
   * Which step of which rollout asks, in words that are the same when the rollout is made again: a recorded failure is given to
   * that step alone. Absent: none, as from code of one's own.
   */
  readonly step?: string;
}

export const CONTEXT_KEYS = {
  signal: true,
  timeoutMs: true,
  maxObservationChars: true,
  step: true,
} as const satisfies KeysOf<ToolContext>;

export type ToolResult =
  | { readonly ok: true; readonly observation: string }
  | { readonly ok: false; readonly code: 'tool_input' | 'tool_timeout' | 'tool_failed'; readonly observation: string };

const FAILURES: readonly unknown[] = ['tool_input', 'tool_timeout', 'tool_failed'];

/** What a tool answered. Throws `invalid_argument` for no result: such a tool is wrong whatever the model writes. */
export function checkResult(name: string, result: ToolResult): ToolResult {
  const { ok, code, observation } = Object(result) as { readonly [key: string]: unknown };
  if (typeof observation === 'string' && (ok === true || (ok === false && FAILURES.includes(code)))) return result;
  throw new SparkError(
    'invalid_argument',
    `tool ${name}: expected { ok: true, observation: text } or { ok: false, code: ${FAILURES.map((one) => `'${one}'`).join(' | ')}, ` +
      `observation: text }, got ${shown(result)}; mend the tool`,
  );
}

/** What an action may be called: nothing in it can end the tag that the model writes it in. */
export const TOOL_NAME = /^[a-z][a-z0-9_]{0,31}$/;

/** The ninth action: chain of thought, no observation. */
export const THINK = 'think';
