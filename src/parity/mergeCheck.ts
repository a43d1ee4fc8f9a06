/**
 * Compares the merged file with base + adapter on the same tokens, in our engine and in llama.cpp.
 *
 * Rounding merged weights to a type changes log-probs a little, unrelated to the adapter's effect. An error of the
 * merge (a wrong scale, a tensor left out or misread) changes them in proportion to the adapter's effect. So two things
 * are measured: how large the difference is, and how much of the adapter's effect is in it.
 */
import { openModel } from '../engine/index.js';
import type { Adapter, Model } from '../engine/types.js';
import { SparkError } from '../errors.js';
import { percent } from '../units.js';
import { type Comparison, compareLogprobs } from './compare.js';
import { engineLogprobs, type Sequences, servedLogprobs } from './logprobs.js';
import { meanTolerance } from './tolerance.js';

export interface CheckedFile {
  readonly model: Model;
  readonly adapter: Adapter;
  /** The adapter as a GGUF file */
  readonly adapterFile: string;
  /** The merged model */
  readonly file: string;
  readonly tensorTypes: Readonly<Record<string, number>>;
  readonly sequences: Sequences;
  readonly signal: AbortSignal;
}

export interface Difference extends Pick<Comparison, 'mean' | 'worst'> {
  /** Share of the adapter's effect that the merged file has in excess (above 0) or lacks (below 0); 0 when it is right */
  readonly along: number;
}

export interface MergeCheck {
  readonly tokens: number;
  /** Mean |change of log-prob| that the adapter makes, in nats */
  readonly effect: number;
  readonly engine: Difference;
  readonly llamaCpp: Difference;
}

type Rows = readonly ArrayLike<number>[];

/**
 * Highest mean |Δ log-prob| that rounding weights to a type explains, as a fraction of 1 + mean |log-prob|: unlikely
 * tokens have large logits, which rounding changes in proportion. About five times what the models here show.
 */
const ROUNDING: Readonly<Record<string, number>> = { F32: 1e-5, F16: 2e-3, BF16: 2e-2, Q8_0: 2e-2 };

/** Throws `export_failed` with the numbers when the file differs too much. */
export async function checkMerged(request: CheckedFile): Promise<MergeCheck> {
  const { model, adapter, adapterFile, file, sequences, signal } = request;
  const base = await engineLogprobs(model, null, sequences, signal);
  const adapted = await engineLogprobs(model, adapter, sequences, signal);
  const ours = await readBack(file, model.info.threads, sequences, signal);
  const modelPath = model.info.path;
  const cache = { kvCacheType: 'F32', signal } as const;
  const servedAdapted = await servedLogprobs({ modelPath, adapterPath: adapterFile, ...cache }, sequences);
  const served = await servedLogprobs({ modelPath: file, ...cache }, sequences);

  const effect = compareLogprobs(base, adapted);
  const engine = differenceOf(adapted, ours.logprobs, base);
  const llamaCpp = differenceOf(servedAdapted, served, base, adapted);
  const size = 1 + compareLogprobs(adapted, adapted.map(zeros)).mean;
  const rounding = Math.max(...Object.keys(request.tensorTypes).map((type) => ROUNDING[type] ?? 0));
  // llama.cpp also rounds activations, in a way that depends on the types of the weights, here of two different files.
  const arithmetic = meanTolerance(model.info, null) + meanTolerance(ours.info, null);
  refuseFar('our engine', engine, size * rounding, effect);
  refuseFar('llama.cpp', llamaCpp, size * (rounding + arithmetic), effect);
  const { mean, worst, along } = engine;
  return {
    tokens: effect.tokens,
    effect: effect.mean,
    engine: { mean, worst, along },
    llamaCpp: { mean: llamaCpp.mean, worst: llamaCpp.worst, along: llamaCpp.along },
  };
}

const zeros = (row: ArrayLike<number>) => new Float32Array(row.length);

async function readBack(file: string, threads: number, sequences: Sequences, signal: AbortSignal) {
  const merged = await openModel(file, { threads, signal });
  try {
    return { info: merged.info, logprobs: await engineLogprobs(merged, null, sequences, signal) };
  } finally {
    merged.dispose();
  }
}

interface Measured extends Difference {
  /** Standard error of `along` */
  readonly error: number;
}

/** `along` is the least-squares slope of the difference against the adapter's effect, Σ δ c / Σ c². */
function differenceOf(expected: Rows, got: Rows, base: Rows, adapted: Rows = expected): Measured {
  const { mean, worst, tokens } = compareLogprobs(expected, got);
  let squares = 0;
  let product = 0;
  let effect = 0;
  expected.forEach((row, r) => {
    for (let i = 1; i < row.length; i++) {
      const delta = got[r]![i]! - row[i]!;
      const change = adapted[r]![i]! - base[r]![i]!;
      squares += delta * delta;
      product += delta * change;
      effect += change * change;
    }
  });
  if (effect === 0) return { mean, worst, along: 0, error: 0 };
  return { mean, worst, along: product / effect, error: Math.sqrt(squares / tokens / effect) };
}

function refuseFar(engine: string, difference: Measured, limit: number, effect: Comparison): void {
  const { mean, worst, along, error } = difference;
  // More than a quarter of the effect, beyond what four standard errors explain.
  const astray = Math.abs(along) - 4 * error > 0.25;
  if (mean <= limit && !astray) return;
  throw new SparkError(
    'export_failed',
    `in ${engine} the merged file is off from base + adapter by a mean |Δ log-prob| of ${digits(mean)} nats ` +
      `(worst ${digits(worst)}) over ${effect.tokens} tokens; expected at most ${digits(limit)} for its types, ` +
      `and none of it along the adapter's own effect (${digits(effect.mean)}), got ${percent(along)} of that. ` +
      'The file was removed; write it as F32, and if that fails too, please report it with this message',
  );
}

function digits(value: number): string {
  return value.toPrecision(2);
}
