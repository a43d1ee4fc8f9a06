/**
 * All failure signs, one row each: its code, where it is looked for, and what to do about it. docs/metrics.md says the same
 * in words. A new row is found while training, in the log, in stages.json and in the report, and has a rule.
 */
import type { Thresholds } from './signLimits.js';
import { diversityUpAccuracyDown, entropyCollapse, type StageResult, thinkShareRising } from './stageSigns.js';
import type { TrainingHistory } from './trainingHistory.js';
import {
  badActionsRising,
  clipFractionHigh,
  criticFlat,
  judgeMissing,
  klPastTarget,
  klRunaway,
  notFinite,
  policyCollapse,
  thinkTakesOver,
} from './trainingSigns.js';

export const SIGN_CODES = [
  'not_finite',
  'kl_past_target',
  'kl_runaway',
  'clip_fraction_high',
  'critic_flat',
  'judge_missing',
  'think_share_rising',
  'entropy_collapse',
  'bad_actions_rising',
  'diversity_up_accuracy_down',
] as const;

export type SignCode = (typeof SIGN_CODES)[number];

/** What follows from a sign: a warning, the end of the training or command (`failure_sign`), or nothing. */
export const SIGN_RULES = ['warn', 'stop', 'off'] as const;
export type SignRule = (typeof SIGN_RULES)[number];

/** A rule for every sign. */
export type SignRules = Readonly<Record<SignCode, SignRule>>;

export interface Sign {
  /** Asked after every row of a training. */
  readonly ofTraining?: (history: TrainingHistory, limits: Thresholds) => string | null;
  /** Asked of an evaluation; `earlier` stand before it in the table, one at least. */
  readonly ofStage?: (stage: StageResult, earlier: readonly StageResult[], limits: Thresholds) => string | null;
  readonly remedy: string;
}

export const SIGNS: Readonly<Record<SignCode, Sign>> = {
  not_finite: { ofTraining: notFinite, remedy: 'lower the learning rate or maxGradNorm' },
  kl_past_target: { ofTraining: klPastTarget, remedy: 'lower the learning rate or raise ppo.klCoefficient' },
  kl_runaway: { ofTraining: klRunaway, remedy: 'lower the learning rate, raise ppo.klCoefficient, or train shorter' },
  clip_fraction_high: { ofTraining: clipFractionHigh, remedy: 'lower the learning rate or take fewer epochs' },
  critic_flat: { ofTraining: criticFlat, remedy: 'raise ppo.criticLearningRate or look at the rewards' },
  judge_missing: { ofTraining: judgeMissing, remedy: "look at the judge's errors and its budget" },
  think_share_rising: {
    ofTraining: thinkTakesOver,
    ofStage: thinkShareRising,
    remedy: 'lower τ, or look at tool errors',
  },
  entropy_collapse: {
    ofTraining: policyCollapse,
    ofStage: entropyCollapse,
    remedy: 'raise ρ or ppo.klCoefficient, or train shorter',
  },
  bad_actions_rising: { ofTraining: badActionsRising, remedy: 'lower ppo.entropyBonus or ρ, or raise τ' },
  diversity_up_accuracy_down: { ofStage: diversityUpAccuracyDown, remedy: 'lower ρ or raise τ' },
};
