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
  | 'noSchema'
  | 'noFormat'
  | 'reasoningModel';

/** Every behaviour there is, by name. */
export const BEHAVIOURS: Readonly<Record<Behaviour, unknown>>;

export interface LoopbackOptions {
  /** Default: any free one. */
  port?: number;
  /** One per request, in order; the last one stays. Default: good. */
  behaviours?: readonly Behaviour[];
  /** `rateLimit` asks for this wait. Default 0.2. */
  retryAfterSeconds?: number;
  /** Time before every answer. */
  delayMs?: number;
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
  }[];
  setBehaviours(...behaviours: Behaviour[]): void;
  close(): Promise<void>;
}

export function startOpenAiServer(options?: LoopbackOptions): Promise<LoopbackServer>;
