/**
 * `spark-rl verify parity`: our log-probs against llama.cpp's, base and adapter.
 *
 *   exact   the same weights: llama.cpp on the file itself when it is F32, else on an F32 copy of it that the engine
 *           writes, with an F32 cache. Arithmetic and the unpacking of every type agree to 2e-4 nats on the worst token
 *           (the unpacking itself is held against another implementation by the tests).
 *   file    llama.cpp on the file as it serves it, with an F32 and with an F16 cache: how far sampler and trainer really
 *           are, held against a mean the user can set.
 */
import { mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { freemem, tmpdir } from 'node:os';
import path from 'node:path';
import type { Config } from '../../config.js';
import type { Adapter, Model } from '../../engine/types.js';
import { openEngine } from '../parts.js';
import { type Comparison, compareLogprobs } from './compare.js';
import { engineLogprobs, type Sequences, servedLogprobs } from './score.js';
import { EXACT_WORST, likelyCause, meanTolerance, weightTypes } from './tolerance.js';

export interface ParityRow extends Comparison {
  readonly comparison: 'exact' | 'file';
  readonly adapter: 'none' | 'given' | 'random';
  readonly kvCacheType: 'F16' | 'F32';
  /** What `worst` (exact) or `mean` (file) may be at most. */
  readonly tolerance: number;
  readonly ok: boolean;
}

export interface ParityReport {
  readonly model: string;
  /** `Q4_K + Q6_K` */
  readonly types: string;
  readonly rows: readonly ParityRow[];
  /** Why there is no exact comparison, or null. */
  readonly exactSkipped: string | null;
  readonly ok: boolean;
  readonly cause: string | null;
}

export interface ParityRequest {
  readonly config: Config;
  readonly sequences: Sequences;
  /** GGUF LoRA file or PEFT folder; without one an adapter is made up, so that the adapter's path is proven too. */
  readonly adapterPath?: string | undefined;
  readonly skipExact: boolean;
  /** The sequences were written by a model with another content. */
  readonly otherGenerator: boolean;
  readonly signal: AbortSignal;
}

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

async function compareAll(request: ParityRequest, model: Model, folder: string): Promise<ParityReport> {
  const { config, signal } = request;
  const { info } = model;
  const adapterFile = path.join(folder, 'adapter.gguf');
  const adapter = await adapterFor(request, model);
  await adapter.save(adapterFile, 'gguf');
  const kind = request.adapterPath === undefined ? 'random' : 'given';
  const ours = {
    none: await engineLogprobs(model, null, request.sequences, signal),
    [kind]: await engineLogprobs(model, adapter, request.sequences, signal),
  } as Record<ParityRow['adapter'], Float32Array[]>;

  const rows: ParityRow[] = [];
  const add = async (comparison: ParityRow['comparison'], modelPath: string, kvCacheType: 'F16' | 'F32') => {
    for (const which of ['none', kind] as const) {
      const adapterPath = which === 'none' ? undefined : adapterFile;
      const served = await servedLogprobs({ modelPath, adapterPath, kvCacheType, signal }, request.sequences);
      const result = compareLogprobs(ours[which], served);
      const tolerance = comparison === 'exact' ? EXACT_WORST : meanTolerance(info, config.parity.tolerance);
      const ok = (comparison === 'exact' ? result.worst : result.mean) <= tolerance;
      rows.push({ comparison, adapter: which, kvCacheType, ...result, tolerance, ok });
    }
  };
  const exact = await exactFile(request, model, folder);
  if (exact.file !== null) await add('exact', exact.file, 'F32');
  await add('file', config.model.path, 'F32');
  await add('file', config.model.path, 'F16');
  const ok = rows.every((row) => row.ok);
  const cause = ok ? null : causeOf(rows, request, model);
  return { model: config.model.path, types: weightTypes(info), rows, exactSkipped: exact.reason, ok, cause };
}

/** The given adapter, or one that has learned a little from the sequences: its B is no longer zero. */
async function adapterFor({ adapterPath, config, sequences, signal }: ParityRequest, model: Model): Promise<Adapter> {
  if (adapterPath !== undefined) return model.loadAdapter(adapterPath, { signal });
  const adapter = await model.createAdapter({ ...config.lora, seed: config.seed });
  const tokens = Int32Array.from(sequences[0]!);
  const lossMask = new Uint8Array(tokens.length).fill(1, 1);
  const batch = { tokens, cuSeqlens: Int32Array.of(0, tokens.length), lossMask };
  for (let step = 0; step < 3; step++) {
    await adapter.accumulateSft(batch, { normalizer: tokens.length - 1, signal });
    await adapter.optimizerStep({ learningRate: 2e-3 });
  }
  return adapter;
}

interface ExactFile {
  readonly file: string | null;
  readonly reason: string | null;
}

/** An F32 GGUF of the same weights. A large model's is not written where disk or memory would not hold it. */
async function exactFile(
  { config, skipExact, signal }: ParityRequest,
  model: Model,
  folder: string,
): Promise<ExactFile> {
  if (skipExact) return { file: null, reason: 'left out on request' };
  if (model.info.compute !== 'f32') return { file: null, reason: `products run in ${model.info.compute}` };
  if (Object.keys(model.info.tensorTypes).every((type) => type === 'F32'))
    return { file: config.model.path, reason: null };
  const needed = model.info.parameters * 4;
  const { bavail, bsize } = statfsSync(folder);
  if (needed > 0.9 * bavail * bsize) return { file: null, reason: tooLarge(needed, 'disk', bavail * bsize) };
  if (needed > 0.9 * freemem()) return { file: null, reason: tooLarge(needed, 'memory', freemem()) };
  const file = path.join(folder, 'exact-F32.gguf');
  await model.save(file, { type: 'F32', signal });
  return { file, reason: null };
}

function tooLarge(needed: number, what: string, free: number): string {
  return `an F32 copy needs ${gigabytes(needed)} of ${what}, and ${gigabytes(free)} are free`;
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(1)} GB`;
}

function causeOf(rows: readonly ParityRow[], { otherGenerator, config }: ParityRequest, { info }: Model): string {
  if (rows.some((row) => row.comparison === 'exact' && !row.ok)) {
    return (
      'the arithmetic: on the same weights with an F32 cache the two must agree; ' +
      'the file, its architecture or this build is not what we think. Please report it with this table'
    );
  }
  const failed = rows.find((row) => !row.ok)!;
  const withF32 = rows.find((r) => r.comparison === 'file' && r.adapter === failed.adapter && r.kvCacheType === 'F32');
  return likelyCause({
    info,
    kvCacheType: failed.kvCacheType,
    meanWithF32Cache: withF32?.mean ?? null,
    tolerance: meanTolerance(info, config.parity.tolerance),
    otherGenerator,
  });
}

export function parityText(report: ParityReport): string {
  const lines = [
    `${report.model} (${report.types})`,
    'comparison  adapter  cache   tokens   mean |Δ|  worst |Δ|         KL   at most',
    ...report.rows.map((row) => {
      const limit = `${row.comparison === 'exact' ? 'worst' : 'mean'} ${number(row.tolerance)}`;
      const numbers = [row.mean, row.worst, row.kl].map((value) => number(value).padStart(10)).join(' ');
      return (
        `${row.comparison.padEnd(11)} ${row.adapter.padEnd(8)} ${row.kvCacheType} ${String(row.tokens).padStart(9)} ` +
        `${numbers}   ${limit}  ${row.ok ? 'ok' : 'TOO FAR'}`
      );
    }),
  ];
  if (report.exactSkipped !== null) lines.push(`exact: not compared: ${report.exactSkipped}`);
  if (report.cause !== null) lines.push(`likely cause: ${report.cause}`);
  return lines.join('\n');
}

function number(value: number): string {
  return value.toExponential(2);
}
