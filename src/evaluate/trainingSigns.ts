/**
 * Failure signs that the rows of a training show, asked after every row: each returns what it sees, or null. `signs.ts` has
 * the table. "Late" are the last quarter of the optimizer steps and at least LATE: single batches are noise.
 */
import { mean } from 'simple-statistics';
import { percent } from '../units.js';
import type { Thresholds } from './signLimits.js';
import type { TrainingHistory, TrainingRow } from './trainingHistory.js';

/** Fewest steps of which a mean is judged. */
const LATE = 8;
/** The epoch from which on the critic is to have learned something. */
const CRITIC_EPOCHS = 3;

/** A number that is no number: of this row, or in the engine, which says so and ends the training. */
export function notFinite({ row }: TrainingHistory): string | null {
  if (row.event === 'not_finite') return String(row.message);
  for (const [name, value] of Object.entries(row)) {
    const broken = typeof value === 'number' ? !Number.isFinite(value) : /^[+-]?(nan|inf(inity)?)$/i.test(value);
    if (broken) return `${name} is ${value}`;
  }
  return null;
}

/** By the measure that ends epochs; rows of an older version have k3 alone. */
export function klPastTarget(history: TrainingHistory, limits: Thresholds): string | null {
  const { epoch, epochName } = history;
  const name = epoch.some((row) => typeof row.k2Bounded === 'number') ? 'k2Bounded' : 'k3';
  const steps = epoch.filter((row) => typeof row[name] === 'number');
  const target = targetOf(history, limits);
  const kl = steps.length === 0 ? 0 : weightedMean(steps, name);
  return kl > target ? `mean KL (${name}) is ${kl.toFixed(3)} in ${epochName}, past the target ${target}` : null;
}

/** The target ends epochs, and every epoch takes one step all the same: what goes on from there is held by nothing. */
export function klRunaway(history: TrainingHistory, limits: Thresholds): string | null {
  const kl = late(history.column('k2Bounded'));
  const most = limits.klRunaway * targetOf(history, limits);
  if (kl === null || kl <= most) return null;
  return `mean KL (k2Bounded) of the late steps is ${kl.toFixed(3)}, past ${most.toFixed(3)}, ${limits.klRunaway} times the target`;
}

export function clipFractionHigh(history: TrainingHistory, { clipFraction }: Thresholds): string | null {
  const clipped = late(history.column('clipFraction'));
  if (clipped === null || clipped <= clipFraction) return null;
  return `${percent(clipped)} of the ratios are clipped in the late steps (limit ${percent(clipFraction)}), so most updates are thrown away`;
}

/**
 * Compares whole epochs, which have the same data: a step that is not coherent is rare and its loss large, so that the mean of
 * even 13 batches rose by a third in a training whose critic learned well.
 */
export function criticFlat(history: TrainingHistory, { criticKept }: Thresholds): string | null {
  const { epoch, firstPass, epochs } = history;
  const whole = epoch.length === firstPass.length && epoch.length >= LATE;
  if (!whole || epochs < CRITIC_EPOCHS || typeof history.row.valueLoss !== 'number') return null;
  const [first, now] = [weightedMean(firstPass, 'valueLoss'), weightedMean(epoch, 'valueLoss')];
  // A critic that is right from the start has nothing to learn.
  if (first < 1e-6 || !(now >= criticKept * first)) return null;
  return `the critic's loss went from ${first.toPrecision(3)} in the first epoch to ${now.toPrecision(3)}: it does not learn the returns`;
}

export function judgeMissing(history: TrainingHistory, limits: Thresholds): string | null {
  const { stepsWithoutVerdict: missing, steps } = history.event('rewards')?.latest ?? {};
  if (typeof missing !== 'number' || typeof steps !== 'number') return null;
  const all = missing + steps;
  if (all === 0 || missing / all <= limits.judgeMissing) return null;
  return (
    `${missing} of ${all} steps (${percent(missing / all)}) have no verdict of the judge (limit ` +
    `${percent(limits.judgeMissing)}) and carry no reward`
  );
}

export function thinkTakesOver(history: TrainingHistory, limits: Thresholds): string | null {
  const think = sinceStart(history, 'thinkShare');
  if (think === null || think.now < limits.thinkShare || think.now - think.then < limits.thinkRise) return null;
  return `the policy gives think ${percent(think.now)}, ${percent(think.then)} at the start: tools are being given up`;
}

export function policyCollapse(history: TrainingHistory, { entropyKept }: Thresholds): string | null {
  const bits = sinceStart(history, 'entropyBits');
  if (bits === null || bits.now >= entropyKept * bits.then) return null;
  return `the policy's entropy over the actions is ${bits.now.toFixed(2)} bits, ${bits.then.toFixed(2)} at the start: it settles on few actions`;
}

/** What a reward for diversity is hacked by: actions that are rare because they are bad. */
export function badActionsRising(history: TrainingHistory, { belowTauRise }: Thresholds): string | null {
  const bad = sinceStart(history, 'belowTau');
  const bits = sinceStart(history, 'entropyBits');
  if (bad === null || bits === null || bad.now - bad.then < belowTauRise) return null;
  return (
    `the policy gives actions below τ ${percent(bad.now)}, ${percent(bad.then)} at the start, at an entropy of ` +
    `${bits.now.toFixed(2)} bits, ${bits.then.toFixed(2)} then`
  );
}

/** A column of the policy's own distribution: before the first step, and when it was read last. */
function sinceStart(history: TrainingHistory, column: string): { then: number; now: number } | null {
  const policy = history.event('policy');
  const [then, now] = [policy?.first[column], policy?.latest[column]];
  return typeof then === 'number' && typeof now === 'number' ? { then, now } : null;
}

function targetOf(history: TrainingHistory, { targetKl }: Thresholds): number {
  const own = history.event('start')?.latest.targetKl;
  return typeof own === 'number' ? own : targetKl;
}

/** Mean over tokens: a row counts as often as it has tokens, a row that does not say how many counts once. */
function weightedMean(rows: readonly TrainingRow[], name: string): number {
  const weight = (row: TrainingRow) => (typeof row.tokens === 'number' ? row.tokens : 1);
  const total = rows.reduce((sum, row) => sum + weight(row), 0);
  return rows.reduce((sum, row) => sum + weight(row) * (row[name] as number), 0) / total;
}

/** Mean of the late values; null while there are too few. */
function late(values: readonly number[]): number | null {
  return values.length < LATE ? null : mean(values.slice(-Math.max(LATE, Math.ceil(values.length / 4))));
}
