/** The `judge` section of the configuration. */
import { z } from 'zod';

const positive = z.number().int().positive();
const dollars = z.number().min(0);

/** How a local judge is told: in the model's own chat template, or one text after the other, for base models. */
export const LOCAL_FORMS = ['chat', 'plain'] as const;
export type LocalForm = (typeof LOCAL_FORMS)[number];

/** OpenAI's limit. */
const MOST_BATCH_REQUESTS = 50_000;

export const judgeSettings = z.strictObject({
  /** `auto`: `oracle` for mini questions, `api` for all others. */
  kind: z.enum(['auto', 'oracle', 'api', 'local']).default('auto'),
  /** `api`: the server's name of it. `local`: a GGUF file, or `policy` for the run's own base model. */
  model: z.string().default('gpt-4o'),
  /** Null: OPENAI_BASE_URL, or OpenAI itself. A URL with a name, password or key is refused (config/secrets.ts). */
  baseUrl: z.string().nullable().default(null),
  timeoutMs: positive.default(60_000),
  maxRetries: z.number().int().min(0).default(4),
  /** Requests at the same time; null: 16 of an API, 4 of a local judge. */
  concurrency: positive.nullable().default(null),
  /** Longest reply in tokens; a judge that thinks before it answers needs more. */
  maxTokens: positive.default(512),
  /** `generate` stops when the first so many states' scores told no two actions apart, or none reached τ; 0: never. */
  watchStates: z.number().int().min(0).default(20),
  /** Hard cap in US dollars; null: none. */
  maxCostUsd: z.number().positive().nullable().default(null),
  /** Hard cap in tokens, read and written; null: none. */
  maxTotalTokens: positive.nullable().default(null),
  /** Hard cap in requests; null: none. */
  maxRequests: positive.nullable().default(null),
  /**
   * Where verdicts are kept: `shared` by all runs in the cache folder, in the `run`, or nowhere (`off`). `auto`: shared,
   * but in the run for a server of this network, whose address and model name do not say which model it serves.
   */
  cache: z.enum(['auto', 'shared', 'run', 'off']).default('auto'),
  /** `ablate.judges` alone: ask by OpenAI's Batch API, at half the price and within a day. */
  batch: z.boolean().default(false),
  /** Requests of one batch at most; lower it when an account may not have so many tokens waiting. */
  batchRequests: z.number().int().min(1).max(MOST_BATCH_REQUESTS).default(MOST_BATCH_REQUESTS),
  /** Instead of the built-in table's price of the model. Dollars per million tokens. */
  price: z
    .strictObject({
      input: dollars,
      output: dollars,
      /** Of input tokens that the server had cached; null: as `input`. */
      cachedInput: dollars.nullable().default(null),
    })
    .nullable()
    .default(null),
  /** `local`: in the model's chat template, or `plain` for a base model, which has none. */
  form: z.enum(LOCAL_FORMS).default('chat'),
  /** `local`: tokens of one request; `auto`: what the model was trained for, at most 4096. */
  contextSize: z.union([positive, z.literal('auto')]).default('auto'),
  /** `local`: a step is coherent when P(Yes) / (P(Yes) + P(No)) is at least this. */
  processThreshold: z.number().min(0).max(1).default(0.5),
});

export type JudgeSettings = z.infer<typeof judgeSettings>;

const API_ONLY = [
  'baseUrl',
  'timeoutMs',
  'maxRetries',
  'maxTokens',
  'maxCostUsd',
  'maxTotalTokens',
  'maxRequests',
  'price',
  'batch',
  'batchRequests',
] as const;
const LOCAL_ONLY = ['form', 'contextSize', 'processThreshold'] as const;

/** A local judge's `model` that means the run's own base model. */
export const POLICY = 'policy';

/** What is wrong with settings of a kind that is no longer `auto`: a key and what is expected of it. */
export function problemsOf(judge: JudgeSettings): readonly (readonly [key: string, message: string])[] {
  const defaults = judgeSettings.parse({});
  const changed = (keys: readonly (keyof JudgeSettings)[]) =>
    keys.filter((key) => JSON.stringify(judge[key]) !== JSON.stringify(defaults[key]));
  if (judge.kind !== 'local') {
    const foreign = changed(LOCAL_ONLY).map(
      (key) => [key, `is a setting of judge.kind local, got kind ${judge.kind}; leave it out`] as const,
    );
    return judge.batch ? [...foreign, ...batchProblems(judge)] : foreign;
  }
  const foreign = changed(API_ONLY).map(
    (key) => [key, 'is a setting of judge.kind api, which a local judge has no use for; leave it out'] as const,
  );
  if (judge.model !== defaults.model && judge.model.trim() !== '') return foreign;
  return [
    ['model', `expected a GGUF file, or ${POLICY} for the run’s own base model, got "${judge.model}"`],
    ...foreign,
  ];
}

function batchProblems({ kind, cache }: JudgeSettings): readonly (readonly [key: string, message: string])[] {
  if (kind !== 'api') return [['batch', `expected false for judge.kind ${kind}, got true; only a server has batches`]];
  if (cache !== 'off') return [];
  return [['cache', 'expected shared or run with batch: true, got off; what a batch answers is kept there']];
}

/** Requests at the same time. */
export function concurrencyOf({ kind, concurrency }: Pick<JudgeSettings, 'kind' | 'concurrency'>): number {
  return concurrency ?? (kind === 'local' ? 4 : 16);
}
