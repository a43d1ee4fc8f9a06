/** Log-probs of the same tokens by our engine and by llama.cpp. */
import type { Config } from '../config/index.js';
import type { Adapter, Batch, Model } from '../engine/types.js';
import { openLlamaCpp } from '../inference/llamaCpp.js';

/** A token sequence and which of its tokens are spoken of. */
export interface Probe {
  readonly tokens: readonly number[];
  /** (n) 1 where the token is compared; entry 0 is 0, as nothing comes before it */
  readonly mask: Uint8Array;
}

export type Sequences = readonly (readonly number[])[];

/** A plain list of ids means all of them. */
export type ProbeLike = Probe | readonly number[];

export function probeOf(given: ProbeLike): Probe {
  if ('mask' in given) return given;
  return { tokens: given, mask: new Uint8Array(given.length).fill(1, 1) };
}

/**
 * (n) log-probs for each sequence of n tokens, 0 where the mask is. One sequence a pass: parity wants no batch effects.
 */
export async function engineLogprobs(
  model: Model,
  adapter: Adapter | null,
  sequences: readonly ProbeLike[],
  signal?: AbortSignal,
): Promise<Float32Array[]> {
  const rows: Float32Array[] = [];
  for (const { tokens, mask } of sequences.map(probeOf)) {
    const batch: Batch = {
      tokens: Int32Array.from(tokens),
      cuSeqlens: Int32Array.of(0, tokens.length),
      lossMask: mask,
    };
    rows.push(await model.logprobs(batch, adapter, signal === undefined ? {} : { signal }));
  }
  return rows;
}

export interface Served {
  readonly modelPath: string;
  /** GGUF LoRA file */
  readonly adapterPath?: string | undefined;
  readonly kvCacheType: 'F16' | 'F32';
  /** llama.cpp's GPU back end, as the sampler uses it; default false */
  readonly gpu?: boolean | 'auto';
  readonly threads?: number;
  /** Sums over the vocabulary in fp32: fast, and near enough to be held against anything but the exact tolerance. */
  readonly quick?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** As engineLogprobs, from llama.cpp. */
export async function servedLogprobs(served: Served, sequences: readonly ProbeLike[]): Promise<Float64Array[]> {
  const probes = sequences.map(probeOf);
  const contextSize = Math.max(...probes.map(({ tokens }) => tokens.length)) + 1;
  const { signal, quick = false } = served;
  const generator = await openLlamaCpp({ ...served, contextSize });
  try {
    const rows: Float64Array[] = [];
    for (const { tokens, mask } of probes) rows.push(await generator.logprobs(tokens, signal, { mask, quick }));
    return rows;
  } finally {
    await generator.dispose();
  }
}

/** The sampler as it is configured: where it computes, and on how many threads. */
export function samplerOf({ inference, model }: Config): Pick<Served, 'gpu' | 'threads'> {
  return { gpu: inference.gpu, threads: model.threads };
}
