/**
 * Failure signs (docs/metrics.md), each with a stable code and a threshold. They say what to look at; none of them
 * stops a run.
 */
import { checkKeys } from '../options.js';
import { percent } from '../units.js';
import { groupBy } from './accuracy.js';
import type { StageEvaluation } from './summary.js';

/** One row of metrics.jsonl, where a number that is not finite is the word `NaN` or `Infinity`. */
export type TrainingRow = Readonly<Record<string, number | string>>;

export interface StageResult {
  readonly name: string;
  readonly evaluation: StageEvaluation;
}

export interface StageTraining {
  readonly stage: string;
  readonly rows: readonly TrainingRow[];
}

export type WarningCode =
  | 'kl_past_target'
  | 'think_share_rising'
  | 'entropy_collapse'
  | 'diversity_up_accuracy_down'
  | 'critic_flat'
  | 'not_finite'
  | 'judge_missing'
  | 'clip_fraction_high';

export interface Warning {
  readonly code: WarningCode;
  readonly message: string;
  readonly stage: string;
}

export interface Thresholds {
  /** Mean bounded k2 of an epoch (docs/algorithm.md, Target KL). */
  readonly targetKl: number;
  /** Warn when the share of `think` is at least this … */
  readonly thinkShare: number;
  /** … and has risen at least this much since the stage before. */
  readonly thinkRise: number;
  /** Warn when entropy is below this fraction of the highest entropy of the earlier stages. */
  readonly entropyKept: number;
  /** Bits that entropy must have risen to count as risen. */
  readonly entropyRise: number;
  /** Standard errors that an accuracy must have fallen to count as fallen (one-sided 95 %). */
  readonly fallInErrors: number;
  /** Warn unless the mean loss of the last quarter is below this fraction of that of the first quarter. */
  readonly criticKept: number;
  /** With fewer steps than this the critic is not judged. */
  readonly criticSteps: number;
  /** Share of steps without a verdict of the judge. */
  readonly judgeMissing: number;
  /** Mean clip fraction over the last quarter of the steps. */
  readonly clipFraction: number;
}

export const THRESHOLDS: Thresholds = {
  targetKl: 0.2,
  thinkShare: 0.5,
  thinkRise: 0.1,
  entropyKept: 0.5,
  entropyRise: 0.2,
  fallInErrors: 1.645,
  criticKept: 0.95,
  criticSteps: 8,
  judgeMissing: 0.05,
  clipFraction: 0.3,
};

/** `stages` in the order of the ladder: each is compared with those before it. */
export function findWarnings(
  stages: readonly StageResult[],
  training: readonly StageTraining[],
  thresholds: Partial<Thresholds> = {},
): Warning[] {
  checkKeys(thresholds, THRESHOLDS, 'findWarnings: thresholds');
  const limits = { ...THRESHOLDS, ...thresholds };
  const ofTraining = training.flatMap(({ stage, rows }) =>
    [notFinite, klPastTarget, clipFractionHigh, criticFlat, judgeMissing].flatMap((check) => {
      const found = check(rows, limits);
      return found === null ? [] : [{ ...found, stage }];
    }),
  );
  // A stage without any action (base, tools off) has no entropy to compare.
  const acting = stages.filter(({ evaluation }) => evaluation.effectiveActions > 0);
  const ofStages = acting.flatMap((stage, index) =>
    [thinkShareRising, entropyCollapse, diversityUpAccuracyDown].flatMap((check) => {
      const found = index === 0 ? null : check(stage, acting.slice(0, index), limits);
      return found === null ? [] : [{ ...found, stage: stage.name }];
    }),
  );
  return [...ofTraining, ...ofStages];
}

type Found = Omit<Warning, 'stage'> | null;

function notFinite(rows: readonly TrainingRow[]): Found {
  for (const row of rows) {
    for (const [name, value] of Object.entries(row)) {
      const broken = typeof value === 'number' ? !Number.isFinite(value) : /^[+-]?(nan|inf(inity)?)$/i.test(value);
      if (!broken) continue;
      const where = row.step === undefined ? '' : ` at step ${row.step}`;
      return { code: 'not_finite', message: `${name} is ${value}${where}: lower the learning rate or maxGradNorm` };
    }
  }
  return null;
}

/** By the measure that ends epochs; rows of an older version have k3 alone. */
function klPastTarget(rows: readonly TrainingRow[], { targetKl }: Thresholds): Found {
  const name = rows.some((row) => typeof row.k2Bounded === 'number') ? 'k2Bounded' : 'k3';
  const steps = rows.filter((row) => typeof row[name] === 'number');
  const epochs = groupBy(steps, (row) => `iteration ${row.iteration ?? 0}, epoch ${row.epoch ?? 0}`);
  const means = [...epochs].map(([epoch, group]) => ({ epoch, kl: weightedMean(group, name) }));
  const worst = means.reduce((a, b) => (b.kl > a.kl ? b : a), { epoch: '', kl: Number.NEGATIVE_INFINITY });
  if (worst.kl <= targetKl) return null;
  return {
    code: 'kl_past_target',
    message:
      `mean KL (${name}) reached ${worst.kl.toFixed(3)} in ${worst.epoch}, past the target ${targetKl}: the policy is far from ` +
      'its reference; lower the learning rate or raise klCoefficient',
  };
}

