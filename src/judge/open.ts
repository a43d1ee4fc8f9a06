/** Makes a judge with its cache and counters from the `judge` section of a configuration. */
import { existsSync } from 'node:fs';
import { inCacheFolder } from '../cacheFolder.js';
import type { Log } from '../log.js';
import type { Environment } from '../secrets/sources.js';
import type { ActionInfo } from '../tools/tool.js';
import { type ApiJudge, type MadeApiJudge, makeApiJudge } from './apiJudge.js';
import { type BatchedJudge, batchedJudge } from './batchedJudge.js';
import { type CachedJudge, withCache } from './cache.js';
import type { Judge } from './judge.js';
import { type LocalJudgeOptions, localJudgeId, openLocalJudge } from './localJudge.js';
import { concurrencyOf, type JudgeSettings, POLICY } from './settings.js';
import { JudgeStats } from './stats.js';

/** What a run uses of a judge with a cache, which `judge.cache: off` leaves out. */
export type OpenCached = Judge & Pick<CachedJudge, 'skippedLines' | 'close'>;

export interface OpenedApiJudge {
  readonly judge: OpenCached;
  readonly stats: JudgeStats;
  readonly budget: ApiJudge['budget'];
}

/** `cacheFolder`: a run's `judge-cache/`. Throws `judge_key_…` or `invalid_config` before any work is done. */
export function openApiJudge(
  settings: JudgeSettings,
  cacheFolder: string,
  env: Environment = process.env,
): OpenedApiJudge {
  const { judge: api, settings: made } = apiOf(settings, env);
  const { stats, budget } = api;
  return { judge: cached(api, cacheFolder, { stats, cache: cacheOf(settings, made.endpoint.local) }), stats, budget };
}

export interface OpenedBatchedJudge {
  readonly judge: BatchedJudge;
  readonly stats: JudgeStats;
}

/** Of `judge.batch`. */
export interface BatchSurroundings {
  /** Where it stands what was sent; batches under way are waited for even where `judge.batch` is false by now. */
  readonly ledgerFile: string;
  readonly log: Log;
  readonly env?: Environment;
  /** Milliseconds between two looks at the batches, at first and at last. */
  readonly looks?: { readonly first: number; readonly last: number };
}

/** Whether a judge is asked in batches, or batches of it are under way. */
export function isBatched({ kind, batch, cache }: JudgeSettings, ledgerFile: string): boolean {
  return kind === 'api' && (batch || (cache !== 'off' && existsSync(ledgerFile)));
}

/** As `openApiJudge`, for a judge that is told all requests before it is asked for verdicts. */
export function openBatchedJudge(
  settings: JudgeSettings,
  cacheFolder: string,
  { ledgerFile, log, env = process.env, looks }: BatchSurroundings,
): OpenedBatchedJudge {
  const api = apiOf(settings, env);
  const { stats } = api.judge;
  const kept = cacheOf(settings, api.settings.endpoint.local);
  const cache = withCache(api.judge, cacheFolder, { stats, shared: sharedFolder(kept) });
  const { batch: submit, batchRequests } = settings;
  const judge = batchedJudge({
    ...{ api, cache, ledgerFile, batchRequests, submit, log },
    ...(looks === undefined ? {} : { looks }),
  });
  return { judge, stats };
}

function apiOf(settings: JudgeSettings, env: Environment): MadeApiJudge {
  const { model, baseUrl, timeoutMs, maxRetries, maxTokens, price, maxCostUsd, maxTotalTokens, maxRequests } = settings;
  return makeApiJudge({
    ...{ model, baseUrl, timeoutMs, maxRetries, maxTokens, price, maxCostUsd, maxTotalTokens, maxRequests, env },
    concurrency: concurrencyOf(settings),
  });
}

/** Where verdicts are kept. */
type Kept = Exclude<JudgeSettings['cache'], 'auto'>;

/**
 * Of all runs of this user; null where verdicts are not kept there. The number is raised when replies are read in another way
 * (verdict.ts): keys do not show that.
 */
function sharedFolder(cache: Kept): string | null {
  return cache === 'shared' ? inCacheFolder('judge-verdicts', '1') : null;
}

/** `unnamed`: neither address nor name say which model answers there, so other runs may mean another one. */
function cacheOf({ cache }: JudgeSettings, unnamed: boolean): Kept {
  if (cache !== 'auto') return cache;
  return unnamed ? 'run' : 'shared';
}

function cached(
  judge: Judge,
  folder: string,
  { stats, cache }: { readonly stats: JudgeStats; readonly cache: Kept },
): OpenCached {
  if (cache === 'off') return { id: judge.id, skippedLines: 0, judge: (...given) => judge.judge(...given), close() {} };
  return withCache(judge, folder, { stats, shared: sharedFolder(cache) });
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
  readonly judge: OpenCached;
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
    const judge = cached(local, cacheFolder, { stats, cache: cacheOf(settings, false) });
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
