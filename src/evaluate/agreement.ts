/** How far two judges agree about one state, and about coherence over many. */
import { sampleRankCorrelation } from 'simple-statistics';
import type { Scores } from '../rollout/audit.js';
import { selectAction } from '../rollout/select.js';
import type { SelectionRule } from '../trajectory/trajectory.js';

/** All NaN where one of the two gave no score at all. */
export interface StateAgreement {
  /**
   * Spearman's ρ over the actions that both scored, ties at their mean rank. NaN when the first judge scored them all the
   * same, as then there is no order to find; 0 when only the second did, which has found none.
   */
  readonly spearman: number;
  /** Mean |difference| of the scores, in points of 0 to 10. */
  readonly distance: number;
  /** 1 when the two lead to another action, under min-score and under max-score; ties fall alike for both. */
  readonly flippedMin: number;
  readonly flippedMax: number;
  /** 1 when an action that one calls viable is not for the other, or the other way round. */
  readonly otherViable: number;
}

const UNKNOWN: StateAgreement = {
  spearman: Number.NaN,
  distance: Number.NaN,
  flippedMin: Number.NaN,
  flippedMax: Number.NaN,
  otherViable: Number.NaN,
};

export function stateAgreement(actions: readonly string[], first: Scores, second: Scores, tau: number): StateAgreement {
  const both = actions.flatMap((action): [number, number][] => {
    const [a, b] = [first[action] ?? null, second[action] ?? null];
    return a === null || b === null ? [] : [[a, b]];
  });
  if (both.length === 0) return UNKNOWN;
  const [a, b] = [both.map(([score]) => score), both.map(([, score]) => score)];
  const flipped = (rule: SelectionRule) =>
    chosen(actions, first, rule, tau) === chosen(actions, second, rule, tau) ? 0 : 1;
  return {
    spearman: rankCorrelation(a, b),
    distance: both.reduce((sum, [x, y]) => sum + Math.abs(x - y), 0) / both.length,
    flippedMin: flipped('min-score'),
    flippedMax: flipped('max-score'),
    otherViable: both.some(([x, y]) => x >= tau !== y >= tau) ? 1 : 0,
  };
}

function rankCorrelation(first: readonly number[], second: readonly number[]): number {
  const differ = (scores: readonly number[]) => scores.some((score) => score !== scores[0]);
  if (!differ(first)) return Number.NaN;
  return differ(second) ? sampleRankCorrelation([...first], [...second]) : 0;
}

/** The action that a state's scores lead to; ties go to the first of them. */
export function chosen(
  actions: readonly string[],
  scores: Scores,
  rule: SelectionRule,
  tau: number,
): string | undefined {
  return selectAction(actions, scores, { rule, tau, used: () => 0, random: () => 0 })?.action;
}

/**
 * Cohen's κ of two verdicts: agreement beyond what their shares of yes would give by chance. NaN without pairs, and where
 * chance alone would agree always.
 */
export function kappa(pairs: readonly (readonly [boolean, boolean])[]): number {
  const share = (of: (pair: readonly [boolean, boolean]) => boolean) => pairs.filter(of).length / pairs.length;
  const [first, second] = [share(([a]) => a), share(([, b]) => b)];
  const chance = first * second + (1 - first) * (1 - second);
  return chance === 1 ? Number.NaN : (share(([a, b]) => a === b) - chance) / (1 - chance);
}
