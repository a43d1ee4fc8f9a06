/** Failure signs that an evaluation shows beside those before it: each returns what it sees, or null. `signs.ts` has the table. */
import { percent } from '../units.js';
import type { Thresholds } from './signLimits.js';
import type { StageEvaluation } from './summary.js';

export interface StageResult {
  readonly name: string;
  readonly evaluation: StageEvaluation;
}

/** At least one. */
type Stages = readonly StageResult[];

export function thinkShareRising(stage: StageResult, earlier: Stages, limits: Thresholds): string | null {
  const before = earlier.at(-1)!;
  const share = stage.evaluation.thinkShare;
  if (share < limits.thinkShare || share - before.evaluation.thinkShare < limits.thinkRise) return null;
  return (
    `think takes ${percent(share)} of the steps, ${percent(before.evaluation.thinkShare)} at ${before.name}: tools are being ` +
    'given up'
  );
}

export function entropyCollapse(stage: StageResult, earlier: Stages, { entropyKept }: Thresholds): string | null {
  const highest = earlier.reduce((a, b) => (b.evaluation.entropyBits > a.evaluation.entropyBits ? b : a));
  const { entropyBits } = stage.evaluation;
  if (entropyBits >= entropyKept * highest.evaluation.entropyBits) return null;
  return (
    `action entropy is ${entropyBits.toFixed(2)} bits, ${highest.evaluation.entropyBits.toFixed(2)} at ${highest.name}: the ` +
    'model settles on few actions'
  );
}

export function diversityUpAccuracyDown(stage: StageResult, earlier: Stages, limits: Thresholds): string | null {
  const before = earlier.at(-1)!;
  const [now, then] = [stage.evaluation, before.evaluation];
  if (now.entropyBits - then.entropyBits < limits.entropyRise) return null;
  const error = Math.sqrt(variance(now) + variance(then));
  if (then.accuracy - now.accuracy <= limits.fallInErrors * error) return null;
  return (
    `entropy rose from ${then.entropyBits.toFixed(2)} to ${now.entropyBits.toFixed(2)} bits while accuracy fell from ` +
    `${percent(then.accuracy)} to ${percent(now.accuracy)} (since ${before.name}): ρ is too high or τ too low`
  );
}

/** Variance of the accuracy; (x + 1) / (n + 2) keeps it above zero when all or none are right. */
function variance({ correct, questions }: StageEvaluation): number {
  const p = (correct + 1) / (questions + 2);
  return (p * (1 - p)) / (questions + 2);
}
