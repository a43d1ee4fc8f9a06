/** Where the failure signs begin (docs/metrics.md, Failure signs). Each is a setting: `watch.limits.<name>`. */
import { z } from 'zod';

const share = z.number().min(0).max(1);
const positive = z.number().positive();

export const signLimits = z.strictObject({
  /** `kl_runaway`: times the target KL */
  klRunaway: z.number().min(1).default(3),
  /** `clip_fraction_high`: mean clip fraction of the late steps */
  clipFraction: share.default(0.3),
  /** `critic_flat`: the critic's loss of an epoch is to be below this fraction of the first epoch's */
  criticKept: positive.default(0.95),
  /** `judge_missing`: share of steps without a reward */
  judgeMissing: share.default(0.05),
  /** `think_share_rising`: share of `think` from here on … */
  thinkShare: share.default(0.5),
  /** … and that much more than before */
  thinkRise: share.default(0.1),
  /** `entropy_collapse`: entropy is to be this fraction or more of what it was */
  entropyKept: share.default(0.5),
  /** `bad_actions_rising`: what the probability below τ has risen by */
  belowTauRise: share.default(0.1),
  /** `diversity_up_accuracy_down`: bits that count as a rise of entropy … */
  entropyRise: z.number().min(0).default(0.2),
  /** … and standard errors that count as a fall of accuracy (one-sided 95 %) */
  fallInErrors: z.number().min(0).default(1.645),
});

export type SignLimits = z.infer<typeof signLimits>;

/** With the target KL, which is a setting of PPO. */
export interface Thresholds extends SignLimits {
  /** Mean bounded k2 of an epoch (docs/algorithm.md, Target KL); a training that says another one goes by its own. */
  readonly targetKl: number;
}

export const THRESHOLDS: Thresholds = { targetKl: 0.2, ...signLimits.parse({}) };
