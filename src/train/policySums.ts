/** Metrics of one optimizer step: sums over its micro-batches, divided by the number of loss tokens or steps. */
import type { PolicyMetrics, ValueMetrics } from '../engine/metrics.js';
import type { ActionReport } from './actionTerm.js';
import type { DivergenceReport } from './divergence.js';

export interface StepReport {
  /** N_a */
  readonly tokens: number;
  /** L_clip + β L_kl, and what there is of L_act and the entropy bonus */
  readonly loss: number;
  /** L_clip */
  readonly policyLoss: number;
  /** L_kl: mean of ½ (lp − lp_ref)², without β */
  readonly klPenalty: number;
  readonly k1: number;
  readonly k2: number;
  readonly k3: number;
  /** Mean ½ min(|lp − lp_ref|, OUTLIER_NATS)²: what the target-KL stop looks at */
  readonly k2Bounded: number;
  /** 99.9th percentile of |lp − lp_ref| */
  readonly deltaP999: number;
  /** Tokens farther than OUTLIER_NATS from the reference */
  readonly outliers: number;
  readonly clipFraction: number;
  readonly ratioMean: number;
  readonly ratioMax: number;
  readonly learningRate: number;
  readonly gradNorm: number;
  /** L_v */
  readonly valueLoss: number;
  readonly valueGradNorm: number;
  /** Where the actions have a loss of their own: L_act, and means over the states with scores (actionTerm.ts) */
  readonly actionLoss?: number;
  readonly actionKl?: number;
  readonly actionEntropy?: number;
  readonly decisions?: number;
}

/** The updates that followed. */
export interface Taken {
  readonly learningRate: number;
  readonly gradNorm: number;
  readonly valueGradNorm: number;
}

export class PolicySums {
  #tokens = 0;
  #steps = 0;
  #clipLoss = 0;
  #klLoss = 0;
  #k1 = 0;
  #k2 = 0;
  #k3 = 0;
  #clipped = 0;
  #ratio = 0;
  #ratioMax = 0;
  #valueLoss = 0;

  addPolicy(metrics: PolicyMetrics): void {
    this.#tokens += metrics.tokens;
    this.#clipLoss += metrics.clipLossSum;
    this.#klLoss += metrics.klLossSum;
    this.#k1 += metrics.k1Sum;
    this.#k2 += metrics.k2Sum;
    this.#k3 += metrics.k3Sum;
    this.#clipped += metrics.clippedCount;
    this.#ratio += metrics.ratioSum;
    this.#ratioMax = Math.max(this.#ratioMax, metrics.ratioMax);
  }

  addValue(metrics: ValueMetrics): void {
    this.#steps += metrics.count;
    this.#valueLoss += metrics.lossSum;
  }

  /** `actions`: null where the actions have no loss of their own. */
  report(
    { klCoefficient, entropyBonus }: { readonly klCoefficient: number; readonly entropyBonus: number },
    divergence: DivergenceReport,
    actions: ActionReport | null,
    { learningRate, gradNorm, valueGradNorm }: Taken,
  ): StepReport {
    const ofActions = actions === null ? 0 : actions.actionLoss - entropyBonus * actions.actionEntropy;
    const perToken = (sum: number) => sum / this.#tokens;
    return {
      tokens: this.#tokens,
      loss: perToken(this.#clipLoss + klCoefficient * this.#klLoss) + ofActions,
      policyLoss: perToken(this.#clipLoss),
      klPenalty: perToken(this.#klLoss),
      k1: perToken(this.#k1),
      k2: perToken(this.#k2),
      k3: perToken(this.#k3),
      ...divergence,
      clipFraction: perToken(this.#clipped),
      ratioMean: perToken(this.#ratio),
      ratioMax: this.#ratioMax,
      learningRate,
      gradNorm,
      valueLoss: this.#valueLoss / this.#steps,
      valueGradNorm,
      ...actions,
    };
  }
}
