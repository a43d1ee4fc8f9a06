import type { IncomingHttpHeaders } from 'node:http';

export type Behaviour =
  | 'good'
  | 'prose'
  | 'proseAround'
  | 'wrongKeys'
  | 'nulls'
  | 'halfNulls'
  | 'outOfRange'
  | 'refusal'
  | 'contentFilter'
  | 'cutOff'
  | 'empty'
  | 'noUsage'
  | 'rateLimit'
  | 'quota'
  | 'serverError'
  | 'badKey'
  | 'echoSpelt'
  | 'echoMasked'
  | 'echoRefusal'
  | 'echoProse'
  | 'echoHeader'
  | 'noModel'
  | 'noCredit'
  | 'retryDate'
  | 'retryMs'
  | 'errorIn200'
  | 'errorInChoice'
  | 'quotaIn200'
  | 'pythonDict'
  | 'halfThoughts'
  | 'thoughtsOnly'
  | 'parts'
  | 'thoughtsInTotal'
  | 'grammar500'
  | 'notImplemented'
  | 'silent500'
  | 'constant'
  | 'tooLong'
  | 'notJson'
  | 'loginPage'
  | 'hang'
  | 'hangInBody'
  | 'reset'
  | 'refused'
  | 'slow'
  | 'noSchema'
  | 'noFormat'
  | 'reasoningModel';

/** Every behaviour there is, by name. */
export const BEHAVIOURS: Readonly<Record<Behaviour, unknown>>;

/**
 * What becomes of a batch: `someFail` (500), `someTooLong` (400), `expired` and `cancelled` have no answer for every
 * second line, `dropped` no line at all for it, and `damaged` half of one; `noUsage` does not say what was used; the first
 * look at `lookLost` gets no answer; `refused` and `tokenLimit` end as failed; `replyLost` is made without
 * an answer. `notMade`: it is
 * refused with 400. `unsupported`: there are no files and batches.
 */
export type BatchOutcome =
  | 'good'
  | 'damaged'
  | 'noUsage'
  | 'lookLost'
  | 'someFail'
  | 'someTooLong'
  | 'dropped'
  | 'expired'
  | 'cancelled'
  | 'refused'
  | 'tokenLimit'
  | 'replyLost'
  | 'notMade'
  | 'unsupported';

export interface LoopbackBatch {
  readonly id: string;
  outcome: BatchOutcome;
  readonly lines: readonly { custom_id: string; method: string; url: string; body: Record<string, unknown> }[];
  readonly metadata: Record<string, string>;
  readonly endpoint: string;
  readonly completion_window: string;
  readonly input_file_id: string;
  readonly created_at: number;
  status: string;
  output_file_id: string | null;
  error_file_id: string | null;
  errors: unknown;
  completed: number;
  failed: number;
}

export interface LoopbackOptions {
  /** Default: any free one. */
  port?: number;
  /** One per request, in order; the last one stays. Default: good. */
  behaviours?: readonly Behaviour[];
  /** `rateLimit` asks for this wait. Default 0.2. */
  retryAfterSeconds?: number;
  /**
   * For this share of the requests one of `kinds` instead of the behaviour, at most `most` times for the same messages.
   * Which, is drawn from the seed.
   */
  faults?: { readonly seed: number; readonly share: number; readonly most: number; readonly kinds: readonly Behaviour[] };
  /** Time before every answer. */
  delayMs?: number;
  /** One per batch, in order; the last one stays. Default: good. */
  batchOutcomes?: readonly BatchOutcome[];
  /** So often a batch is looked at before it has ended. Default 0: the first look finds it ended. */
  batchLooks?: number;
}

export interface LoopbackServer {
  readonly baseUrl: string;
  /** Every chat request so far. */
  readonly requests: {
    readonly headers: IncomingHttpHeaders;
    /** With its question mark */
    readonly query: string;
    readonly body: {
      messages: { role: string; content: string }[];
      model: string;
      response_format?: { type: string; json_schema?: { strict: boolean; schema: Record<string, unknown> } };
      temperature?: number;
      max_tokens?: number;
      max_completion_tokens?: number;
    };
    readonly behaviour: Behaviour;
    readonly at: number;
    /** Tokens that the answer said were used; null: it said nothing, or is not sent yet. */
    usage: { readonly input: number; readonly output: number } | null;
  }[];
  /** Every batch so far, in order, and every file by its id. */
  readonly batches: readonly LoopbackBatch[];
  readonly files: ReadonlyMap<string, string>;
  readonly deletedFiles: ReadonlyMap<string, string>;
  setBatchOutcomes(...outcomes: BatchOutcome[]): void;
  setBehaviours(...behaviours: Behaviour[]): void;
  close(): Promise<void>;
}

export function startOpenAiServer(options?: LoopbackOptions): Promise<LoopbackServer>;
