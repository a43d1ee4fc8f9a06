/** The parts a configuration names, opened: generator, tools, judge. */
import type { Config } from '../config.js';
import { openModel } from '../engine/index.js';
import type { Model } from '../engine/types.js';
import type { Generator } from '../inference/generator.js';
import { openLlamaCpp } from '../inference/llamaCpp.js';
import type { Judge } from '../judge/judge.js';
import { openApiJudge } from '../judge/open.js';
import { createOracle } from '../judge/oracle.js';
import { createBuiltinRegistry, type ToolRegistry } from '../tools/registry.js';
import type { MetricRow } from './metricsFile.js';
import type { Session } from './session.js';

export interface OpenedJudge {
  readonly judge: Judge;
  /** Counters for metrics.jsonl; empty for a judge that cannot fail. */
  counters(): MetricRow;
  warnings(): readonly string[];
}

export function openJudge({ config, run, log }: Session): OpenedJudge {
  if (config.judge.kind === 'oracle') return { judge: createOracle(), counters: () => ({}), warnings: () => [] };
  const { judge, stats } = openApiJudge(config.judge, run.judgeCacheFolder);
  if (judge.skippedLines > 0) {
    log.warn(`${run.judgeCacheFolder}: ${judge.skippedLines} lines cannot be read; what they said is asked again`);
  }
  return { judge, counters: () => stats.snapshot(), warnings: () => stats.warnings() };
}

/** The training engine on the configured model. */
export function openEngine({ model }: Config, signal: AbortSignal): Promise<Model> {
  const { path, backend, device, threads, compute, recompute, memoryLimitGb } = model;
  const memoryLimit = memoryLimitGb === null ? 0 : Math.round(memoryLimitGb * 1e9);
  return openModel(path, { backend, device, threads, compute, recompute, memoryLimit, signal });
}

export function openTools(config: Config): ToolRegistry {
  return createBuiltinRegistry({ tools: config.tools.enabled });
}

/** `adapterPath` null: the base model alone. */
export function openGenerator({ config, signal }: Session, adapterPath: string | null): Promise<Generator> {
  const { sequences, contextSize, gpu, kvCacheType } = config.inference;
  return openLlamaCpp({
    modelPath: config.model.path,
    adapterPath: adapterPath ?? undefined,
    sequences,
    ...(contextSize === 'auto' ? {} : { contextSize }),
    threads: config.model.threads,
    gpu,
    kvCacheType,
    signal,
  });
}
