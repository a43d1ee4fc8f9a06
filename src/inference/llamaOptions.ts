/**
 * The options of `openLlamaCpp`, in a file that knows nothing of node-llama-cpp: they are public, and that package's own types
 * do not pass a compiler that looks into those of packages (`skipLibCheck: false`).
 */
import type { KeysOf } from '../options.js';

export interface LlamaCppOptions {
  readonly modelPath: string;
  /** GGUF LoRA file. The library caches adapters by path, so a changed adapter needs another path. */
  readonly adapterPath?: string | undefined;
  /** Sequences evaluated at the same time, default 1. Each has a cache of its own. */
  readonly sequences?: number;
  /**
   * Sequences open at the same time, at least `sequences`, which is the default. One beyond them has the place of one whose
   * caller is busy elsewhere, and is evaluated anew when it has lost its own.
   */
  readonly inFlight?: number;
  /**
   * Every sequence is evaluated alone and from its first token, so that tokens and probabilities are the same to the bit
   * whatever else is open, on one machine with the same settings. Slower: nothing is batched or reused. Default false.
   */
  readonly deterministic?: boolean;
  /** Tokens a sequence can hold; default what the model was trained for, at most 4096. */
  readonly contextSize?: number;
  /** Processor threads of all contexts together; 0 or absent: one for each core that this process may use. */
  readonly threads?: number;
  /** llama.cpp's GPU back end; `true`: refuse to run without one; `auto`: use one if there is one. Default false. */
  readonly gpu?: boolean | 'auto';
  /** F32 makes log-probs comparable with exact arithmetic to about 3e-5; the default F16 to about 1e-3. */
  readonly kvCacheType?: 'F16' | 'F32';
  readonly signal?: AbortSignal | undefined;
}

export const LLAMA_CPP_OPTIONS = {
  modelPath: true,
  adapterPath: true,
  sequences: true,
  inFlight: true,
  deterministic: true,
  contextSize: true,
  threads: true,
  gpu: true,
  kvCacheType: true,
  signal: true,
} as const satisfies KeysOf<LlamaCppOptions>;
