/**
 * The reward of a step (docs/algorithm.md, Reward):
 *   R_t = ρ · (best_t − chosen_t) − (1 − ρ) · (1 − process_ok_t)
 * The first term pays for taking a rarer action than the judge's favourite, the second charges for an incoherent step.
 * The two are logged apart everywhere, because in the sum one can hide the other.
 */
import type { Step } from './trajectory/trajectory.js';

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
  const chosen = step.scores?.[step.action] ?? null;
  if (step.scores === null || chosen === null || step.processOk === null) return null;
  const known = Object.values(step.scores).filter((score) => score !== null);
  const best = Math.max(...known);
  const diversity = rho * (best - chosen);
  // Written so that an exact 0 stays +0.
  const coherence = step.processOk ? 0 : -(1 - rho);
  return { diversity, coherence, reward: diversity + coherence };
}
