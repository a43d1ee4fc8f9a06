/**
 * Asks a chat server one question, within the budget, and returns the text of the reply. The openai client retries.
 * When the server rejects the form of a request, it is sent again in a simpler one; the form that worked is remembered.
 */
import { Buffer } from 'node:buffer';
import { abortable } from '../abortable.js';
import type { SparkError } from '../errors.js';
import { saysNoCredit } from '../inference/httpReply.js';
import { APIError, type AttemptEnd, type ChatParams, createChatClient } from '../inference/openai.js';
import type { Environment } from '../secrets/sources.js';
import type { Budget, Reservation } from './budget.js';
import { type Completion, completionSchema, readText } from './completion.js';
import type { Endpoint } from './endpoint.js';
import { judgeFailure, notACompletion } from './failure.js';
import type { TokenUsage } from './prices.js';
import type { ChatMessage } from './prompt.js';
import type { JudgeStats } from './stats.js';

export interface ChatSettings {
  readonly endpoint: Endpoint;
  readonly model: string;
  readonly temperature: number;
  readonly timeoutMs: number;
  readonly maxRetries: number;
  readonly maxTokens: number;
  readonly env: Environment;
}

/** The form of a request; it starts at the strictest and becomes simpler as the server rejects things. */
export interface Dialect {
  readonly format: 'json_schema' | 'json_object' | 'text';
  /** Reasoning models accept only `max_completion_tokens`. */
  readonly limit: 'max_tokens' | 'max_completion_tokens';
  /** Some models have one fixed temperature and reject the field. */
  readonly temperature: boolean;
}

const STRICTEST: Dialect = { format: 'json_schema', limit: 'max_tokens', temperature: true };

/** Tokens allowed for what a server adds around the messages (roles, special tokens). */
const TEMPLATE_TOKENS = 64;

export class ChatCaller {
  readonly #settings: ChatSettings;
  readonly #budget: Budget;
  readonly #stats: JudgeStats;
  #dialect: Dialect = STRICTEST;
  /** Whether the server has ever answered in the form that is remembered. */
  #known = false;

  constructor(settings: ChatSettings, budget: Budget, stats: JudgeStats) {
    this.#settings = settings;
    this.#budget = budget;
    this.#stats = stats;
  }

  /** The form that the server has understood; null before its first answer. */
  get dialect(): Dialect | null {
    return this.#known ? this.#dialect : null;
  }

