/**
 * The reward of a step (docs/algorithm.md, Reward):
 *   R_t = ρ · (best_t − chosen_t) − (1 − ρ) · (1 − process_ok_t)
 * The first term pays for taking a rarer action than the judge's favourite, the second charges for an incoherent step.
 * The two are logged apart everywhere, because in the sum one can hide the other.
 */
import { SparkError, shown, threw } from './errors.js';
import type { Score, ScorePair, Step, Trajectory } from './trajectory/trajectory.js';

export interface Reward {
  /** ρ · (best − chosen), never negative for a viable choice */
  readonly diversity: number;
  /** −(1 − ρ) · (1 − ok), 0 or −(1 − ρ) */
  readonly coherence: number;
  /** R_t, their sum */
  readonly reward: number;
}

/**
 * Null when the judge gave no verdict on the step or no score of its action. A fallback step took the highest score, so
 * its diversity term is 0 by itself.
 */
export function stepReward(step: Step, rho: number): Reward | null {
  const { chosen, best } = scorePair(step);
  if (chosen === null || best === null || step.processOk === null) return null;
  const diversity = rho * (best - chosen);
  // Written so that an exact 0 stays +0.
  const coherence = step.processOk ? 0 : -(1 - rho);
  return { diversity, coherence, reward: diversity + coherence };
}

/** What the judge gave the action taken, and the highest of its scores, null where they are missing. */
export function scorePair({ pair, scores, action }: Pick<Step, 'pair' | 'scores' | 'action'>): ScorePair {
  if (pair !== undefined) return pair;
  const known = Object.values(scores ?? {}).filter((score) => score !== null);
  // An action may be named `constructor`.
  const chosen = scores !== null && Object.hasOwn(scores, action) ? scores[action]! : null;
  return { chosen, best: known.length === 0 ? null : Math.max(...known) };
}

/**
 * r(s, a), what the judge's scores alone say of an action, taken or not (docs/algorithm.md, All scored actions):
 * ρ (best − score) for a viable one, −(1 − ρ) below τ, null where the score is missing.
 */
export function actionReward(score: Score, best: number, { rho, tau }: { readonly rho: number; readonly tau: number }) {
  if (score === null) return null;
  // Written so that an exact 0 stays +0.
  return score >= tau ? rho * (best - score) : rho - 1 || 0;
}

/** `reward`, which may be the user's own; `invalid_argument` names the step for which it throws or answers no reward. */
export function checkedReward(
  { id }: Pick<Trajectory, 'id'>,
  reward: (step: Step) => Reward | null,
): (step: Step) => Reward | null {
  return (step) => {
    const wrong = (what: string, options?: { cause: unknown }) =>
      new SparkError('invalid_argument', `reward of step ${step.index} of ${id}${what}; mend the reward`, options);
    let given: Reward | null;
    try {
      given = reward(step);
    } catch (error) {
      if (error instanceof SparkError) throw error;
      throw wrong(` ${threw(error)}`, { cause: error });
    }
    if (given === null) return null;
    const { diversity, coherence, reward: sum } = Object(given) as Reward;
    if ([diversity, coherence, sum].every(Number.isFinite)) return given;
    throw wrong(`: expected { diversity, coherence, reward } with finite numbers, or null, got ${shown(given)}`);
  };
}