function clipFractionHigh(rows: readonly TrainingRow[], { clipFraction }: Thresholds): Found {
  const values = numbers(rows, 'clipFraction');
  const late = mean(lastQuarter(values));
  if (values.length === 0 || late <= clipFraction) return null;
  return {
    code: 'clip_fraction_high',
    message:
      `${percent(late)} of the ratios are clipped over the last quarter of the steps (limit ${percent(clipFraction)}): most ` +
      'updates are thrown away; lower the learning rate or take fewer epochs',
  };
}

function criticFlat(rows: readonly TrainingRow[], { criticKept, criticSteps }: Thresholds): Found {
  const values = numbers(rows, 'valueLoss');
  if (values.length < criticSteps) return null;
  const first = mean(values.slice(0, Math.ceil(values.length / 4)));
  const late = mean(lastQuarter(values));
  // A critic that is right from the start has nothing to learn.
  if (first < 1e-6 || late < criticKept * first) return null;
  return {
    code: 'critic_flat',
    message:
      `the critic's loss went from ${first.toPrecision(3)} to ${late.toPrecision(3)} (first and last quarter): it does not ` +
      'learn the returns; raise criticLearningRate or look at the rewards',
  };
}

function judgeMissing(rows: readonly TrainingRow[], limits: Thresholds): Found {
  const row = rows.find((one) => typeof one.stepsWithoutVerdict === 'number' && typeof one.steps === 'number');
  if (row === undefined) return null;
  const missing = row.stepsWithoutVerdict as number;
  const all = missing + (row.steps as number);
  if (all === 0 || missing / all <= limits.judgeMissing) return null;
  return {
    code: 'judge_missing',
    message:
      `${missing} of ${all} steps (${percent(missing / all)}) have no verdict of the judge (limit ` +
      `${percent(limits.judgeMissing)}): they carry no reward; look at the judge's errors and its budget`,
  };
}

type Stages = readonly StageResult[];

function thinkShareRising(stage: StageResult, earlier: Stages, { thinkShare, thinkRise }: Thresholds): Found {
  const before = earlier.at(-1)!;
  const share = stage.evaluation.thinkShare;
  const rise = share - before.evaluation.thinkShare;
  if (share < thinkShare || rise < thinkRise) return null;
  return {
    code: 'think_share_rising',
    message:
      `think takes ${percent(share)} of the steps, ${percent(before.evaluation.thinkShare)} at ${before.name}: tools are being ` +
      'given up; lower τ, or look at tool errors',
  };
}

function entropyCollapse(stage: StageResult, earlier: Stages, { entropyKept }: Thresholds): Found {
  const highest = earlier.reduce((a, b) => (b.evaluation.entropyBits > a.evaluation.entropyBits ? b : a));
  const { entropyBits } = stage.evaluation;
  if (entropyBits >= entropyKept * highest.evaluation.entropyBits) return null;
  return {
    code: 'entropy_collapse',
    message:
      `action entropy is ${entropyBits.toFixed(2)} bits, ${highest.evaluation.entropyBits.toFixed(2)} at ${highest.name}: the ` +
      'model settles on few actions; raise ρ or klCoefficient, or train shorter',
  };
}

function diversityUpAccuracyDown(stage: StageResult, earlier: Stages, limits: Thresholds): Found {
  const before = earlier.at(-1)!;
  const [now, then] = [stage.evaluation, before.evaluation];
  if (now.entropyBits - then.entropyBits < limits.entropyRise) return null;
  const error = Math.sqrt(variance(now) + variance(then));
  if (then.accuracy - now.accuracy <= limits.fallInErrors * error) return null;
  return {
    code: 'diversity_up_accuracy_down',
    message:
      `entropy rose from ${then.entropyBits.toFixed(2)} to ${now.entropyBits.toFixed(2)} bits while accuracy fell from ` +
      `${percent(then.accuracy)} to ${percent(now.accuracy)} (since ${before.name}): ρ is too high or τ too low; lower ρ or raise τ`,
  };
}

/** Variance of the accuracy; (x + 1) / (n + 2) keeps it above zero when all or none are right. */
function variance({ correct, questions }: StageEvaluation): number {
  const p = (correct + 1) / (questions + 2);
  return (p * (1 - p)) / (questions + 2);
}

function numbers(rows: readonly TrainingRow[], name: string): number[] {
  return rows
    .map((row) => row[name])
    .filter((value) => typeof value === 'number' && Number.isFinite(value)) as number[];
}

/** Mean over tokens: a row counts as often as it has tokens, a row that does not say how many counts once. */
function weightedMean(rows: readonly TrainingRow[], name: string): number {
  const weight = (row: TrainingRow) => (typeof row.tokens === 'number' ? row.tokens : 1);
  const total = rows.reduce((sum, row) => sum + weight(row), 0);
  return rows.reduce((sum, row) => sum + weight(row) * (row[name] as number), 0) / total;
}

function lastQuarter(values: readonly number[]): number[] {
  return values.slice(-Math.ceil(values.length / 4));
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}
