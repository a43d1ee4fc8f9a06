/**
 * Asks a chat server one question, within the budget, and returns the text of the reply. The openai client retries.
 * When the server rejects a request with 400 or 422, it is sent again in a simpler form; the form that worked is
 * remembered.
 */
import { Buffer } from 'node:buffer';
import { z } from 'zod';
import { abortable } from '../abortable.js';
import { SparkError } from '../errors.js';
import { APIError, type AttemptEnd, type ChatParams, createChatClient } from '../inference/openai.js';
import { redact } from '../secrets/redact.js';
import type { Budget, Reservation } from './budget.js';
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
}

/** The form of a request; it starts at the strictest and becomes simpler as the server rejects things. */
interface Dialect {
  readonly format: 'json_schema' | 'json_object' | 'text';
  /** Reasoning models accept only `max_completion_tokens`. */
  readonly limit: 'max_tokens' | 'max_completion_tokens';
  /** Some models have one fixed temperature and reject the field. */
  readonly temperature: boolean;
}

/** Tokens allowed for what a server adds around the messages (roles, special tokens). */
const TEMPLATE_TOKENS = 64;

const count = z.number().int().min(0);
const completionSchema = z.object({
  choices: z
    .array(
      z.object({
        finish_reason: z.string().nullish(),
        message: z.object({ content: z.string().nullish(), refusal: z.string().nullish() }),
      }),
    )
    .min(1),
  usage: z
    .object({
      prompt_tokens: count,
      completion_tokens: count,
      prompt_tokens_details: z.object({ cached_tokens: count.nullish() }).nullish().catch(null),
    })
    .nullish()
    .catch(null),
});
type Completion = z.infer<typeof completionSchema>;

export class ChatCaller {
  readonly #settings: ChatSettings;
  readonly #budget: Budget;
  readonly #stats: JudgeStats;
  #dialect: Dialect = { format: 'json_schema', limit: 'max_tokens', temperature: true };

  constructor(settings: ChatSettings, budget: Budget, stats: JudgeStats) {
    this.#settings = settings;
    this.#budget = budget;
    this.#stats = stats;
  }

  /** Throws SparkError `judge_*` or `interrupted`. */
  async ask(messages: ChatMessage[], schema: Record<string, unknown>, signal?: AbortSignal): Promise<string> {
    let dialect = this.#dialect;
    for (;;) {
      const call = new Call(this.#settings, this.#budget, this.#params(dialect, messages, schema), signal);
      try {
        const completion = await call.run();
        this.#dialect = dialect;
        return readText(completion, this.#settings);
      } catch (error) {
        const simpler = simplify(dialect, error);
        if (simpler === null) throw judgeFailure(error, { ...this.#settings, attempts: call.attempts });
        dialect = simpler;
        this.#stats.retries++;
      } finally {
        this.#stats.retries += Math.max(0, call.attempts - 1);
        if (call.usage !== null) this.#stats.usage(call.usage);
        this.#stats.costUsd = this.#budget.spentUsd;
      }
    }
  }

  #params(dialect: Dialect, messages: ChatMessage[], schema: Record<string, unknown>): ChatParams {
    const { model, temperature, maxTokens } = this.#settings;
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
}

/** The next simpler form after a 400 or 422; null when no simpler form would help. */
function simplify(dialect: Dialect, error: unknown): Dialect | null {
  if (!(error instanceof APIError) || (error.status !== 400 && error.status !== 422)) return null;
  // These concern the prompt, which every form sends unchanged.
  if (error.code === 'context_length_exceeded' || error.code === 'content_filter') return null;
  if (dialect.limit === 'max_tokens' && /max_tokens|max_completion_tokens/.test(error.message)) {
    return { ...dialect, limit: 'max_completion_tokens' };
  }
  if (dialect.temperature && /temperature/.test(error.message)) return { ...dialect, temperature: false };
  if (dialect.format === 'text') return null;
  return { ...dialect, format: dialect.format === 'json_schema' ? 'json_object' : 'text' };
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
    // Every token is at least one byte of the request, so its size bounds its tokens.
    const bytes = Buffer.byteLength(JSON.stringify(params));
    this.#most = { inputTokens: bytes + TEMPLATE_TOKENS, outputTokens: settings.maxTokens, cachedTokens: 0 };
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
    const { endpoint, timeoutMs, maxRetries } = this.#settings;
    const client = createChatClient({
      baseUrl: endpoint.baseUrl,
      apiKey: endpoint.apiKey,
      timeoutMs,
      maxRetries,
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
    this.usage = {
      inputTokens: usage.prompt_tokens,
      outputTokens: usage.completion_tokens,
      cachedTokens: Math.min(usage.prompt_tokens, usage.prompt_tokens_details?.cached_tokens ?? 0),
    };
    this.#reservation?.settle(this.usage);
  }
}

function neverArrived(error: unknown): boolean {
  const cause = error instanceof Error ? (error.cause as { code?: string } | undefined) : undefined;
  return ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH'].includes(cause?.code ?? '');
}

function readText(completion: Completion, settings: ChatSettings): string {
  const { message, finish_reason: finish } = completion.choices[0]!;
  if (message.refusal) {
    throw new SparkError(
      'judge_refused',
      `the judge refused to answer: "${redact(message.refusal).slice(0, 160)}"; another judge.model may not`,
    );
  }
  if (finish === 'content_filter') {
    throw new SparkError(
      'judge_refused',
      "the judge's content filter held back the reply; another judge.model or server may not",
    );
  }
  if (finish === 'length') {
    const message = `the judge's reply was cut off after ${settings.maxTokens} tokens: expected a whole JSON object; raise judge.maxTokens`;
    throw new SparkError('judge_unparsable', message);
  }
  return message.content ?? '';
}
