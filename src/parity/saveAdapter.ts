/**
 * Saves an adapter and reads the file back: our engine must read the same bits, and llama.cpp must compute the
 * log-probs of the adapter in memory. This finds an export that is silently wrong: another scale, rows in another
 * order, a target left out, an adapter that llama.cpp does not apply at all.
 *
 * On a quantised base llama.cpp's own rounding is larger than what a little training changes. So not the log-probs are
 * compared but the EFFECT, lp(adapter) − lp(base) in each engine, over all tokens together: rounding is unrelated to
 * the effect and averages out, an error does not.
 */
import { renameSync } from 'node:fs';
import { signalOf } from '../abortable.js';
import type { Adapter, LoraWeight, Model } from '../engine/types.js';
import { SparkError } from '../errors.js';
import { percent } from '../units.js';
import { compareLogprobs, difference, forEachPair, type Rows } from './compare.js';
import { engineLogprobs, type ProbeLike, servedLogprobs } from './logprobs.js';
import { meanTolerance } from './tolerance.js';

export interface SaveRequest {
  readonly model: Model;
  readonly adapter: Adapter;
  /** GGUF file to write; must not exist yet */
  readonly file: string;
  readonly sequences: readonly ProbeLike[];
  /** Highest mean |Δ log-prob| allowed; the default of the file's types when null or below it */
  readonly tolerance: number | null;
  readonly signal?: AbortSignal | undefined;
}

export interface SavedAdapter {
  /** Mean and worst |Δ log-prob| of the file as llama.cpp reads it, in nats */
  readonly mean: number;
  readonly worst: number;
  /** Mean |change of log-prob| that the adapter makes, in nats */
  readonly effect: number;
  /** How much of the effect llama.cpp shows, by least squares: 1 all of it, 0 none, 2 twice as much */
  readonly share: number;
  /** False when the effect is too small to be seen through llama.cpp's rounding, so that only the bits say anything. */
  readonly visible: boolean;
}

/** Throws `export_failed`; the file is then renamed to `<file>.rejected`. */
export async function saveChecked(request: SaveRequest): Promise<SavedAdapter> {
  await request.adapter.save(request.file, 'gguf');
  return checkSaved(request);
}

/** The check alone, of a file that exists. */
export async function checkSaved(request: SaveRequest): Promise<SavedAdapter> {
  try {
    await sameBits(request);
    return await sameEffect(request);
  } catch (error) {
    if (!(error instanceof SparkError) || !REFUSALS.has(error.code)) throw error;
    const rejected = `${request.file}.rejected`;
    renameSync(request.file, rejected);
    throw new SparkError(
      'export_failed',
      `${request.file} is not the adapter in memory: ${error.message}. The file was renamed to ${rejected}; ` +
        'run the same command again, and if it fails again, please report this',
      { cause: error },
    );
  }
}

/** Codes of errors that mean the file is wrong; other errors (a full disk, an interruption) say nothing about the file. */
const REFUSALS: ReadonlySet<string> = new Set([
  'export_failed',
  'invalid_file',
  'unsupported_file',
  'adapter_mismatch',
  'not_finite',
]);

async function sameBits({ model, adapter, file, signal }: SaveRequest): Promise<void> {
  const back = await model.loadAdapter(file, signalOf({ signal }));
  try {
    const [expected, got] = [await adapter.tensors('value'), await back.tensors('value')];
    const factors = factorsOf(adapter.weights, back.weights);
    const wrong = Object.keys(expected).filter((name) => {
      const factor = name.endsWith('.lora_b') ? (factors.get(name.slice(0, -'.lora_b'.length)) ?? 1) : 1;
      return !equalBits(scaled(expected[name]!.data, factor), got[name]?.data);
    });
    if (wrong.length > 0) throw refusal(`${wrong.length} tensors differ, the first is ${wrong[0]}`);
  } finally {
    back.dispose();
  }
}

/**
 * What the file's lora_b must be, times that in memory, by weight: its format has one alpha for all weights, so the
 * others are in lora_b.
 */
function factorsOf(memory: readonly LoraWeight[], file: readonly LoraWeight[]): Map<string, number> {
  const written = new Map(file.map((weight) => [weight.name, weight]));
  return new Map(
    memory.map(({ name, rank, alpha }) => {
      const back = written.get(name);
      if (back?.rank !== rank)
        throw refusal(`${name}: expected a rank of ${rank}, got ${back?.rank ?? 'no such pair'}`);
      return [name, alpha / back.alpha];
    }),
  );
}

