/** Advantages of the steps of an iteration (docs/algorithm.md, Losses). */
import { SparkError } from '../errors.js';
import type { Sample } from '../trajectory/sample.js';

export interface AdvantageSettings {
  readonly baseline: 'value' | 'judged';
  readonly whiten: boolean;
}

/**
 * (T) for each sample: A_t = R_t − V(s_t), whitened over all steps of all samples if `whiten`. V is the critic's V_old, or
 * with `baseline: judged` Σ_a p_old(a | s) r(s, a): then `policies` has log p_old by sample and state.
 */
export function advantagesOf(
  samples: readonly Sample[],
  values: readonly Float32Array[],
  policies: readonly (readonly Float64Array[])[] | null,
  { baseline, whiten }: AdvantageSettings,
): Float32Array[] {
  const advantages = samples.map((sample, index) =>
    baseline === 'judged'
      ? sample.returns.map((_, row) => judgedAdvantage(sample, row, policies![index]!))
      : sample.returns.map((r, row) => r - values[index]![row]!),
  );
  if (!whiten) return advantages;
  const all = advantages.flatMap((array) => [...array]);
  const mean = all.reduce((sum, a) => sum + a, 0) / all.length;
  const deviation = Math.sqrt(all.reduce((sum, a) => sum + (a - mean) ** 2, 0) / all.length);
  return advantages.map((array) => array.map((a) => (a - mean) / (deviation + 1e-8)));
}

/**
 * What the action taken brings over what the policy would have done: r(s, a_t) + coherence − Σ_a p_old r(s, a), the sum over
 * the actions with a score. For a viable action the first two are R_t; one below τ, a fallback, is measured as r measures
 * the others.
 */
function judgedAdvantage(sample: Sample, row: number, policies: readonly Float64Array[]): number {
  const at = sample.decisions?.states.findIndex((decision) => decision.row === row) ?? -1;
  const decision = sample.decisions?.states[at];
  const taken = decision?.rewards[decision.taken] ?? null;
  if (decision === undefined || taken === null) {
    throw new SparkError(
      'no_data',
      `ppo.baseline: judged wants the judge's score of every action that was taken, and step ${sample.rewardedSteps[row]} of ` +
        `${sample.id} has none; set ppo.baseline: value, or leave that trajectory out`,
    );
  }
  let [mass, expected] = [0, 0];
  decision.rewards.forEach((reward, action) => {
    if (reward === null) return;
    const p = Math.exp(policies[at]![action]!);
    mass += p;
    expected += p * reward;
  });
  return taken + sample.rewards[row]!.coherence - expected / mass;
}
