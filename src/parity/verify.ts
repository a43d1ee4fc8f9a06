/**
 * `spark-rl verify parity`: compares our log-probs with llama.cpp's, for the base alone and with an adapter.
 *
 *   exact   llama.cpp on the file itself when it is F32, else on an F32 copy that our engine writes, with an F32 cache. The
 *           two must agree to 2e-4 nats on the worst token. (That we unpack every type rightly is tested elsewhere, against
 *           another implementation.)
 *   file    llama.cpp on the file as it serves it, with an F32 and with an F16 cache: the real difference between
 *           generator and engine, whose mean must be within a tolerance that the user can set.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Config } from '../config/index.js';
import type { Adapter, Model } from '../engine/types.js';
import type { SparkError } from '../errors.js';
import { openEngine } from '../run/parts.js';
import { type Comparison, compareLogprobs } from './compare.js';
import { exactFile } from './exactFile.js';
import { engineLogprobs, type Probe, type ProbeLike, samplerOf, servedLogprobs } from './logprobs.js';
import { type PromptCheck, promptCause } from './prompts.js';
import { sampleProbes } from './sequences.js';
import { EXACT_WORST, likelyCause, meanTolerance, weightTypes } from './tolerance.js';

export interface ParityRow extends Omit<Comparison, 'kl' | 'klError'> {
  /** Types of the file's matrices: `Q4_K + Q6_K` */
  readonly type: string;
  readonly comparison: 'exact' | 'file';
  readonly adapter: 'none' | 'given' | 'random';
  readonly kvCacheType: 'F16' | 'F32';
  /** Mean of lp_llama.cpp − lp_ours; null when the tokens were not sampled from this model. */
  readonly kl: number | null;
  readonly klError: number | null;
  /** Limit of `worst` (exact) or `mean` (file). */
  readonly tolerance: number;
  readonly ok: boolean;
}

export interface ParityReport {
  readonly model: string;
  readonly types: string;
  readonly tokensFrom: ParityTokens['from'];
  readonly rows: readonly ParityRow[];
  /** Mean |change of log-prob| that the adapter makes, in nats: when it is tiny, the adapter's rows prove little. */
  readonly effect: number;
  /** Why there is no exact comparison, or null. */
  readonly exactSkipped: { readonly code: string; readonly reason: string } | null;
  /** A run's prompts against today's rendering; null without a run. */
  readonly prompts: PromptCheck | null;
  readonly ok: boolean;
  readonly cause: string | null;
}

/**
 * Where the tokens come from. `sampled`: llama.cpp writes them now, once as base and once with the adapter. `run`: the
 * base wrote them in a run's rollouts, at the rollouts' temperature. `file`: the user gives them.
 */
export type ParityTokens =
  | { readonly from: 'sampled' }
  | { readonly from: 'run'; readonly probes: readonly Probe[]; readonly temperature: number }
  | { readonly from: 'file'; readonly probes: readonly ProbeLike[] };

export interface ParityRequest {
  readonly config: Config;
  readonly tokens: ParityTokens;
  /** GGUF LoRA file or PEFT folder; without one an adapter is made up, so that adapters are compared in any case. */
  readonly adapterPath?: string | undefined;
  readonly skipExact: boolean;
  readonly prompts: PromptCheck | null;
  readonly signal: AbortSignal;
}

const SEQUENCES = 4;