function scaled(data: Float32Array, factor: number): Float32Array {
  return factor === 1 ? data : data.map((value) => value * factor);
}

function equalBits(a: Float32Array, b: Float32Array | undefined): boolean {
  if (b === undefined || a.length !== b.length) return false;
  return Buffer.from(a.buffer, a.byteOffset, a.byteLength).equals(Buffer.from(b.buffer, b.byteOffset, b.byteLength));
}

/** The comparison with llama.cpp alone. Throws `export_failed`; the file is not renamed. */
export async function sameEffect({
  model,
  adapter,
  file,
  sequences,
  tolerance,
  signal,
}: SaveRequest): Promise<SavedAdapter> {
  const modelPath = model.info.path;
  const cache = { kvCacheType: 'F32', quick: true, signal } as const;
  const ours = {
    base: await engineLogprobs(model, null, sequences, signal),
    adapted: await engineLogprobs(model, adapter, sequences, signal),
  };
  const served = {
    base: await servedLogprobs({ modelPath, ...cache }, sequences),
    adapted: await servedLogprobs({ modelPath, adapterPath: file, ...cache }, sequences),
  };
  const base = compareLogprobs(ours.base, served.base, sequences);
  const adapted = compareLogprobs(ours.adapted, served.adapted, sequences);
  const effect = compareLogprobs(ours.base, ours.adapted, sequences).mean;
  const rounding = rms(ours.base, served.base, sequences);
  const seen = judgeEffect(
    difference(ours.adapted, ours.base),
    difference(served.adapted, served.base),
    sequences,
    rounding,
  );
  const most = Math.max(tolerance ?? 0, meanTolerance(model.info, null)) + base.mean;
  // Written so that NaN is refused.
  const near = adapted.mean <= most;
  if (near && seen.ok)
    return { mean: adapted.mean, worst: adapted.worst, effect, share: seen.share, visible: seen.visible };
  throw refusal(
    `llama.cpp's log-probs with it are ${digits(adapted.mean)} nats off on average over ${adapted.tokens} tokens ` +
      `(the base: ${digits(base.mean)}; expected at most ${digits(most)}). In memory it changes them by ` +
      `${digits(effect)}; llama.cpp has ${percent(seen.share)} of that change, expected 100 %, and what is left ` +
      `over is ${digits(seen.rest)}, expected at most ${digits(seen.mostRest)}`,
  );
}

interface Effect {
  readonly ok: boolean;
  readonly share: number;
  readonly visible: boolean;
  /** rms of the difference of the two effects, and its limit */
  readonly rest: number;
  readonly mostRest: number;
}

/**
 * Two tests of the effects. `rest` is the rms of their difference; its limit is the larger of 2 % of the effect and
 * five times the rounding seen on the base. `share` is the least-squares slope of llama.cpp's effect against ours; its
 * standard error by rounding is e = √2 · rounding / (effect · √n), and |share − 1| may be at most 0.1 + 4 e. The second
 * test works even when rounding is larger than the effect.
 */
export function judgeEffect(ours: Rows, served: Rows, sequences: readonly ProbeLike[], rounding: number): Effect {
  let tokens = 0;
  let squares = 0;
  let product = 0;
  forEachPair(ours, served, sequences, (a, b) => {
    tokens += 1;
    squares += a * a;
    product += a * b;
  });
  const size = Math.sqrt(squares / tokens);
  const rest = rms(ours, served, sequences);
  const mostRest = Math.max(0.02 * size, 5 * rounding, FP32);
  if (size === 0) return { ok: rest <= mostRest, share: 1, visible: false, rest, mostRest };
  const share = product / squares;
  const error = (Math.SQRT2 * Math.max(rounding, FP32 / 10)) / (size * Math.sqrt(tokens));
  const mostAstray = 0.1 + 4 * error;
  const ok = rest <= mostRest && Math.abs(share - 1) <= mostAstray;
  return { ok, share, visible: mostAstray < 1 || mostRest < size, rest, mostRest };
}

/** Nats. Two fp32 implementations differ by less than this. */
const FP32 = 2e-4;

function rms(a: Rows, b: Rows, sequences: readonly ProbeLike[]): number {
  let tokens = 0;
  let squares = 0;
  forEachPair(a, b, sequences, (x, y) => {
    tokens += 1;
    squares += (x - y) ** 2;
  });
  return Math.sqrt(squares / tokens);
}

function refusal(message: string): SparkError {
  return new SparkError('export_failed', message);
}

function digits(value: number): string {
  return value.toExponential(2);
}
