/**
 * The judge behind any OpenAI-compatible server. Puts together the prompt (prompt.ts), the call (chatCall.ts) and the
 * reading of the reply (verdict.ts), with budget and counters.
 */
import pLimit from 'p-limit';
import { abortable } from '../abortable.js';
import { SparkError, throwIfAborted } from '../errors.js';
import { type KeysOf, requireKeys } from '../options.js';
import type { Environment } from '../secrets/sources.js';
import { Budget } from './budget.js';
import { ChatCaller, type ChatSettings } from './chatCall.js';
import { resolveEndpoint } from './endpoint.js';
import type { Judge, JudgeRequest, JudgeVerdict } from './judge.js';
import { type Price, priceOf, requirePrice } from './prices.js';
import { FREE_PROMPT_ID, PROMPT_ID, renderMessages, responseSchema, wantsScores } from './prompt.js';
import { JudgeStats } from './stats.js';
import { readVerdict } from './verdict.js';

export interface ApiJudgeOptions {
  readonly model: string;
  /** Default: OPENAI_BASE_URL, then OpenAI itself. */
  readonly baseUrl?: string | null;
  /** Default: OPENAI_API_KEY. Servers on this machine or in this network need none. */
  readonly apiKey?: string | null;
  /** Default 0. */
  readonly temperature?: number;
  /** Milliseconds for one HTTP request. Default 60,000. */
  readonly timeoutMs?: number;
  /** Retries of an HTTP request after a 429, a 5xx or a broken connection. Default 4. */
  readonly maxRetries?: number;
  /** Calls at the same time; the rest wait. Default 16. */
  readonly concurrency?: number;
  /** Longest reply in tokens. Default 512; a model that thinks before it answers needs more. */
  readonly maxTokens?: number;
  /** Default: the built-in table. */
  readonly price?: Price | null;
  /** Hard cap in US dollars over the life of this judge. Default: none. */
  readonly maxCostUsd?: number | null;
  /** The same in tokens, read and written. */
  readonly maxTotalTokens?: number | null;
  /** The same in requests. */
  readonly maxRequests?: number | null;
  /** Counters, to share with the cache so that one object counts both. */
  readonly stats?: JudgeStats;
  readonly env?: Environment;
}

const OPTIONS = {
  model: true,
  baseUrl: true,
  apiKey: true,
  temperature: true,
  timeoutMs: true,
  maxRetries: true,
  concurrency: true,
  maxTokens: true,
  price: true,
  maxCostUsd: true,
  maxTotalTokens: true,
  maxRequests: true,
  stats: true,
  env: true,
} as const satisfies KeysOf<ApiJudgeOptions>;

/** A judge with its counters and its budget. */
export interface ApiJudge extends Judge {
  readonly stats: JudgeStats;
  readonly budget: Budget;
}

/** Throws `judge_key_missing`, `judge_key_invalid` or `invalid_config` at once, before anything is generated. */
export function createApiJudge(options: ApiJudgeOptions): ApiJudge {
  return makeApiJudge(options).judge;
}

/** An API judge and what it is made of, for who asks its server in another way. */
export interface MadeApiJudge {
  readonly judge: ApiJudge;
  readonly settings: ChatSettings;
  readonly caller: ChatCaller;
}

/** As `createApiJudge`. */
export function makeApiJudge(options: ApiJudgeOptions): MadeApiJudge {
  requireKeys(options, OPTIONS, 'createApiJudge: options');
  const env = options.env ?? process.env;
  const settings = {
    endpoint: resolveEndpoint(options.baseUrl, options.apiKey, env),
    env,
    model: options.model,
    temperature: options.temperature ?? 0,
    timeoutMs: options.timeoutMs ?? 60_000,
    maxRetries: options.maxRetries ?? 4,
    maxTokens: options.maxTokens ?? 512,
  };
  const cap = options.maxCostUsd ?? null;
  const price = cap === null ? priceOf(settings.model, options.price) : requirePrice(settings.model, options.price);
  const { maxTotalTokens = null, maxRequests = null } = options;
  const budget = new Budget({ price, maxCostUsd: cap, maxTotalTokens, maxRequests });
  const stats = options.stats ?? new JudgeStats();
  stats.costUsd = budget.spentUsd;
  const caller = new ChatCaller(settings, budget, stats);
  const limit = pLimit(options.concurrency ?? 16);

  const ask = async (request: JudgeRequest, signal: AbortSignal | undefined): Promise<JudgeVerdict> => {
    throwIfAborted(signal);
    stats.calls++;
    try {
      const reply = await caller.ask(renderMessages(request), responseSchema(request), signal);
      const { verdict, unknownKeys } = readVerdict(reply, request);
      stats.unknownKeys += unknownKeys;
      stats.verdict(verdict, request.steps.length > 0);
      return verdict;
    } catch (error) {
      if (!(error instanceof SparkError && error.code === 'interrupted')) stats.failure(error);
      throw error;
    }
  };

  const judge: ApiJudge = {
    id: judgeId(settings, PROMPT_ID),
    freeId: judgeId(settings, FREE_PROMPT_ID),
    stats,
    budget,
    async judge(request, { signal }) {
      // A trajectory whose first block is the answer has no step to judge.
      if (!wantsScores(request) && request.steps.length === 0) return { scores: {}, processOk: null };
      return abortable(
        limit(() => ask(request, signal)),
        signal,
      );
    },
  };
  return { judge, settings, caller };
}

/** Everything besides the request that a verdict depends on. The API key is no part of it. */
function judgeId(
  s: { endpoint: { baseUrl: string }; model: string; temperature: number; maxTokens: number },
  prompt: string,
): string {
  return `api:${s.model}@${s.endpoint.baseUrl}#t=${s.temperature},max=${s.maxTokens},prompt=${prompt}`;
}
