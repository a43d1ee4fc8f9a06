/** Messages between ToolHost (parent) and hostChild (sandboxed process). Both sides treat the other's as data. */

/**
 * Which libraries a child loads. Python and z3 are alone: one is the real risk, the other needs worker threads. The
 * corpus is alone because it is given its articles.
 */
export type HostKind = 'python' | 'logic' | 'math' | 'corpus';

export interface HostRequest {
  readonly id: number;
  readonly tool: string;
  readonly input: string;
  /** Output beyond this is not collected. */
  readonly maxChars: number;
}

export type HostReply =
  /** Said once it has loaded, and again when a new image stands where a call has used one up. */
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

/** Beside the messages a child has one pipe, for bytes too many for a message: what it is given, or what it makes. */
export const PAYLOAD_FD = 4;

/** A tool's work inside the child: the input's text in, the observation out. Throws for bad input. */
export type Evaluate = (input: string, maxChars: number) => string | Promise<string>;

/** What answers a call: a realm, an instance of WebAssembly. Thrown away after it unless it says that it is as new. */
export interface Image {
  readonly tools: Readonly<Record<string, Evaluate>>;
  /** Whether the last call could change nothing and the control inputs read as when it was new: then it is kept. */
  intact?(): boolean | Promise<boolean>;
  dispose?(): void;
}

/**
 * Makes an image out of nothing a call could have touched: program text and compiled code, which cannot be written to.
 * So the result of a call cannot depend on the calls before it.
 */
export type MakeImage = () => Image | Promise<Image>;

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
