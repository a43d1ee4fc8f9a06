/** The failure signs of a run, from what it has written (docs/metrics.md, Failure signs): for the report and ladder.json. */
import { checkKeys } from '../options.js';
import { THRESHOLDS, type Thresholds } from './signLimits.js';
import { SIGN_CODES, SIGNS, type SignCode, type SignRules } from './signs.js';
import type { StageResult } from './stageSigns.js';
import type { TrainingRow } from './trainingHistory.js';
import { TrainingWatch } from './watch.js';

export type { Thresholds } from './signLimits.js';
export type { StageResult } from './stageSigns.js';
export type { TrainingRow } from './trainingHistory.js';
export type WarningCode = SignCode;

export interface StageTraining {
  readonly stage: string;
  readonly rows: readonly TrainingRow[];
}

export interface Warning {
  readonly code: WarningCode;
  readonly message: string;
  readonly stage: string;
  /** Of a training: optimizer steps done when it was seen first, and last. */
  readonly step?: number;
  readonly lastStep?: number;
}

/**
 * `stages` in the order of the ladder: each is compared with those before it. `rules`: signs whose rule is `off` are left
 * out.
 */
export function findWarnings(
  stages: readonly StageResult[],
  training: readonly StageTraining[],
  thresholds: Partial<Thresholds> = {},
  rules: Partial<SignRules> = {},
): Warning[] {
  checkKeys(thresholds, THRESHOLDS, 'findWarnings: thresholds');
  checkKeys(rules, SIGNS, 'findWarnings: rules');
  const limits = { ...THRESHOLDS, ...thresholds };
  const ofTraining = training.flatMap(({ stage, rows }) =>
    trainingSigns(rows, limits).map((one) => ({ ...one, stage })),
  );
  const ofStages = stages.flatMap((stage, index) => stageSigns(stage, stages.slice(0, index), limits));
  return [...ofTraining, ...ofStages].filter(({ code }) => rules[code] !== 'off');
}

function trainingSigns(rows: readonly TrainingRow[], limits: Thresholds) {
  const watch = new TrainingWatch(limits);
  for (const row of rows) watch.add(row);
  return watch.seen;
}

/** The signs of one evaluation beside those before it in the table. */
export function stageSigns(stage: StageResult, earlier: readonly StageResult[], limits: Thresholds): Warning[] {
  // A stage without any action (base, tools off) has no entropy to compare.
  const acting = earlier.filter(acts);
  if (acting.length === 0 || !acts(stage)) return [];
  return SIGN_CODES.flatMap((code) => {
    const message = SIGNS[code].ofStage?.(stage, acting, limits) ?? null;
    return message === null ? [] : [{ code, message: `${message}: ${SIGNS[code].remedy}`, stage: stage.name }];
  });
}

function acts({ evaluation }: StageResult): boolean {
  return evaluation.effectiveActions > 0;
}
