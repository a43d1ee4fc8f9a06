/**
 * What servers are asked and what they answer, each in its own way:
 *
 * - `vllm`: /v1/completions with `return_token_ids`; a choice among tokens by `allowed_token_ids`.
 * - `llama`: llama-server's own /completion with `return_tokens`, as its /v1/completions has no ids; a choice by `logit_bias`.
 * - `plain`: any other /v1/completions. It gives text alone; a choice by `logit_bias`, as OpenAI defines it.
 *
 * A prompt is always token ids. Whatever a server was started with, tokens are drawn from the model's whole distribution.
 */
import { z } from 'zod';
import { SparkError } from '../errors.js';
import type { ServedVocabulary } from './servedText.js';
import { notACompletion, type ServerClient } from './serverClient.js';

export interface Asked {
  readonly prompt: readonly number[];
  readonly stop: readonly string[];
  readonly maxTokens: number;
  readonly temperature: number;
  readonly seed: number;
  /** Only these tokens may come. */
  readonly allowed?: readonly number[];
}

export interface Answered {
  /** As drawn, an end of turn included; null where the server gives none. */
  readonly tokens: readonly number[] | null;
  readonly text: string;
  /** `stopped`: by one of the stops or an end of turn, which `plain` servers do not tell apart. `full`: its context is. */
  readonly finish: 'stop' | 'end' | 'stopped' | 'length' | 'full';
}

export interface Dialect {
  readonly kind: 'vllm' | 'llama' | 'plain';
  ask(asked: Asked, signal?: AbortSignal): Promise<Answered>;
}

/** Adapters of llama-server with the scale that each is to have: one that is not named would have the one it was started with. */
export type Scales = readonly { readonly id: number; readonly scale: number }[];

const ids = z.array(z.number().int().min(0));
const usage = z.object({ prompt_tokens: z.number().int() }).nullish().catch(null);

const vllmSchema = z.object({
  choices: z
    .array(
      z.object({
        text: z.string(),
        finish_reason: z.string().nullish(),
        stop_reason: z.union([z.string(), z.number()]).nullish(),
        token_ids: ids,
        prompt_token_ids: ids,
      }),
    )
    .min(1),
});

const llamaSchema = z.object({
  content: z.string(),
  tokens: ids,
  stop_type: z.string(),
  tokens_evaluated: z.number().int(),
  truncated: z.boolean(),
  prompt: z.string(),
});

const plainSchema = z.object({
  choices: z.array(z.object({ text: z.string(), finish_reason: z.string().nullish() })).min(1),
  usage,
});

/** Seeds of all servers; llama-server takes 2³² − 1 for "any". */
const MOST_SEED = 0x7fffffff;

/** As others are refused by OpenAI. */
const MOST_BIAS = 100;

/** Past every difference of two logits, and small enough to leave them five digits after the point. */
const LLAMA_BIAS = 1000;

export function vllm(client: ServerClient): Dialect {
  return {
    kind: 'vllm',
    async ask(asked, signal) {
      const body = {
        ...commonBody(client.model, asked),
        ...{ top_k: -1, min_p: 0, repetition_penalty: 1, presence_penalty: 0, frequency_penalty: 0 },
        // The text is that of all ids; a stop is cut off here.
        ...{ return_token_ids: true, include_stop_str_in_output: true },
        ...{ skip_special_tokens: false, spaces_between_special_tokens: false },
        ...(asked.allowed === undefined ? {} : { allowed_token_ids: asked.allowed }),
      };
      const reply = read(vllmSchema, await client.post('/completions', body, signal), client);
      const { text, finish_reason, stop_reason, token_ids, prompt_token_ids } = reply.choices[0]!;
      if (!same(prompt_token_ids, asked.prompt)) throw otherPrompt(client, 'other token ids than were sent');
      const byText = typeof stop_reason === 'string';
      return { tokens: token_ids, text, finish: finishOf(finish_reason, byText ? 'stop' : 'end', client) };
    },
  };
}

