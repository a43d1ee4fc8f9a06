/** Messages between ToolHost (parent) and hostChild (sandboxed process). Both sides treat the other's as data. */

/** Which libraries a child loads. Python and z3 are alone: one is the real risk, the other needs worker threads. */
export type HostKind = 'python' | 'logic' | 'math';

export interface HostRequest {
  readonly id: number;
  readonly tool: string;
  readonly input: string;
  /** Output beyond this is not collected. */
  readonly maxChars: number;
}

export type HostReply =
  | { readonly ready: true }
  | { readonly id: number; readonly ok: true; readonly observation: string }
  | {
      readonly id: number;
      readonly ok: false;
      readonly code: 'tool_input' | 'tool_failed';
      readonly observation: string;
      /** The child no longer trusts its own state and wants to be replaced. */
      readonly retire?: boolean;
    };

/** A tool's work inside the child: the input's text in, the observation out. Throws for bad input. */
export type Evaluate = (input: string, maxChars: number) => string | Promise<string>;

/** Thrown by an Evaluate for a failure that is not the input's fault. `retire`: the child must be replaced. */
export class EvaluationFailure extends Error {
  constructor(
    message: string,
    readonly retire = false,
  ) {
    super(message);
    this.name = 'EvaluationFailure';
  }
}
