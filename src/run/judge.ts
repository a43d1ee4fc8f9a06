/** Opens the judge that a configuration names, with the run's cache and what else it takes of the run. */
import type { Config } from '../config/index.js';
import type { Judge, JudgeRequest } from '../judge/judge.js';
import type { LocalSurroundings } from '../judge/open.js';
import { createOracle } from '../judge/oracle.js';
import type { JudgeSettings } from '../judge/settings.js';
import type { Log } from '../log.js';
import type { ActionInfo } from '../tools/tool.js';
import type { MetricRow } from './metricsFile.js';

/** Most commands ask no judge, and the client of its API takes a quarter of a second to load. */
const opening = () => import('../judge/open.js');

export interface OpenedJudge {
  readonly judge: Judge;
  /** Counters for metrics.jsonl, since this process opened the judge; empty for a judge that counts nothing. */
  counters(): MetricRow;
  warnings(): readonly string[];
  /** What it was asked, what the cache knew, and what that took, in words; null for a judge that counts nothing. */
  used(): string | null;
}

export interface ClosableJudge extends OpenedJudge {
  /** Of a judge that is asked in batches: to be called with every request before the first is asked. */
  judgeAll?(requests: readonly JudgeRequest[], signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

/** A judge that counts and holds nothing. */
export function uncounted(judge: Judge): ClosableJudge {
  return { judge, counters: () => ({}), warnings: () => [], used: () => null, async close() {} };
}

export interface JudgeSurroundings {
  /** The run's `judge-cache/`. */
  readonly cacheFolder: string;
  /** The actions of the run. */
  readonly actions: () => readonly ActionInfo[];
  readonly log: Log;
  readonly signal: AbortSignal;
  /** Where it stands what was sent in batches; absent for a judge that is never asked so. */
  readonly ledgerFile?: string;
}

/** `settings`: a judge section of `config`, its own or one of `ablate.judges`. */
export async function openJudge(
  settings: JudgeSettings,
  config: Config,
  surroundings: JudgeSurroundings,
): Promise<ClosableJudge> {
  if (settings.kind === 'oracle') return uncounted(createOracle());
  const { judge, stats, dispose, judgeAll } = await openCounted(settings, config, surroundings);
  const { cacheFolder, log } = surroundings;
  const unreadable = (entries: number) => {
    if (entries <= 0) return;
    log.warn(
      `${cacheFolder}: ${entries} entries of the judge's cache cannot be read; their verdicts are asked for again`,
    );
  };
  const before = judge.skippedLines;
  unreadable(before);
  const close = async () => {
    // Of the cache of all runs, which is read as it is asked.
    unreadable(judge.skippedLines - before);
    await dispose();
  };
  return {
    ...{ judge, counters: () => stats.snapshot(), warnings: () => stats.warnings(), used: () => stats.used(), close },
    ...(judgeAll === undefined ? {} : { judgeAll }),
  };
}

async function openCounted(
  settings: JudgeSettings,
  config: Config,
  { cacheFolder, actions, log, signal, ledgerFile }: JudgeSurroundings,
) {
  const { isBatched, openApiJudge, openBatchedJudge, openCachedLocalJudge } = await opening();
  if (settings.kind === 'local') {
    const expect = { actions: actions(), maxSteps: config.rollout.maxSteps };
    const local = await openCachedLocalJudge(settings, cacheFolder, { ...localSurroundings(config, signal), expect });
    return { ...local, judgeAll: undefined };
  }
  if (ledgerFile === undefined || !isBatched(settings, ledgerFile)) {
    const { judge, stats } = openApiJudge(settings, cacheFolder);
    return { judge, stats, dispose: async () => judge.close(), judgeAll: undefined };
  }
  const { judge, stats } = openBatchedJudge(settings, cacheFolder, { ledgerFile, log });
  return { judge, stats, dispose: async () => judge.close(), judgeAll: judge.judgeAll };
}

function localSurroundings({ model, inference }: Config, signal: AbortSignal): LocalSurroundings {
  const { gpu, kvCacheType } = inference;
  return { policyPath: model.path, threads: model.threads, gpu, kvCacheType, signal };
}

/** How a judge of the configuration is named among facts: a local one by the content of its file. Opens nothing. */
export async function judgeNameOf(settings: JudgeSettings, config: Config, signal: AbortSignal): Promise<string> {
  if (settings.kind === 'local') return (await opening()).localIdOf(settings, localSurroundings(config, signal));
  return settings.kind === 'api' ? settings.model : settings.kind;
}
