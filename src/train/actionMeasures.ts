/**
 * What a policy would choose, read from its own distribution over the actions in stored states and not from actions that it
 * took: so no token has to be generated for it (docs/metrics.md, The policy's choices).
 */
import type { Decision } from '../trajectory/decision.js';
import type { Score } from '../trajectory/trajectory.js';
import { entropyOf, klOf } from './improve.js';

export interface ActionMeasures {
  /** S, the states */
  readonly decisions: number;
  /** Entropy in bits of the mean over the states of p(a | s): how evenly the actions are used over all of them */
  readonly entropyBits: number;
  /** Mean over the states of the entropy in bits of p(a | s) */
  readonly stateEntropyBits: number;
  /** Mean probability of a lowest-scored viable action, over the states that have a viable one; null: none has */
  readonly rarestViable: number | null;
  /** Mean probability of the actions scored below τ */
  readonly belowTau: number;
}

/** `logprobs`: (S, K) log p(a | s) of the states of `decisions`. */
export function measureActions(
  decisions: readonly Decision[],
  logprobs: readonly Float64Array[],
  tau: number,
): ActionMeasures {
  const policies = logprobs.map((state) => state.map(Math.exp));
  const average = new Float64Array(policies[0]?.length ?? 0).map((_, action) => mean(policies.map((p) => p[action]!)));
  const bits = (nats: number) => nats / Math.LN2;
  const shares = decisions.map(({ scores }, s) => measureState(scores, policies[s]!, tau));
  const rarest = shares.flatMap(({ rarestViable }) => (rarestViable === null ? [] : [rarestViable]));
  return {
    decisions: decisions.length,
    entropyBits: bits(entropyOf(average.map(Math.log))),
    stateEntropyBits: bits(mean(logprobs.map(entropyOf))),
    rarestViable: rarest.length === 0 ? null : mean(rarest),
    belowTau: mean(shares.map(({ belowTau }) => belowTau)),
  };
}

/**
 * Of one state with (K) scores, under (K) probabilities: that of the actions scored below τ, and of those that share the
 * lowest viable score, null where nothing is viable.
 */
export function measureState(
  scores: readonly Score[],
  policy: Float64Array,
  tau: number,
): Pick<ActionMeasures, 'belowTau' | 'rarestViable'> {
  const viable = scores.filter((score) => score !== null && score >= tau);
  const lowest = Math.min(...(viable as number[]));
  return {
    belowTau: massWhere(policy, scores, (score) => score < tau),
    rarestViable: viable.length === 0 ? null : massWhere(policy, scores, (score) => score === lowest),
  };
}

/** Mean probability of one action over the states. */
export function meanShare(logprobs: readonly Float64Array[], action: number): number {
  return mean(logprobs.map((state) => Math.exp(state[action]!)));
}

/** Mean KL(p ‖ reference) over the states, in nats. */
export function meanKl(p: readonly Float64Array[], reference: readonly Float64Array[]): number {
  return mean(p.map((state, s) => klOf(state, reference[s]!)));
}

function massWhere(policy: Float64Array, scores: readonly Score[], wanted: (score: number) => boolean): number {
  return policy.reduce((sum, p, action) => {
    const score = scores[action]!;
    return score !== null && wanted(score) ? sum + p : sum;
  }, 0);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}
