/** Messages between ToolHost (parent) and hostChild (sandboxed process), and the contract of images in the child. */

/**
 * Which libraries a child loads. Python has a child of its own as the greatest risk, and another with SymPy, which takes
 * more memory than most sources need; z3 because it needs worker
 * threads, chemistry because it takes a second to load that few runs need, the corpus because it is given its articles.
 */
export type HostKind = 'python' | 'sympy' | 'logic' | 'math' | 'chemistry' | 'corpus';

export interface HostRequest {
  readonly id: number;
  readonly tool: string;
  readonly input: string;
  /** Output beyond this many characters is not collected. */
  readonly maxChars: number;
}

export type HostReply =
  /** Sent after loading, and after each call when the child has an image for the next one. */
  | { readonly ready: true }
  | { readonly id: number; readonly ok: true; readonly observation: string; readonly retire?: boolean }
  | {
      readonly id: number;
      readonly ok: false;
      readonly code: 'tool_input' | 'tool_failed';
      readonly observation: string;
      /** The child may be broken and has to be replaced. */
      readonly retire?: boolean;
    }
  /** The call is for a child that has answered none. */
  | { readonly id: number; readonly declined: true; readonly retire?: boolean };

/** The reply to a request. */
export type HostAnswer = Exclude<HostReply, { ready: true }>;

/** File descriptor of a pipe for data too large for messages: what a child is given at its start, or what it makes. */
export const PAYLOAD_FD = 4;

/** What a corpus child is given: the articles themselves, or a corpus file and how many passages it has. */
export type CorpusPayload =
  | { readonly articles: readonly { readonly title: string; readonly category: string; readonly text: string }[] }
  | { readonly file: string; readonly passages: number };

/** The work of a tool inside the child: returns the observation for an input; throws for bad input. */
export type Evaluate = (input: string, maxChars: number) => string | Promise<string>;

/** What answers calls: a realm or a WebAssembly instance. Dropped after a call unless it is still as new. */
export interface Image {
  readonly tools: Readonly<Record<string, Evaluate>>;
  /** True when the last call has not changed the image, which is then kept. Absent: it is always dropped. */
  intact?(): boolean | Promise<boolean>;
  /** True when the last call has used up the whole child, which cannot make another image. */
  spent?(): boolean;
  dispose?(): void;
}

/**
 * Makes an image only from program text and compiled code, which no call can change. So the result of a call cannot
 * depend on earlier calls.
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

/** Thrown by an Evaluate of a child that has answered calls: the result could depend on them. Nothing is known of the input. */
export class Declined extends Error {
  constructor() {
    super('this call needs a child that has answered none');
    this.name = 'Declined';
  }
}