export async function verifyParity(request: ParityRequest): Promise<ParityReport> {
  const folder = mkdtempSync(path.join(tmpdir(), 'spark-parity-'));
  const model = await openEngine(request.config, request.signal);
  try {
    return await compareAll(request, model, folder);
  } finally {
    model.dispose();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What is compared: the base alone or with the adapter, and the tokens for it. */
interface Subject {
  readonly adapter: ParityRow['adapter'];
  readonly adapterPath: string | undefined;
  readonly probes: readonly ProbeLike[];
  /** The tokens were sampled from this subject. */
  readonly sampled: boolean;
}

async function compareAll(request: ParityRequest, model: Model, folder: string): Promise<ParityReport> {
  const { config, signal, prompts, tokens } = request;
  const { info } = model;
  const subjects = await subjectsOf(request, model, folder);
  const rows: ParityRow[] = [];
  const skipped = await exactRows(request, model, folder, subjects, rows);

  const served = { modelPath: config.model.path, ...samplerOf(config), signal };
  const ours = await oursOf(model, subjects, signal);
  for (const kvCacheType of ['F32', 'F16'] as const) {
    const limit = meanTolerance(info, config.parity.tolerance, kvCacheType);
    for (const [index, subject] of subjects.entries()) {
      const { adapterPath, probes, sampled } = subject;
      const theirs = await servedLogprobs({ ...served, adapterPath, kvCacheType }, probes);
      const { kl, klError, ...result } = compareLogprobs(ours[index]!, theirs, probes);
      const estimate = sampled ? { kl, klError } : { kl: null, klError: null };
      const common = { type: weightTypes(info), comparison: 'file', adapter: subject.adapter, kvCacheType } as const;
      rows.push({ ...common, ...result, ...estimate, tolerance: limit, ok: result.mean <= limit });
    }
  }
  const cause = causeOf(rows, request, model);
  return {
    model: config.model.path,
    types: weightTypes(info),
    tokensFrom: tokens.from,
    rows,
    effect: await effectOf(model, subjects[1]!, ours[1]!, signal),
    exactSkipped: skipped,
    prompts,
    ok: cause === null,
    cause,
  };
}

async function subjectsOf(request: ParityRequest, model: Model, folder: string): Promise<readonly [Subject, Subject]> {
  const { config, tokens, signal } = request;
  const sampling = { count: SEQUENCES, length: Math.min(config.parity.tokens, model.info.contextLength - 1) };
  const probes = tokens.from === 'sampled' ? await sampleProbes(config, sampling, signal) : tokens.probes;
  const adapterPath = await adapterFile(request, model, probes[0]!, folder);
  const adapted =
    tokens.from === 'sampled' ? await sampleProbes(config, { ...sampling, adapterPath }, signal) : tokens.probes;
  return [
    { adapter: 'none', adapterPath: undefined, probes, sampled: tokens.from !== 'file' },
    {
      adapter: request.adapterPath === undefined ? 'random' : 'given',
      adapterPath,
      probes: adapted,
      sampled: tokens.from === 'sampled',
    },
  ];
}

/** The adapter's GGUF file: the given one, or one written from a PEFT folder or a made-up adapter. */
async function adapterFile(request: ParityRequest, model: Model, probe: ProbeLike, folder: string): Promise<string> {
  const { adapterPath, config, signal } = request;
  if (adapterPath?.endsWith('.gguf')) return adapterPath;
  const adapter =
    adapterPath === undefined
      ? await randomAdapter(config, model, probe, signal)
      : await model.loadAdapter(adapterPath);
  const file = path.join(folder, 'adapter.gguf');
  await adapter.save(file, 'gguf');
  adapter.dispose();
  return file;
}

/** An adapter with an effect: a fresh one has B = 0 and so none, and a few optimizer steps change that. */
async function randomAdapter(config: Config, model: Model, probe: ProbeLike, signal: AbortSignal): Promise<Adapter> {
  const adapter = await model.createAdapter({ ...config.lora, seed: config.seed });
  const tokens = Int32Array.from('mask' in probe ? probe.tokens : probe);
  const lossMask = new Uint8Array(tokens.length).fill(1, 1);
  const batch = { tokens, cuSeqlens: Int32Array.of(0, tokens.length), lossMask };
  for (let step = 0; step < 3; step++) {
    await adapter.accumulateSft(batch, { normalizer: tokens.length - 1, signal });
    await adapter.optimizerStep({ learningRate: 5e-3 });
  }
  return adapter;
}

/** Our log-probs for each subject. */
async function oursOf(model: Model, subjects: readonly Subject[], signal: AbortSignal): Promise<Float32Array[][]> {
  const all: Float32Array[][] = [];
  for (const { adapterPath, probes } of subjects) {
    const adapter = adapterPath === undefined ? null : await model.loadAdapter(adapterPath, { signal });
    all.push(await engineLogprobs(model, adapter, probes, signal));
    adapter?.dispose();
  }
  return all;
}

async function effectOf(model: Model, subject: Subject, adapted: Float32Array[], signal: AbortSignal): Promise<number> {
  const base = await engineLogprobs(model, null, subject.probes, signal);
  return compareLogprobs(base, adapted, subject.probes).mean;
}

/** Adds the exact rows; returns why there are none, or null. */
async function exactRows(
  request: ParityRequest,
  model: Model,
  folder: string,
  subjects: readonly Subject[],
  rows: ParityRow[],
): Promise<ParityReport['exactSkipped']> {
  const { config, signal, skipExact } = request;
  if (skipExact) return { code: 'skipped', reason: 'left out on request' };
  let modelPath: string;
  try {
    modelPath = await exactFile(model, folder, signal);
  } catch (error) {
    const { code, message } = error as SparkError;
    if (code === 'disk_full' || code === 'memory_limit') return { code, reason: message };
    throw error;
  }
  const ours = await exactOurs(config, model, subjects, signal);
  for (const [index, { adapter, adapterPath, probes }] of subjects.entries()) {
    const theirs = await servedLogprobs({ modelPath, adapterPath, kvCacheType: 'F32', signal }, probes);
    const { kl: _kl, klError: _error, ...result } = compareLogprobs(ours[index]!, theirs, probes);
    const common = { type: weightTypes(model.info), comparison: 'exact', adapter, kvCacheType: 'F32' } as const;
    const ok = result.worst <= EXACT_WORST;
    rows.push({ ...common, ...result, kl: null, klError: null, tolerance: EXACT_WORST, ok });
  }
  return null;
}

/** Our log-probs computed in f32, whatever the configuration trains in. */
async function exactOurs(config: Config, model: Model, subjects: readonly Subject[], signal: AbortSignal) {
  if (model.info.compute === 'f32') return oursOf(model, subjects, signal);
  const exact = await openEngine({ ...config, model: { ...config.model, compute: 'f32' } }, signal);
  try {
    return await oursOf(exact, subjects, signal);
  } finally {
    exact.dispose();
  }
}

/** The likely cause of what failed; null when everything is within its tolerance. */
function causeOf(rows: readonly ParityRow[], request: ParityRequest, { info }: Model): string | null {
  const exact = rows.find((row) => row.comparison === 'exact' && !row.ok);
  if (exact !== undefined) {
    const part = exact.adapter === 'none' ? 'weights or arithmetic' : 'how the adapter is applied';
    return (
      `${part}: on the same weights in F32 with an F32 cache the two must agree; ` +
      'the file, its architecture or this build is not what we think. Please report it with this table'
    );
  }
  const failed = rows.find((row) => !row.ok);
  if (failed !== undefined) {
    const withF32 = rows.find(
      (row) => row.comparison === 'file' && row.adapter === failed.adapter && row.kvCacheType === 'F32',
    );
    const { kvCacheType, mean, tolerance } = failed;
    return likelyCause({ info, kvCacheType, mean, meanWithF32Cache: withF32?.mean ?? null, tolerance });
  }
  return request.prompts !== null && request.prompts.different > 0 ? promptCause(request.prompts) : null;
}
