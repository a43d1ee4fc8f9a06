/** Opens the judge that a configuration names, with the run's cache and what else it takes of the run. */
import type { Config } from '../config/index.js';
import type { Judge } from '../judge/judge.js';
import { type LocalSurroundings, localIdOf, openApiJudge, openCachedLocalJudge } from '../judge/open.js';
import { createOracle } from '../judge/oracle.js';
import type { JudgeSettings } from '../judge/settings.js';
import type { Log } from '../log.js';
import type { ActionInfo } from '../tools/tool.js';
import type { MetricRow } from './metricsFile.js';

export interface OpenedJudge {
  readonly judge: Judge;
  /** Counters for metrics.jsonl, since this process opened the judge; empty for a judge that counts nothing. */
  counters(): MetricRow;
  warnings(): readonly string[];
}

export interface ClosableJudge extends OpenedJudge {
  close(): Promise<void>;
}

/** A judge that counts and holds nothing. */
export function uncounted(judge: Judge): ClosableJudge {
  return { judge, counters: () => ({}), warnings: () => [], async close() {} };
}

export interface JudgeSurroundings {
  /** The run's `judge-cache/`. */
  readonly cacheFolder: string;
  /** The actions of the run. */
  readonly actions: () => readonly ActionInfo[];
  readonly log: Log;
  readonly signal: AbortSignal;
}

/** `settings`: a judge section of `config`, its own or one of `ablate.judges`. */
export async function openJudge(
  settings: JudgeSettings,
  config: Config,
  { cacheFolder, actions, log, signal }: JudgeSurroundings,
): Promise<ClosableJudge> {
  if (settings.kind === 'oracle') return uncounted(createOracle());
  const expect = { actions: actions(), maxSteps: config.rollout.maxSteps };
  const { judge, stats, dispose } =
    settings.kind === 'local'
      ? await openCachedLocalJudge(settings, cacheFolder, { ...localSurroundings(config, signal), expect })
      : { dispose: undefined, ...openApiJudge(settings, cacheFolder) };
  if (judge.skippedLines > 0) {
    log.warn(`${cacheFolder}: ${judge.skippedLines} lines cannot be read; their verdicts are asked for again`);
  }
  const close = dispose ?? (async () => judge.close());
  return { judge, counters: () => stats.snapshot(), warnings: () => stats.warnings(), close };
}

function localSurroundings({ model, inference }: Config, signal: AbortSignal): LocalSurroundings {
  const { gpu, kvCacheType } = inference;
  return { policyPath: model.path, threads: model.threads, gpu, kvCacheType, signal };
}

/** How a judge of the configuration is named among facts: a local one by the content of its file. Opens nothing. */
export async function judgeNameOf(settings: JudgeSettings, config: Config, signal: AbortSignal): Promise<string> {
  if (settings.kind === 'local') return localIdOf(settings, localSurroundings(config, signal));
  return settings.kind === 'api' ? settings.model : settings.kind;
}
