/** McNemar's exact test: do two stages differ on the same questions? */
import { binomialCdf } from '../tools/child/distributions.js';

export interface McNemar {
  /** Questions that only the first answered right, and only the second. All others say nothing about the difference. */
  readonly onlyFirst: number;
  readonly onlySecond: number;
  /** Two-sided p of the binomial test of `onlyFirst` against a half of both (McNemar 1947, exact form); 1 without any. */
  readonly p: number;
}

/** `pairs`: for each question whether the first and the second were right. */
export function mcnemar(pairs: Iterable<readonly [first: boolean, second: boolean]>): McNemar {
  let onlyFirst = 0;
  let onlySecond = 0;
  for (const [first, second] of pairs) {
    if (first && !second) onlyFirst += 1;
    if (second && !first) onlySecond += 1;
  }
  const smaller = Math.min(onlyFirst, onlySecond);
  const p = Math.min(1, 2 * binomialCdf(onlyFirst + onlySecond, 0.5, smaller));
  return { onlyFirst, onlySecond, p };
}
