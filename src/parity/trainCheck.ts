/**
 * The check before a stage trains: our engine against llama.cpp on the stage's own tokens, with the same model file and
 * adapter and the configured cache type. When the two disagree, training goes wrong without any other sign.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Adapter, Model } from '../engine/types.js';
import { SparkError } from '../errors.js';
import { modelSha256 } from '../inference/ggufParts.js';
import { packageVersion } from '../package.js';
import { IMPORTED } from '../rollout/imported.js';
import { hashOf, hashOfPath } from '../run/freshness.js';
import type { Run } from '../run/run.js';
import { readSealed, writeSealed } from '../sealed.js';
import { type Comparison, compareLogprobs } from './compare.js';
import { engineLogprobs, type Probe, samplerOf, servedLogprobs } from './logprobs.js';
import { likelyCause, meanTolerance, weightTypes } from './tolerance.js';

export interface CheckRequest {
  readonly stage: string;
  readonly model: Model;
  /** The adapter that the stage starts from and its GGUF file or PEFT folder; null for a fresh one, which has no effect. */
  readonly init: { readonly adapter: Adapter; readonly path: string } | null;
  /** Some of the tokens that a model wrote in the stage's trajectories. */
  readonly probes: readonly Probe[];
  readonly trajectories: number;
  /** How many of the trajectories each generator wrote that does not bear this model's hash, by its id. */
  readonly others: ReadonlyMap<string, number>;
}

/** Throws `parity_failed` with the numbers and the likely cause. Results are kept by files, settings and tokens. */
export async function checkParity(run: Run, request: CheckRequest): Promise<void> {
  const { config, folder, log } = run;
  if (!config.parity.check) return;
  const { model, stage, probes } = request;
  if (probes.length === 0) return;
  warnOfOthers(run, request);
  const kvCacheType = config.inference.kvCacheType;
  const measured = await measure(run, request, kvCacheType);
  const tolerance = meanTolerance(model.info, config.parity.tolerance, kvCacheType);
  const { cached, ...result } = measured;
  folder.metrics.append({ stage, event: 'parity', kvCacheType, ...result, tolerance, cached });
  const numbers =
    `mean |Δ| ${result.mean.toExponential(1)} nats, worst ${result.worst.toExponential(1)} ` +
    `over ${result.tokens} tokens`;
  const what = `${weightTypes(model.info)}, ${kvCacheType} cache${cached ? ', measured before' : ''}`;
  if (result.mean <= tolerance) {
    log.info(`${stage}: parity with llama.cpp: ${numbers} (${what})`);
    return;
  }
  const withF32 = kvCacheType === 'F16' ? await measure(run, request, 'F32') : measured;
  const evidence = { info: model.info, kvCacheType, mean: result.mean, meanWithF32Cache: withF32.mean, tolerance };
  throw new SparkError(
    'parity_failed',
    `${stage}: expected our log-probs and llama.cpp's within a mean of ${tolerance} nats, got ${numbers} (${what}). ` +
      `Likely cause: ${likelyCause(evidence)}. To train all the same: --no-parity-check`,
  );
}

/**
 * Warns of trajectories that another model wrote, or a generator that does not say which model it is: the engines may
 * agree on them, but it is not this model, or perhaps not, that sampled them.
 */
function warnOfOthers({ config, log }: Run, { stage, trajectories, others }: CheckRequest): void {
  const model = path.basename(config.model.path);
  const strangers = [...others.keys()].filter((id) => id.startsWith('sha256:'));
  const imported = [...others.keys()].filter((id) => id.startsWith(IMPORTED));
  const unnamed = [...others.keys()].filter((id) => !id.startsWith('sha256:') && !id.startsWith(IMPORTED));
  const written = (ids: readonly string[]) => {
    const count = ids.reduce((sum, id) => sum + others.get(id)!, 0);
    return `${stage}: ${count} of ${trajectories} trajectories were written by`;
  };
  if (strangers.length > 0) {
    log.warn(
      `${written(strangers)} another model than ${model}; spark-rl verify parity --run says whether their prompts are ` +
        'still its own',
    );
  }
  if (imported.length > 0) {
    log.warn(
      `${written(imported)} ${imported.join(', ')}, as texts that were tokenised when they were imported: their tokens are not ` +
        'those that their model drew',
    );
  }
  if (unnamed.length > 0) {
    const names = unnamed.map((id) => `"${id}"`).join(', ');
    log.warn(
      `${written(unnamed)} ${names}, of which it is not known whether that is ${model}; a generator says so by an id ` +
        "that begins with sha256: and the hash of the model's file",
    );
  }
}

type Measured = Comparison & { readonly cached: boolean };

async function measure(run: Run, request: CheckRequest, kvCacheType: 'F16' | 'F32'): Promise<Measured> {
  const { config, folder, signal } = run;
  const { probes } = request;
  const key = await keyOf(run, request, kvCacheType);
  const known =
    readSealed<Record<string, Comparison>>(folder.parityFile, { remedy: 'remove it: it is measured again' }) ?? {};
  if (known[key] !== undefined) return { ...known[key], cached: true };
  const ours = await engineLogprobs(request.model, request.init?.adapter ?? null, probes, signal);
  const served = { modelPath: config.model.path, ...samplerOf(config), kvCacheType, quick: true, signal };
  const theirs = await withGguf(request, (adapterPath) => servedLogprobs({ ...served, adapterPath }, probes));
  const result = compareLogprobs(ours, theirs, probes);
  // JSON has no NaN, so a difference that is NaN is not stored: it is measured, and refused, every time.
  if (Number.isFinite(result.mean)) await writeSealed(folder.parityFile, { ...known, [key]: result });
  return { ...result, cached: false };
}

/** A hash of everything the numbers depend on. */
async function keyOf(
  { config, signal }: Run,
  { model, init, probes }: CheckRequest,
  kvCacheType: 'F16' | 'F32',
): Promise<string> {
  const { compute, backend } = model.info;
  const facts = {
    version: packageVersion(),
    model: await modelSha256(config.model.path, signal),
    adapter: init === null ? null : await hashOfPath(init.path, signal),
    alpha: init?.adapter.alpha ?? null,
    compute,
    backend,
    ...samplerOf(config),
    kvCacheType,
    probes: probes.map(({ tokens, mask }) => [tokens, [...mask]]),
  };
  return hashOf(facts);
}

/** Calls `work` with a GGUF of the initial adapter; one loaded from a PEFT folder is written to a temporary GGUF. */
async function withGguf<T>({ init }: CheckRequest, work: (adapterPath: string | undefined) => Promise<T>): Promise<T> {
  if (init === null || isGguf(init.path)) return work(init?.path);
  const folder = mkdtempSync(path.join(tmpdir(), 'spark-parity-'));
  try {
    const file = path.join(folder, 'init.gguf');
    await init.adapter.save(file, 'gguf');
    return await work(file);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function isGguf(file: string): boolean {
  return file.endsWith('.gguf');
}
