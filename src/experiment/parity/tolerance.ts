/**
 * How far llama.cpp may be from us on the file it serves, and what it means when it is farther.
 *
 * We compute exactly on the file's weights (with compute f32). llama.cpp rounds the key/value cache to F16 by default (about 1e-3 nats a
 * token), rounds activations to bf16 for BF16 files and to 8 bits for quantised ones (a few hundredths on small models).
 */
import type { ModelInfo } from '../../engine/types.js';

export const EXACT_WORST = 2e-4;

const UNQUANTISED: ReadonlySet<string> = new Set(['F32', 'F16', 'BF16']);
const DEFAULT_MEAN = { plain: 0.01, bf16: 0.05, quantised: 0.1 } as const;

export function isQuantised(info: ModelInfo): boolean {
  return Object.keys(info.tensorTypes).some((type) => !UNQUANTISED.has(type));
}

/** Most mean |Δ log-prob| in nats: what the user set, else by the file's types. */
export function meanTolerance(info: ModelInfo, set: number | null): number {
  if (set !== null) return set;
  if (isQuantised(info)) return DEFAULT_MEAN.quantised;
  return info.compute === 'bf16' ? DEFAULT_MEAN.bf16 : DEFAULT_MEAN.plain;
}

/** The types of the file's matrices, most frequent first: `Q4_K + Q6_K`. Norms are always F32 and say nothing. */
export function weightTypes(info: ModelInfo): string {
  const types = Object.entries(info.tensorTypes).sort((a, b) => b[1] - a[1]);
  const matrices = types.filter(([type]) => type !== 'F32' || types.length === 1);
  return matrices.map(([type]) => type).join(' + ');
}

export interface Evidence {
  readonly info: ModelInfo;
  readonly kvCacheType: 'F16' | 'F32';
  /** Mean |Δ| with an F32 cache, where it was measured. */
  readonly meanWithF32Cache: number | null;
  readonly tolerance: number;
  /** The trajectories were written by a model with another content. */
  readonly otherGenerator: boolean;
}

/** The likeliest reason for a difference past the tolerance, with what to do. */
export function likelyCause(evidence: Evidence): string {
  const { info, kvCacheType, meanWithF32Cache, tolerance, otherGenerator } = evidence;
  if (kvCacheType === 'F16' && meanWithF32Cache !== null && meanWithF32Cache <= tolerance) {
    return 'the F16 key/value cache (with F32 it is within the tolerance): set inference.kvCacheType=F32';
  }
  if (otherGenerator) {
    return (
      'the trajectories were written by another model: its chat template and tokenizer need not be this one’s; ' +
      'generate again with this model'
    );
  }
  if (isQuantised(info)) {
    return (
      `quantisation: for ${weightTypes(info)} llama.cpp rounds activations to 8 bits, and we do not; ` +
      'use an F16, BF16 or F32 file, or set parity.tolerance to what you accept'
    );
  }
  if (info.compute === 'bf16') {
    return 'our products run in bf16: use --compute f32, or set parity.tolerance to what you accept';
  }
  return (
    'none of the known ones (chat template, cache type, quantisation): one of the two computes something else; ' +
    'run spark-rl verify parity for the whole table and report it'
  );
}
