/** The `judge` section of the configuration. */
import { z } from 'zod';

const positive = z.number().int().positive();

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
  /** Hard cap in US dollars; null: none. */
  maxCostUsd: z.number().positive().nullable().default(null),
  /** Dollars per million tokens for a model the built-in table does not know. */
  price: z
    .strictObject({ input: z.number().min(0), output: z.number().min(0) })
    .nullable()
    .default(null),
});

export type JudgeSettings = z.infer<typeof judgeSettings>;
