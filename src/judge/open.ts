/** Makes a judge with price, cap, cache and counters from the `judge` section of a configuration. */
import type { Environment } from '../secrets/sources.js';
import { type ApiJudge, createApiJudge } from './apiJudge.js';
import { type CachedJudge, withCache } from './cache.js';
import type { JudgeSettings } from './settings.js';
import { JudgeStats } from './stats.js';

export interface OpenedApiJudge {
  readonly judge: CachedJudge;
  readonly stats: JudgeStats;
  readonly budget: ApiJudge['budget'];
}

/** `cacheFolder`: a run's `judge-cache/`. Throws `judge_key_…` or `invalid_config` before any work is done. */
export function openApiJudge(
  settings: JudgeSettings,
  cacheFolder: string,
  env: Environment = process.env,
): OpenedApiJudge {
  const stats = new JudgeStats();
  const { model, baseUrl, timeoutMs, maxRetries, concurrency, maxTokens, price, maxCostUsd } = settings;
  const api = createApiJudge({
    model,
    baseUrl,
    timeoutMs,
    maxRetries,
    concurrency,
    maxTokens,
    price,
    maxCostUsd,
    stats,
    env,
  });
  return { judge: withCache(api, cacheFolder, { stats }), stats, budget: api.budget };
}
