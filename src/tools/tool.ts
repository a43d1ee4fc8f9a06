/**
 * A tool the model may call. Its input is text that a model wrote, and not to be trusted. For bad input it returns
 * `ok: false` with a short message for the model and a code for statistics. It throws when aborted, and
 * `tool_unavailable` (a SparkError), which ends the run, when no input could work.
 */
export interface Tool {
  /** Lower-case, unique in the registry, one word: it is what the model writes between `<action>` tags. */
  readonly name: string;
  /** One sentence for prompts and the judge. */
  readonly description: string;
  /** What the input looks like, with one example: `an expression, e.g. 3 km / 2 h to m/s`. */
  readonly inputHint: string;
  run(input: string, context: ToolContext): Promise<ToolResult>;
}

/** What prompts and the judge are told about an action, which is a tool or `think`. */
export interface ActionInfo {
  readonly name: string;
  readonly description: string;
  /** What the input looks like; empty for `think`. */
  readonly inputHint: string;
}

export interface ToolContext {
  readonly signal?: AbortSignal;
  /** Wall-clock limit in milliseconds. */
  readonly timeoutMs: number;
  /** Longest observation in characters; the tool cuts and marks the cut with `…`. */
  readonly maxObservationChars: number;
}

export type ToolResult =
  | { readonly ok: true; readonly observation: string }
  | { readonly ok: false; readonly code: 'tool_input' | 'tool_timeout' | 'tool_failed'; readonly observation: string };

/** The ninth action: chain of thought, no observation. */
export const THINK = 'think';
