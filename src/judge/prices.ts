/** Prices of a judge's tokens, and the estimate of a run's cost before it starts. */
import { SparkError } from '../errors.js';
import type { ActionInfo } from '../tools/tool.js';
import { renderMessages, responseSchema } from './prompt.js';
import { usualRequest } from './usual.js';

/** US dollars per million tokens. */
export interface Price {
  readonly input: number;
  readonly output: number;
  /** Price of input tokens that the server had cached; absent or null: as `input`. */
  readonly cachedInput?: number | null;
}

/** When the table below was last checked. A price given in the configuration always wins. */
export const PRICES_AS_OF = '2026-05';

const PRICES: Readonly<Record<string, Price>> = {
  'gpt-4o': { input: 2.5, output: 10, cachedInput: 1.25 },
  'gpt-4o-2024-05-13': { input: 5, output: 15 },
  'gpt-4o-2024-08-06': { input: 2.5, output: 10, cachedInput: 1.25 },
  'gpt-4o-2024-11-20': { input: 2.5, output: 10, cachedInput: 1.25 },
  'gpt-4o-mini': { input: 0.15, output: 0.6, cachedInput: 0.075 },
  'gpt-4o-mini-2024-07-18': { input: 0.15, output: 0.6, cachedInput: 0.075 },
};

/** The given price, else the table's, else null (unknown, which is not free). */
export function priceOf(model: string, given: Price | null | undefined): Price | null {
  return given ?? (Object.hasOwn(PRICES, model) ? PRICES[model]! : null);
}

/** As `priceOf`, but throws when no price is known: caps and estimates need one. */
export function requirePrice(model: string, given: Price | null | undefined): Price {
  const price = priceOf(model, given);
  if (price !== null) return price;
  throw new SparkError(
    'invalid_config',
    `no price is known for the judge model "${model}" (known, as of ${PRICES_AS_OF}: ${Object.keys(PRICES).join(', ')}): ` +
      'set judge.price: { input: …, output: …, cachedInput: … } in dollars per million tokens, 0 for a server of your own',
  );
}

/** OpenAI's Batch API costs half; what the server had cached is no cheaper there than other input. */
export function batchPrice(price: Price): Price;
export function batchPrice(price: Price | null): Price | null;
export function batchPrice(price: Price | null): Price | null {
  return price === null ? null : { input: price.input / 2, output: price.output / 2 };
}

export interface TokenUsage {
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** Part of `inputTokens`. */
  readonly cachedTokens: number;
}

export function costOf(usage: TokenUsage, price: Price): number {
  const cached = usage.cachedTokens * (price.cachedInput ?? price.input);
  const fresh = (usage.inputTokens - usage.cachedTokens) * price.input;
  return (cached + fresh + usage.outputTokens * price.output) / 1e6;
}

export interface CostEstimate {
  readonly calls: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** Null when no price is known. */
  readonly usd: number | null;
}

/** About right for English prose and JSON in the tokenizers of judge models. */
const CHARS_PER_TOKEN = 4;
/**
 * What judging `questions` rollouts of `steps` steps each costs, with `verdicts` calls per step and one at the end. The prompts
 * are the real ones, but question and steps are of usual length: an estimate, not a bound.
 */
export function estimateCost(
  questions: number,
  steps: number,
  options: { readonly actions: readonly ActionInfo[]; readonly price: Price | null; readonly verdicts?: number },
): CostEstimate {
  let input = 0;
  let output = 0;
  const { verdicts = 1 } = options;
  for (let done = 0; done <= steps; done++) {
    const last = done === steps;
    const request = usualRequest(done, { last, actions: options.actions });
    const text = JSON.stringify([renderMessages(request), responseSchema(request)]);
    const times = last ? 1 : verdicts;
    input += times * Math.ceil(text.length / CHARS_PER_TOKEN);
    // In the reply an action's name takes about four tokens, its score, quotes and comma about four more.
    output += times * (last ? 10 : 15 + 8 * options.actions.length);
  }
  const usage = { inputTokens: input * questions, outputTokens: output * questions, cachedTokens: 0 };
  const usd = options.price === null ? null : costOf(usage, options.price);
  return {
    calls: questions * (steps * verdicts + 1),
    inputTokens: usage.inputTokens,
    outputTokens: usage.outputTokens,
    usd,
  };
}
