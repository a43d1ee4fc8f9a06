/**
 * Packs samples into batches, as sequences side by side without padding. A trajectory is one sequence; the branches of its
 * choices, where a sample has them, follow as sequences of their own, without a loss on any token.
 */
import type { Batch } from '../engine/batch.js';
import { blockLength, blockSequences } from './choices.js';
import type { Sample } from './sample.js';

/** What PPO computes for a sample. */
export interface PolicyColumns {
  /** (N) */
  readonly oldLogprobs: Float32Array;
  /** (N) */
  readonly refLogprobs: Float32Array;
  /** (T) A_t */
  readonly advantages: Float32Array;
  /** (J) weights of the alternatives of the sample's choices; all samples of a batch have them, or none */
  readonly choiceTargets?: Float32Array;
}

/**
 * Splits an ordered list into micro-batches of at most `maxTokens` computed tokens: those that are packed, with the first
 * `prefix` of every sequence counted once. A longer sample gets a micro-batch of its own, so that no sample is left out.
 */
export function microBatches<T extends Sample>(samples: readonly T[], maxTokens: number, prefix = 0): T[][] {
  const runs: T[][] = [];
  let used = Number.POSITIVE_INFINITY;
  for (const sample of samples) {
    const length = blockLength(sample, prefix);
    if (used + length > maxTokens) {
      runs.push([]);
      used = prefix;
    }
    runs.at(-1)!.push(sample);
    used += length;
  }
  return runs;
}

/**
 * P: how many tokens all sequences of the samples begin with alike, before anything that is read of them and after which
 * each goes on, in whole `unit`s. A model computes them once in a pass (ModelInfo.prefixUnit; 0: it does not).
 */
export function commonPrefix(samples: readonly Sample[], unit: number): number {
  const [first] = samples;
  if (first === undefined || unit === 0) return 0;
  const common = samples.reduce(
    (most, sample) =>
      blockSequences(sample).reduce((some, sequence) => alike(sequence, first.tokens, some), readAfter(sample, most)),
    first.tokens.length,
  );
  return Math.floor(common / unit) * unit;
}

/** Of the first `most` tokens, how many are the same and have another behind them in the sequence. */
function alike(sequence: Int32Array, other: Int32Array, most: number): number {
  const end = Math.min(most, sequence.length - 1);
  let same = 0;
  while (same < end && sequence[same] === other[same]) same++;
  return same;
}

/** Of the first `most` tokens, how many lie before all that is read. Branches are read behind what they have of the sample. */
function readAfter({ lossMask, valuePositions, choices }: Sample, most: number): number {
  const lost = lossMask.indexOf(1);
  const reads = [
    ...(lost < 0 ? [] : [lost - 1]),
    ...valuePositions.subarray(0, 1),
    ...(choices?.positions.subarray(0, 1) ?? []),
  ];
  return Math.min(most, ...reads);
}

/** `columns` in the order of `samples`; absent for SFT and for computing log-probs. */
export function pack(samples: readonly Sample[], columns?: readonly PolicyColumns[]): Batch {
  const offsets = blockOffsets(samples);
  const total = offsets.at(-1)!;
  /** One value a token: each sample's own at the start of its block, the rest of it, its branches, 0. */
  const perToken = <T extends Float32Array | Uint8Array>(out: T, of: (index: number) => ArrayLike<number>): T => {
    samples.forEach((_, index) => {
      out.set(of(index), offsets[index]!);
    });
    return out;
  };
  const batch = {
    tokens: concatInt32(samples.flatMap(blockSequences)),
    cuSeqlens: sequenceOffsets(samples),
    lossMask: perToken(new Uint8Array(total), (index) => samples[index]!.lossMask),
    valuePositions: shifted(samples, offsets, ({ valuePositions }) => valuePositions),
    returns: concatFloat32(samples.map((sample) => sample.returns)),
    ...packChoices(samples, offsets),
  };
  if (columns === undefined) return batch;
  const targets = columns.flatMap(({ choiceTargets }) => (choiceTargets === undefined ? [] : [choiceTargets]));
  return {
    ...batch,
    oldLogprobs: perToken(new Float32Array(total), (index) => columns[index]!.oldLogprobs),
    refLogprobs: perToken(new Float32Array(total), (index) => columns[index]!.refLogprobs),
    advantages: perToken(new Float32Array(total), (index) =>
      ofStep(samples[index]!.stepOf, columns[index]!.advantages),
    ),
    stepIds: packStepIds(samples, offsets),
    ...(batch.choiceTokens === undefined || targets.length === 0 ? {} : { choiceTargets: concatFloat32(targets) }),
  };
}

