/**
 * How far llama.cpp's log-probs may be from ours on the file it serves, and the likely cause when they are farther.
 *
 * We compute exactly on the file's weights (with compute f32). llama.cpp rounds the key/value cache to F16 by default and
 * activations to the type of the file's weights: to F16, to BF16, to 8 bits for quantised ones. Mean |Δ log-prob| in
 * nats over the test fixtures (random weights) and the shipped model:
 *
 *   type of the file            F32      F16            BF16     Q8_0    Q4_0    K types
 *   F32 cache                   8e-7     5e-4 … 7e-4    4.5e-3   0.015   0.014   0.020 … 0.023
 *   F16 cache                   1.2e-3   1.5e-3         4.6e-3   0.015   0.015   0.021
 *
 * A real small model makes more of it. SmolLM2-135M-Instruct, 56 tokens of prose, F32 cache: Q8_0 0.07; Q4_0, Q4_1, Q2_K
 * and IQ4_XS 0.08; Q4_K_M and Q5_K_M 0.09; Q3_K_M 0.11, IQ3_S 0.12; where llama.cpp on the same weights in F32 is 9e-6 off.
 *
 * With an F16 cache sums are in F16 too, so the difference grows with the length of the context: 0.016 after prompts of
 * about a thousand tokens (a random F16 model with Llama 3.1's tokenizer). The defaults are at least three times the worst
 * of the table. A wrong scale, a matrix left out or another template makes a difference of tenths of a nat or more.
 */
import type { ModelInfo } from '../engine/types.js';

export const EXACT_WORST = 2e-4;

const UNQUANTISED: ReadonlySet<string> = new Set(['F32', 'F16', 'BF16']);
/** `bf16` is for a BF16 file, `bf16Products` for compute bf16 (0.015 measured on an F32 file of width 48). */
const DEFAULT_MEAN = { plain: 0.01, bf16: 0.03, bf16Products: 0.05, f16Cache: 0.05, quantised: 0.1 } as const;

export function isQuantised(info: ModelInfo): boolean {
  return Object.keys(info.tensorTypes).some((type) => !UNQUANTISED.has(type));
}

/** Highest mean |Δ log-prob| in nats: what the user set, else a default by file type, compute type and cache type. */
export function meanTolerance(info: ModelInfo, set: number | null, kvCacheType: 'F16' | 'F32' = 'F32'): number {
  if (set !== null) return set;
  if (isQuantised(info)) return DEFAULT_MEAN.quantised;
  if (info.compute === 'bf16') return DEFAULT_MEAN.bf16Products;
  if (kvCacheType === 'F16') return DEFAULT_MEAN.f16Cache;
  return 'BF16' in info.tensorTypes ? DEFAULT_MEAN.bf16 : DEFAULT_MEAN.plain;
}

/** The types of the file's matrices, most frequent first: `Q4_K + Q6_K`. Norms, always F32, are left out. */
export function weightTypes(info: ModelInfo): string {
  const types = Object.entries(info.tensorTypes).sort((a, b) => b[1] - a[1]);
  const matrices = types.filter(([type]) => type !== 'F32' || types.length === 1);
  return matrices.map(([type]) => type).join(' + ');
}

export interface Evidence {
  readonly info: ModelInfo;
  readonly kvCacheType: 'F16' | 'F32';
  /** The mean |Δ| that is too large. */
  readonly mean: number;
  /** Mean |Δ| with an F32 cache; null when it was not measured. */
  readonly meanWithF32Cache: number | null;
  readonly tolerance: number;
}

/** The likeliest cause of a difference past the tolerance on the served file, and what to do. */
export function likelyCause({ info, kvCacheType, mean, meanWithF32Cache, tolerance }: Evidence): string {
  if (kvCacheType === 'F16' && meanWithF32Cache !== null) {
    if (meanWithF32Cache <= tolerance) {
      return 'the F16 key/value cache (with F32 it is within the tolerance): set inference.kvCacheType=F32';
    }
    if (meanWithF32Cache < mean / 2) {
      return (
        `the F16 key/value cache has the larger part (with F32 the mean is ${meanWithF32Cache.toExponential(1)}): ` +
        'set inference.kvCacheType=F32, and parity.tolerance to what you accept'
      );
    }
  }
  const accept = 'or set parity.tolerance to what you accept';
  const ours = info.compute === 'bf16' ? '; our own products run in bf16, too (--compute f32)' : '';
  if (isQuantised(info)) {
    return (
      `quantisation: for ${weightTypes(info)} llama.cpp rounds activations to 8 bits, and we do not${ours}; ` +
      `use an F16, BF16 or F32 file, ${accept}`
    );
  }
  if (info.compute === 'bf16') return `our products run in bf16: use --compute f32, ${accept}`;
  const types = weightTypes(info);
  const rounded = types !== 'F32' && mean <= meanTolerance(info, null);
  if (rounded) return `rounding: for ${types} llama.cpp rounds activations to that type; use an F32 file, ${accept}`;
  if (mean <= EXACT_WORST) return 'the order of sums in fp32: no two programs agree closer; raise parity.tolerance';
  return (
    'none of the known ones (cache type, quantisation, rounding): weights or arithmetic differ; ' +
    'run spark-rl verify parity for the whole table and report it'
  );
}
