/** The `judge` section of the configuration. */
import { z } from 'zod';

const positive = z.number().int().positive();
const dollars = z.number().min(0);

export const judgeSettings = z.strictObject({
  /** `auto`: `oracle` for mini questions, `api` for all others. */
  kind: z.enum(['auto', 'oracle', 'api']).default('auto'),
  model: z.string().default('gpt-4o'),
  /** Null: OPENAI_BASE_URL, or OpenAI itself. A URL with a name, password or key is refused (config/secrets.ts). */
  baseUrl: z.string().nullable().default(null),
  timeoutMs: positive.default(60_000),
  maxRetries: z.number().int().min(0).default(4),
  concurrency: positive.default(16),
  /** Longest reply in tokens; a judge that thinks before it answers needs more. */
  maxTokens: positive.default(512),
  /** `generate` stops when the first so many states' scores told no two actions apart, or none reached τ; 0: never. */
  watchStates: z.number().int().min(0).default(20),
  /** Hard cap in US dollars; null: none. */
  maxCostUsd: z.number().positive().nullable().default(null),
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
});

export type JudgeSettings = z.infer<typeof judgeSettings>;
