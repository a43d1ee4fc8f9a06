/** Two engines' log-probs of the same tokens. */

export interface Comparison {
  /** Tokens compared: all but the first of each sequence. */
  readonly tokens: number;
  /** Mean |Δ log-prob|, in nats */
  readonly mean: number;
  /** Worst |Δ log-prob|, in nats */
  readonly worst: number;
  /** Mean of served − ours: an estimate of KL(served ‖ ours) where the tokens were sampled from the served model. */
  readonly kl: number;
}

/** Row r holds one sequence's log-probs; entry 0 speaks of a token with nothing before it and is left out. */
export function compareLogprobs(ours: readonly ArrayLike<number>[], served: readonly ArrayLike<number>[]): Comparison {
  let tokens = 0;
  let sum = 0;
  let worst = 0;
  let signed = 0;
  ours.forEach((row, r) => {
    for (let i = 1; i < row.length; i++) {
      const delta = served[r]![i]! - row[i]!;
      tokens += 1;
      sum += Math.abs(delta);
      signed += delta;
      worst = Math.max(worst, Math.abs(delta)); // NaN stays: it must not pass for agreement
    }
  });
  return { tokens, mean: sum / tokens, worst, kl: signed / tokens };
}

/** Row by row a − b: what an adapter changed. */
export function difference(a: readonly ArrayLike<number>[], b: readonly ArrayLike<number>[]): number[][] {
  return a.map((row, r) => Array.from(row, (value, i) => value - b[r]![i]!));
}
