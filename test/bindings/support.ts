/** What the engine's tests share: the fixture model, batches, a folder of their own, and the code of a rejection. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll } from 'vitest';
import type { Batch } from '../../src/engine/index.js';
import { SparkError } from '../../src/errors.js';

/** C 48, L 2, H 3, K 1, D 16, F 64, V 289, context 256, F32 (test/fixtures/make_parity_gguf.py) */
export const MODEL = fileURLToPath(new URL('../fixtures/parity.gguf', import.meta.url));
export const VOCABULARY = 289;

/** Deterministic whole numbers below `limit`. */
export function randomTokens(count: number, seed: number, limit = VOCABULARY - 2): Int32Array {
  let state = seed >>> 0;
  return Int32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  });
}

type ChoiceField = Extract<keyof Batch, `choice${string}`>;
type Filled<K extends keyof Batch> = { -readonly [F in K]-?: NonNullable<Batch[F]> };
export type FullBatch = Filled<Exclude<keyof Batch, ChoiceField>>;

/** Two choices: among three tokens after position 2, among two after position 4. */
export const makeChoices = (): Filled<ChoiceField> => ({
  choicePositions: Int32Array.of(2, 4),
  choiceOffsets: Int32Array.of(0, 3, 5),
  choiceTokens: Int32Array.of(7, 100, 3, 3, 50),
  choiceTargets: Float32Array.of(0.5, 0, 0.25, 0.25, 1),
});

/**
 * Sequences of the given lengths with every field but those of choices; each token but a sequence's first carries a
 * loss.
 */
export function makeBatch(lengths: readonly number[], seed = 1): FullBatch {
  const total = lengths.reduce((sum, length) => sum + length, 0);
  const cuSeqlens = new Int32Array(lengths.length + 1);
  const lossMask = new Uint8Array(total).fill(1);
  const stepIds = new Int32Array(total);
  const valuePositions = new Int32Array(lengths.length);
  lengths.forEach((length, i) => {
    const start = cuSeqlens[i]!;
    cuSeqlens[i + 1] = start + length;
    lossMask[start] = 0;
    stepIds.fill(i, start, start + length);
    valuePositions[i] = start + length - 1;
  });
  return {
    tokens: randomTokens(total, seed),
    cuSeqlens,
    lossMask,
    oldLogprobs: new Float32Array(total).fill(-5),
    refLogprobs: new Float32Array(total).fill(-5),
    advantages: new Float32Array(total).fill(0.5),
    stepIds,
    valuePositions,
    returns: new Float32Array(lengths.length).fill(1),
  };
}

/** Long enough that the call is still running when the next statements run. */
export const longBatch = () => makeBatch(Array.from({ length: 16 }, () => 250));

/** An fp32 tensor of a safetensors file. */
export function fixtureTensor(file: string, name: string): Float32Array {
  const bytes = readFileSync(file);
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const entry = JSON.parse(bytes.toString('utf8', 8, start))[name];
  if (entry?.dtype !== 'F32') throw new Error(`${file}: expected an fp32 tensor ${name}`);
  const [from, to] = entry.data_offsets as [number, number];
  return new Float32Array(Uint8Array.from(bytes.subarray(start + from, start + to)).buffer);
}

export function temporaryFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'spark-engine-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** The SparkError a call ends with; anything else fails the test. */
export async function failure(run: () => unknown): Promise<SparkError> {
  try {
    await run();
  } catch (error) {
    if (error instanceof SparkError) return error;
    throw error;
  }
  throw new Error('expected a SparkError, got a result');
}