/** The choices of all samples, at their places in the batch; nothing where there are none. */
function packChoices(
  samples: readonly Sample[],
  offsets: Int32Array,
): Pick<Batch, 'choicePositions' | 'choiceOffsets' | 'choiceTokens'> {
  const choiceTokens = concatInt32(samples.map(({ choices }) => choices?.tokens ?? NONE));
  if (choiceTokens.length === 0) return {};
  let before = 0;
  const choiceOffsets = samples.map(({ choices }) => {
    const first = before;
    before += choices?.tokens.length ?? 0;
    return choices?.offsets.subarray(0, -1).map((offset) => offset + first) ?? NONE;
  });
  return {
    choicePositions: shifted(samples, offsets, ({ choices }) => choices?.positions ?? NONE),
    choiceOffsets: concatInt32([...choiceOffsets, Int32Array.of(before)]),
    choiceTokens,
  };
}

const NONE = new Int32Array(0);

/** (N) −1 where a token belongs to no step with a reward. */
function packStepIds(samples: readonly Sample[], offsets: Int32Array): Int32Array {
  const ids = new Int32Array(offsets.at(-1)!).fill(-1);
  let steps = 0;
  samples.forEach(({ stepOf, returns }, index) => {
    const first = steps;
    ids.set(
      stepOf.map((row) => (row < 0 ? -1 : row + first)),
      offsets[index]!,
    );
    steps += returns.length;
  });
  return ids;
}

/** Cuts an (N) result of a packed call back into one array per sample. */
export function unpackTokens(samples: readonly Sample[], packed: Float32Array): Float32Array[] {
  const offsets = blockOffsets(samples);
  return samples.map(({ tokens }, index) => packed.slice(offsets[index]!, offsets[index]! + tokens.length));
}

/** Cuts a (T) result of a packed call back into one array per sample. */
export function unpackSteps(samples: readonly Sample[], packed: Float32Array): Float32Array[] {
  return cut(samples, packed, ({ returns }) => returns.length);
}

/** Cuts a (J) result of a packed call back into one array per sample. */
export function unpackChoices(samples: readonly Sample[], packed: Float32Array): Float32Array[] {
  return cut(samples, packed, ({ choices }) => choices?.tokens.length ?? 0);
}

function cut(samples: readonly Sample[], packed: Float32Array, length: (sample: Sample) => number): Float32Array[] {
  let at = 0;
  return samples.map((sample) => {
    const part = packed.slice(at, at + length(sample));
    at += part.length;
    return part;
  });
}

/** (samples + 1) where each sample's block begins. */
function blockOffsets(samples: readonly Sample[]): Int32Array {
  const offsets = new Int32Array(samples.length + 1);
  samples.forEach((sample, index) => {
    offsets[index + 1] = offsets[index]! + blockLength(sample);
  });
  return offsets;
}

/** (B + 1) */
function sequenceOffsets(samples: readonly Sample[]): Int32Array {
  const offsets = [0];
  for (const sequence of samples.flatMap(blockSequences)) offsets.push(offsets.at(-1)! + sequence.length);
  return Int32Array.from(offsets);
}

/** Positions in a sample's block as positions in the batch. */
function shifted(samples: readonly Sample[], offsets: Int32Array, of: (sample: Sample) => Int32Array): Int32Array {
  return concatInt32(samples.map((sample, index) => of(sample).map((position) => position + offsets[index]!)));
}

function ofStep(stepOf: Int32Array, perStep: Float32Array): Float32Array {
  return Float32Array.from(stepOf, (row) => (row < 0 ? 0 : perStep[row]!));
}

function concatInt32(parts: readonly Int32Array[]): Int32Array {
  return concat(parts, (length) => new Int32Array(length));
}
function concatFloat32(parts: readonly Float32Array[]): Float32Array {
  return concat(parts, (length) => new Float32Array(length));
}

function concat<T extends Int32Array | Float32Array>(parts: readonly T[], make: (length: number) => T): T {
  const out = make(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part as never, at);
    at += part.length;
  }
  return out;
}