export function llama(client: ServerClient, vocabulary: ServedVocabulary, scales: Scales): Dialect {
  let knowsPrompts = false;
  return {
    kind: 'llama',
    async ask(asked, signal) {
      const { model, prompt, max_tokens: n_predict, ...common } = commonBody(client.model, asked);
      const body = {
        ...{ model, prompt, n_predict, ...common, return_tokens: true, cache_prompt: true },
        ...{
          samplers: ['temperature'],
          top_k: 0,
          min_p: 0,
          repeat_penalty: 1,
          presence_penalty: 0,
          frequency_penalty: 0,
        },
        ...{ dynatemp_range: 0, mirostat: 0, ignore_eos: false },
        // A stop that is a control token is no text for it otherwise.
        preserved_tokens: asked.stop,
        logit_bias: (asked.allowed ?? []).map((token) => [token, LLAMA_BIAS]),
        ...(scales.length === 0 ? {} : { lora: scales }),
      };
      const reply = read(llamaSchema, await client.post(`${client.root}/completion`, body, signal), client);
      if (reply.tokens_evaluated !== prompt.length) {
        throw otherPrompt(client, `${reply.tokens_evaluated} tokens for the ${prompt.length} that were sent`);
      }
      // By its text once, which costs as much as the prompt is long.
      if (!knowsPrompts && !vocabulary.agrees(reply.prompt, prompt, [])) {
        throw otherPrompt(client, 'another text for the tokens that were sent');
      }
      knowsPrompts = true;
      const { content: text, tokens, stop_type, truncated } = reply;
      if (truncated) return { tokens, text, finish: 'full' };
      const finish = { word: 'stop', eos: 'end', limit: 'length' }[stop_type] as Answered['finish'] | undefined;
      if (finish === undefined) throw ended(client, stop_type);
      return { tokens, text, finish };
    },
  };
}

export function plain(client: ServerClient): Dialect {
  return {
    kind: 'plain',
    async ask(asked, signal) {
      const bias = (asked.allowed ?? []).map((token) => [String(token), MOST_BIAS] as const);
      const logitBias = bias.length === 0 ? {} : { logit_bias: Object.fromEntries(bias) };
      const body = { ...commonBody(client.model, asked), ...logitBias };
      const reply = read(plainSchema, await client.post('/completions', body, signal), client);
      const counted = reply.usage?.prompt_tokens ?? asked.prompt.length;
      // Put into a template or read as text, it is another prompt.
      if (counted !== asked.prompt.length) {
        throw otherPrompt(client, `${counted} tokens for the ${asked.prompt.length} that were sent`);
      }
      const { text, finish_reason } = reply.choices[0]!;
      return { tokens: null, text, finish: finishOf(finish_reason, 'stopped', client) };
    },
  };
}

function commonBody(model: string, { prompt, stop, maxTokens, temperature, seed }: Asked) {
  return {
    ...{ model, prompt, max_tokens: maxTokens, temperature, top_p: 1, seed: seed & MOST_SEED },
    ...(stop.length === 0 ? {} : { stop }),
  };
}

function read<T>(schema: z.ZodType<T>, reply: unknown, client: ServerClient): T {
  const checked = schema.safeParse(reply);
  if (checked.success) return checked.data;
  throw notACompletion(client.address, checked.error);
}

function finishOf(
  reason: string | null | undefined,
  stopped: Answered['finish'],
  client: ServerClient,
): Answered['finish'] {
  if (reason === 'length') return 'length';
  if (reason === 'stop') return stopped;
  throw ended(client, reason);
}

function ended({ address }: ServerClient, how: string | null | undefined): SparkError {
  return new SparkError(
    'server_refused',
    `the server at ${address} ended a completion with "${how}": expected an end, a stop or the limit of tokens; see its log`,
  );
}

function otherPrompt({ address, model }: ServerClient, what: string): SparkError {
  return new SparkError(
    'server_mismatch',
    `the server at ${address} says that it read ${what}: expected the prompt as token ids, unchanged. It takes prompts in ` +
      `another form, or "${model}" has another tokenizer than model.path`,
  );
}

function same(one: readonly number[], other: readonly number[]): boolean {
  return one.length === other.length && one.every((token, index) => token === other[index]);
}
