/** Makes a judge with its cache and counters from the `judge` section of a configuration. */
import type { Environment } from '../secrets/sources.js';
import type { ActionInfo } from '../tools/tool.js';
import { type ApiJudge, createApiJudge } from './apiJudge.js';
import { type CachedJudge, withCache } from './cache.js';
import { type LocalJudgeOptions, localJudgeId, openLocalJudge } from './localJudge.js';
import { concurrencyOf, type JudgeSettings, POLICY } from './settings.js';
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
  const { model, baseUrl, timeoutMs, maxRetries, maxTokens, price, maxCostUsd } = settings;
  const api = createApiJudge({
    model,
    baseUrl,
    timeoutMs,
    maxRetries,
    concurrency: concurrencyOf(settings),
    maxTokens,
    price,
    maxCostUsd,
    stats,
    env,
  });
  return { judge: withCache(api, cacheFolder, { stats }), stats, budget: api.budget };
}

/** What a local judge takes of a run beside its own settings. */
export interface LocalSurroundings {
  /** The run's base model, for `policy`. */
  readonly policyPath: string;
  readonly threads: number;
  readonly gpu: boolean | 'auto';
  readonly kvCacheType: 'F16' | 'F32';
  readonly signal?: AbortSignal;
}

export interface OpenedLocalJudge {
  readonly judge: CachedJudge;
  readonly stats: JudgeStats;
  /** Closes the cache and the model. */
  dispose(): Promise<void>;
}

/** As `openLocalJudge`, with the run's cache. `expect`: what its rollouts will be like. */
export async function openCachedLocalJudge(
  settings: JudgeSettings,
  cacheFolder: string,
  run: LocalSurroundings & { readonly expect: { readonly actions: readonly ActionInfo[]; readonly maxSteps: number } },
): Promise<OpenedLocalJudge> {
  const stats = new JudgeStats();
  const { contextSize } = settings;
  const local = await openLocalJudge({
    ...identityOf(settings, run),
    concurrency: concurrencyOf(settings),
    ...(contextSize === 'auto' ? {} : { contextSize }),
    ...{ threads: run.threads, gpu: run.gpu, expect: run.expect, stats },
    ...(run.signal === undefined ? {} : { signal: run.signal }),
  });
  try {
    const judge = withCache(local, cacheFolder, { stats });
    const dispose = () => {
      judge.close();
      return local.dispose();
    };
    return { judge, stats, dispose };
  } catch (error) {
    await local.dispose();
    throw error;
  }
}

/** The id that the judge will have, without opening it. */
export function localIdOf(settings: JudgeSettings, run: LocalSurroundings): Promise<string> {
  return localJudgeId(identityOf(settings, run), run.signal);
}

function identityOf(settings: JudgeSettings, { policyPath, kvCacheType }: LocalSurroundings) {
  const { model, form, processThreshold } = settings;
  const modelPath = model === POLICY ? policyPath : model;
  return { modelPath, form, processThreshold, kvCacheType } satisfies Partial<LocalJudgeOptions>;
}
