/** Packs samples into batches, as sequences side by side without padding. A trajectory is one sequence. */
import type { Batch } from '../engine/types.js';
import type { Sample } from './sample.js';

/** What PPO computes for a sample. */
export interface PolicyColumns {
  /** (N) */
  readonly oldLogprobs: Float32Array;
  /** (N) */
  readonly refLogprobs: Float32Array;
  /** (T) A_t */
  readonly advantages: Float32Array;
}

/**
 * Splits an ordered list into micro-batches of at most `maxTokens` packed tokens. A longer sample gets a micro-batch of
 * its own, so that no sample is left out.
 */
export function microBatches<T extends Sample>(samples: readonly T[], maxTokens: number): T[][] {
  const runs: T[][] = [];
  let used = Number.POSITIVE_INFINITY;
  for (const sample of samples) {
    if (used + sample.tokens.length > maxTokens) {
      runs.push([]);
      used = 0;
    }
    runs.at(-1)!.push(sample);
    used += sample.tokens.length;
  }
  return runs;
}

/** `columns` in the order of `samples`; absent for SFT and for computing log-probs. */
export function pack(samples: readonly Sample[], columns?: readonly PolicyColumns[]): Batch {
  const offsets = tokenOffsets(samples);
  const batch = {
    tokens: concatInt32(samples.map((sample) => sample.tokens)),
    cuSeqlens: offsets,
    lossMask: concatUint8(samples.map((sample) => sample.lossMask)),
    valuePositions: concatInt32(
      samples.map((sample, index) => sample.valuePositions.map((position) => position + offsets[index]!)),
    ),
    returns: concatFloat32(samples.map((sample) => sample.returns)),
  };
  if (columns === undefined) return batch;
  let steps = 0;
  const stepIds = samples.map((sample) => {
    const first = steps;
    steps += sample.returns.length;
    return sample.stepOf.map((row) => (row < 0 ? -1 : row + first));
  });
  return {
    ...batch,
    oldLogprobs: concatFloat32(columns.map((column) => column.oldLogprobs)),
    refLogprobs: concatFloat32(columns.map((column) => column.refLogprobs)),
    advantages: concatFloat32(samples.map((sample, index) => perToken(sample.stepOf, columns[index]!.advantages))),
    stepIds: concatInt32(stepIds),
  };
}

/** Cuts an (N) result of a packed call back into one array per sample. */
export function unpackTokens(samples: readonly Sample[], packed: Float32Array): Float32Array[] {
  const offsets = tokenOffsets(samples);
  return samples.map((_, index) => packed.slice(offsets[index]!, offsets[index + 1]!));
}

/** Cuts a (T) result of a packed call back into one array per sample. */
export function unpackSteps(samples: readonly Sample[], packed: Float32Array): Float32Array[] {
  let at = 0;
  return samples.map((sample) => {
    const part = packed.slice(at, at + sample.returns.length);
    at += sample.returns.length;
    return part;
  });
}

function tokenOffsets(samples: readonly Sample[]): Int32Array {
  const offsets = new Int32Array(samples.length + 1);
  samples.forEach((sample, index) => {
    offsets[index + 1] = offsets[index]! + sample.tokens.length;
  });
  return offsets;
}

function perToken(stepOf: Int32Array, perStep: Float32Array): Float32Array {
  return Float32Array.from(stepOf, (row) => (row < 0 ? 0 : perStep[row]!));
}

function concatInt32(parts: readonly Int32Array[]): Int32Array {
  return concat(parts, (length) => new Int32Array(length));
}
function concatUint8(parts: readonly Uint8Array[]): Uint8Array {
  return concat(parts, (length) => new Uint8Array(length));
}
function concatFloat32(parts: readonly Float32Array[]): Float32Array {
  return concat(parts, (length) => new Float32Array(length));
}

function concat<T extends Int32Array | Uint8Array | Float32Array>(parts: readonly T[], make: (length: number) => T): T {
  const out = make(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part as never, at);
    at += part.length;
  }
  return out;
}
