/**
 * How far the policy has moved from its reference on the stored tokens, by a measure that no single token decides
 * (docs/algorithm.md, Target KL). k3 is an exponential and k2 a square of Δ = lp − lp_ref: one token whose probability has
 * fallen far is most of their mean. Here Δ counts no farther than a bound, and the token that is farthest is shown.
 */
import type { Sample } from '../trajectory/sample.js';

/** In nats. Past this a token is e⁴, or 55 times, as likely or unlikely as under the reference. */
export const OUTLIER_NATS = 4;

/** A token past the bound. */
export interface Outlier {
  /** Of its trajectory */
  readonly id: string;
  readonly position: number;
  readonly token: number;
  readonly logprob: number;
  readonly reference: number;
}

export interface DivergenceReport {
  /** Mean ½ min(|Δ|, OUTLIER_NATS)², in nats */
  readonly k2Bounded: number;
  /** The 99.9th percentile of |Δ|: of fewer than a thousand tokens the largest */
  readonly deltaP999: number;
  /** Tokens with |Δ| above OUTLIER_NATS */
  readonly outliers: number;
}

/** Of one optimizer step, over its passes. */
export class Divergence {
  readonly #distances: number[] = [];
  #bounded = 0;
  #outliers = 0;
  #farthest: Outlier | null = null;

  /** `logprobs` and `references`: (N) for each sample, read where it has a loss. */
  add(samples: readonly Sample[], logprobs: readonly Float32Array[], references: readonly Float32Array[]): void {
    samples.forEach(({ id, tokens, lossMask }, index) => {
      lossMask.forEach((carriesLoss, position) => {
        if (carriesLoss === 0) return;
        const [logprob, reference] = [logprobs[index]![position]!, references[index]![position]!];
        this.#addToken({ id, position, token: tokens[position]!, logprob, reference });
      });
    });
  }

  #addToken(token: Outlier): void {
    const distance = distanceOf(token);
    this.#distances.push(distance);
    this.#bounded += Math.min(distance, OUTLIER_NATS) ** 2 / 2;
    if (distance <= OUTLIER_NATS) return;
    this.#outliers += 1;
    if (this.#farthest === null || distance > distanceOf(this.#farthest)) this.#farthest = token;
  }

  /** Of the tokens past the bound the farthest; null when there is none. */
  get farthest(): Outlier | null {
    return this.#farthest;
  }

  report(): DivergenceReport {
    const sorted = this.#distances.toSorted((a, b) => a - b);
    const count = sorted.length;
    return {
      k2Bounded: this.#bounded / count,
      deltaP999: sorted[Math.ceil(0.999 * count) - 1]!,
      outliers: this.#outliers,
    };
  }
}

function distanceOf({ logprob, reference }: Outlier): number {
  return Math.abs(logprob - reference);
}
