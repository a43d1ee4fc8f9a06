/** The same tokens scored by our engine and by llama.cpp. */
import type { Adapter, Batch, Model } from '../../engine/types.js';
import { openLlamaCpp } from '../../inference/llamaCpp.js';

export type Sequences = readonly (readonly number[])[];

/** (n) log-probs for each sequence of n tokens; entry 0 is 0. One sequence a pass: parity wants no batch effects. */
export async function engineLogprobs(
  model: Model,
  adapter: Adapter | null,
  sequences: Sequences,
  signal?: AbortSignal,
): Promise<Float32Array[]> {
  const rows: Float32Array[] = [];
  for (const tokens of sequences) {
    const batch: Batch = {
      tokens: Int32Array.from(tokens),
      cuSeqlens: Int32Array.of(0, tokens.length),
      lossMask: new Uint8Array(tokens.length).fill(1, 1),
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
  readonly signal?: AbortSignal | undefined;
}

/** As engineLogprobs, from llama.cpp. */
export async function servedLogprobs(served: Served, sequences: Sequences): Promise<Float64Array[]> {
  const contextSize = Math.max(...sequences.map((tokens) => tokens.length)) + 1;
  const generator = await openLlamaCpp({ ...served, contextSize });
  try {
    const rows: Float64Array[] = [];
    for (const tokens of sequences) rows.push(await generator.scoreTokens(tokens, served.signal));
    return rows;
  } finally {
    await generator.dispose();
  }
}
