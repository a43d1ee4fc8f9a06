/** What the engine's calls return: sums of losses with their statistics, log-probs, values. */

/** The loss of a batch's choices, as the pass of an accumulate call computed it */
export interface ChoiceMetrics {
  /** G */
  readonly groups: number;
  /** −Σ target · lp, in nats */
  readonly lossSum: number;
  /** (J) the log-prob of each of choiceTokens among the alternatives of its choice */
  readonly logprobs: Float32Array;
}

/** What `accumulate` returns */
export interface AccumulateMetrics {
  /** Tokens with lossMask 1 */
  readonly tokens: number;
  /**
   * (N) log-prob where lossMask is 1, 0 elsewhere, as this pass computed them. Equal to `logprobs` of the same batch
   * (on the CPU bit for bit). If they differ from those that `dlp` was computed from, the adapter has changed in
   * between.
   */
  readonly logprobs: Float32Array;
  /** Present when the batch had choices with targets */
  readonly choices?: ChoiceMetrics;
}

/** Sums over the call's loss tokens (not means): divide by `tokens`, or by the total over several calls. */
export interface SftMetrics {
  readonly tokens: number;
  /** −Σ lp */
  readonly lossSum: number;
  /** Present when the batch had choices with targets; lossSum is without them */
  readonly choices?: ChoiceMetrics;
}

export interface PolicyMetrics {
  readonly tokens: number;
  /** Σ −min(r A, clip(r) A) */
  readonly clipLossSum: number;
  /** Σ ½ (lp − lp_ref)², without β */
  readonly klLossSum: number;
  /** Estimates of KL(π‖ref) with Δ = lp_ref − lp: k1 = −Δ, k2 = ½Δ², k3 = e^Δ − 1 − Δ */
  readonly k1Sum: number;
  readonly k2Sum: number;
  readonly k3Sum: number;
  /** Tokens that the clip cut: r > 1 + ε with A > 0, or r < 1 − ε with A < 0 */
  readonly clippedCount: number;
  readonly ratioSum: number;
  readonly ratioMax: number;
  /** (N) log-prob where lossMask is 1, 0 elsewhere, as this pass computed them */
  readonly logprobs: Float32Array;
  /** Present when the call had a value term */
  readonly value?: ValueMetrics;
  /** Present when the batch had choices with targets */
  readonly choices?: ChoiceMetrics;
}

export interface ValueMetrics {
  /** T of this call */
  readonly count: number;
  /** Σ (V − R)² */
  readonly lossSum: number;
}

export interface LogprobsAndValues {
  /** (N) log-prob where lossMask is 1, 0 elsewhere */
  readonly logprobs: Float32Array;
  /** (T) V at batch.valuePositions */
  readonly values: Float32Array;
  /** (J) as `choiceLogprobs`, from the same pass as `logprobs`; empty when the batch has no choices */
  readonly choiceLogprobs: Float32Array;
}

export interface OptimizerMetrics {
  /** Global norm before clipping. */
  readonly gradNorm: number;
  /** Optimizer steps taken so far. */
  readonly step: number;
}
