/** Compares two engines' log-probs of the same tokens. */
import { type ProbeLike, probeOf } from './logprobs.js';

export interface Comparison {
  /** Tokens compared. */
  readonly tokens: number;
  /** Mean |Δ log-prob|, in nats */
  readonly mean: number;
  /** Worst |Δ log-prob|, in nats */
  readonly worst: number;
  /** Mean of served − ours; an estimate of KL(served ‖ ours) when the tokens were sampled from the served model. */
  readonly kl: number;
  /** Standard error of `kl`. */
  readonly klError: number;
}

export type Rows = readonly ArrayLike<number>[];

/**
 * Row r holds the log-probs of one sequence. Entry 0 is not compared, because the first token has no log-prob, and
 * neither are entries where the mask of `sequences[r]` is 0.
 */
export function compareLogprobs(ours: Rows, served: Rows, sequences?: readonly ProbeLike[]): Comparison {
  let tokens = 0;
  let sum = 0;
  let worst = 0;
  let signed = 0;
  let squares = 0;
  forEachPair(ours, served, sequences, (a, b) => {
    const delta = b - a;
    tokens += 1;
    sum += Math.abs(delta);
    signed += delta;
    squares += delta * delta;
    worst = Math.max(worst, Math.abs(delta)); // keeps NaN, which must not pass for agreement
  });
  const kl = signed / tokens;
  const variance = Math.max(0, squares / tokens - kl * kl);
  return { tokens, mean: sum / tokens, worst, kl, klError: Math.sqrt(variance / tokens) };
}

/** Calls `visit` with both values of every token that is compared. */
export function forEachPair(
  a: Rows,
  b: Rows,
  sequences: readonly ProbeLike[] | undefined,
  visit: (a: number, b: number) => void,
): void {
  a.forEach((row, r) => {
    const mask = sequences === undefined ? null : probeOf(sequences[r]!).mask;
    for (let i = 1; i < row.length; i++) {
      if (mask === null || mask[i] === 1) visit(row[i]!, b[r]![i]!);
    }
  });
}

/** a − b, entry by entry. */
export function difference(a: Rows, b: Rows): number[][] {
  return a.map((row, r) => Array.from(row, (value, i) => value - b[r]![i]!));
}
