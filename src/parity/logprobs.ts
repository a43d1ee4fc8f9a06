/** Log-probs of the same tokens by our engine and by llama.cpp. */
import { signalOf } from '../abortable.js';
import type { Config } from '../config/index.js';
import type { Batch } from '../engine/batch.js';
import type { Adapter, Model } from '../engine/types.js';
import { scoreTokens } from '../inference/llamaCpp.js';

/** A token sequence and which of its tokens are compared. */
export interface Probe {
  readonly tokens: readonly number[];
  /** (n) 1 where the token is compared; entry 0 is 0, because the first token has no log-prob */
  readonly mask: Uint8Array;
}

export type Sequences = readonly (readonly number[])[];

/** A plain list of ids stands for a probe that compares all of them. */
export type ProbeLike = Probe | readonly number[];

export function probeOf(given: ProbeLike): Probe {
  if ('mask' in given) return given;
  return { tokens: given, mask: new Uint8Array(given.length).fill(1, 1) };
}

/**
 * (n) log-probs for each sequence of n tokens, 0 where the mask is 0. One sequence a pass, so that batching has no
 * effect.
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
    rows.push(await model.logprobs(batch, adapter, signalOf({ signal })));
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
  /** Sum over the vocabulary in fp32: fast, and accurate enough for every tolerance but the exact one. */
  readonly quick?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** As `engineLogprobs`, but computed by llama.cpp. */
export async function servedLogprobs(served: Served, sequences: readonly ProbeLike[]): Promise<Float64Array[]> {
  const probes = sequences.map(probeOf);
  const contextSize = Math.max(...probes.map(({ tokens }) => tokens.length)) + 1;
  const { quick = false, ...options } = served;
  return scoreTokens({ ...options, contextSize }, probes, quick);
}

/** Where the configured generator computes, and on how many threads. */
export function samplerOf({ inference, model }: Config): Pick<Served, 'gpu' | 'threads'> {
  return { gpu: inference.gpu, threads: model.threads };
}