  /** Throws SparkError `judge_*` or `interrupted`. */
  async ask(messages: ChatMessage[], schema: Record<string, unknown>, signal?: AbortSignal): Promise<string> {
    let dialect = this.#dialect;
    let settings = this.#settings;
    /** The failure of a server that gives 500 to the form or to everything; tries in simpler forms tell which. */
    let broken: SparkError | null = null;
    for (;;) {
      const call = new Call(settings, this.#budget, paramsOf(this.#settings, dialect, { messages, schema }), signal);
      try {
        const completion = await call.run();
        this.#dialect = dialect;
        this.#known = true;
        return readText(completion, settings);
      } catch (error) {
        const simpler = simplify(dialect, error, this.#known);
        const failure = judgeFailure(error, { ...settings, attempts: call.attempts });
        if (simpler === null) throw (isServerError(error) && broken) || failure;
        if (isServerError(error) && !namesForm(error.message)) {
          broken ??= failure;
          settings = { ...settings, maxRetries: 0 };
        }
        dialect = simpler;
        this.#stats.retries++;
      } finally {
        this.#stats.retries += Math.max(0, call.attempts - 1);
        if (call.usage !== null) this.#stats.usage(call.usage);
        this.#stats.costUsd = this.#budget.spentUsd;
      }
    }
  }
}

interface Asked {
  readonly messages: ChatMessage[];
  readonly schema: Record<string, unknown>;
}

/** The body of a request. */
export function paramsOf(
  { model, temperature, maxTokens }: Pick<ChatSettings, 'model' | 'temperature' | 'maxTokens'>,
  dialect: Dialect,
  { messages, schema }: Asked,
): ChatParams {
  return {
    model,
    messages,
    ...(dialect.temperature ? { temperature } : {}),
    [dialect.limit]: maxTokens,
    ...(dialect.format === 'json_schema'
      ? { response_format: { type: 'json_schema', json_schema: { name: 'verdict', strict: true, schema } } }
      : dialect.format === 'json_object'
        ? { response_format: { type: 'json_object' } }
        : {}),
  };
}

/** What a request can use at most: every token is at least one byte of it, so its size bounds its tokens. */
export function mostOf(bytes: number, maxTokens: number): TokenUsage {
  return { inputTokens: bytes + TEMPLATE_TOKENS, outputTokens: maxTokens, cachedTokens: 0 };
}

/** What the server says a request has used. */
export function usageOf(usage: NonNullable<Completion['usage']>): TokenUsage {
  return {
    inputTokens: usage.prompt_tokens,
    // Some count thoughts in the total alone.
    outputTokens: Math.max(usage.completion_tokens, (usage.total_tokens ?? 0) - usage.prompt_tokens),
    cachedTokens: Math.min(usage.prompt_tokens, usage.prompt_tokens_details?.cached_tokens ?? 0),
  };
}

/**
 * The next simpler form; null when none would help. Servers reject a form with 400 or 422, with 501, or with a 500 that
 * names it (a grammar that cannot be made of the schema); and some with a 500 that says nothing, which is believed to be
 * about the form only while no form has worked.
 */
function simplify(dialect: Dialect, error: unknown, known: boolean): Dialect | null {
  if (!(error instanceof APIError)) return null;
  const rejected = error.status === 400 || error.status === 422;
  if (!rejected && !(isServerError(error) && (!known || namesForm(error.message)))) return null;
  // These concern the prompt, which every form sends unchanged.
  if (error.code === 'context_length_exceeded' || error.code === 'content_filter') return null;
  if (saysNoCredit(error.status, error.message)) return null;
  if (rejected && dialect.limit === 'max_tokens' && /max_tokens|max_completion_tokens/.test(error.message)) {
    return { ...dialect, limit: 'max_completion_tokens' };
  }
  if (rejected && dialect.temperature && /temperature/.test(error.message)) return { ...dialect, temperature: false };
  if (dialect.format === 'text') return null;
  return { ...dialect, format: dialect.format === 'json_schema' ? 'json_object' : 'text' };
}

/** 500 and 501; 502 and above come from a gateway that knows nothing of forms. */
function isServerError(error: unknown): error is APIError & { status: 500 | 501 } {
  return error instanceof APIError && (error.status === 500 || error.status === 501);
}

/** Whether a server's message is about the form of the reply that was asked for. */
function namesForm(message: string): boolean {
  return /response_format|json_?schema|json_?object|grammar|structured output|not implemented/i.test(message);
}

/** One call of the client with its retries, and the budget's reservation for it. */
class Call {
  attempts = 0;
  usage: TokenUsage | null = null;
  readonly #settings: ChatSettings;
  readonly #budget: Budget;
  readonly #params: ChatParams;
  readonly #most: TokenUsage;
  /** Aborts when the caller's signal does, and when the budget is used up between two retries. */
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal | undefined;
  #stopped: unknown;
  #reservation: Reservation | null = null;
  #inFlight = false;
  #answered = false;

  constructor(settings: ChatSettings, budget: Budget, params: ChatParams, signal: AbortSignal | undefined) {
    this.#settings = settings;
    this.#budget = budget;
    this.#params = params;
    this.#signal = signal;
    this.#most = mostOf(Buffer.byteLength(JSON.stringify(params)), settings.maxTokens);
  }

  async run(): Promise<Completion> {
    const forward = () => this.#stop.abort(this.#signal?.reason);
    if (this.#signal?.aborted) forward();
    this.#signal?.addEventListener('abort', forward, { once: true });
    try {
      this.#reservation = await this.#budget.reserve(this.#most, this.#stop.signal);
      const answer = await abortable(this.#create(), this.#stop.signal);
      const completion = completionSchema.safeParse(answer);
      if (!completion.success) throw notACompletion(this.#settings.endpoint, completion.error);
      this.#settle(completion.data.usage);
      return completion.data;
    } catch (error) {
      // The server may have worked on this request, so it counts at the most it can have cost.
      if (this.#inFlight || this.#answered) this.#reservation?.lose();
      throw this.#stopped ?? error;
    } finally {
      this.#reservation?.release();
      this.#signal?.removeEventListener('abort', forward);
    }
  }

  #create(): Promise<unknown> {
    const { endpoint, timeoutMs, maxRetries, env } = this.#settings;
    const client = createChatClient({
      baseUrl: endpoint.baseUrl,
      apiKey: endpoint.apiKey,
      timeoutMs,
      maxRetries,
      env,
      isFinal: (status, body) => status === 501 || (status === 500 && namesForm(body)),
      beforeAttempt: () => this.#before(),
      afterAttempt: (end) => this.#after(end),
    });
    return client.chat.completions.create(this.#params, { signal: this.#stop.signal });
  }

  async #before(): Promise<void> {
    if (this.#reservation === null) {
      try {
        this.#reservation = await this.#budget.reserve(this.#most, this.#stop.signal);
      } catch (error) {
        // The client would treat this error as a broken connection and retry; the abort keeps it from that.
        this.#stopped = error;
        this.#stop.abort();
        throw error;
      }
    }
    this.attempts++;
    this.#inFlight = true;
  }

  #after({ status, error }: AttemptEnd): void {
    this.#inFlight = false;
    this.#answered = status !== null && status < 300;
    if (status === null && !neverArrived(error)) {
      this.#reservation?.lose();
      this.#reservation = null;
    }
  }

  #settle(usage: Completion['usage']): void {
    if (!usage) {
      this.#reservation?.lose();
      return;
    }
    this.usage = usageOf(usage);
    this.#reservation?.settle(this.usage);
  }
}

function neverArrived(error: unknown): boolean {
  const cause = error instanceof Error ? (error.cause as { code?: string } | undefined) : undefined;
  return ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH'].includes(cause?.code ?? '');
}
