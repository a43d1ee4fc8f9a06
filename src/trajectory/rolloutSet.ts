/**
 * Rollouts that were chosen alike belong together: a set is the selection rule and, where the rule asks for it, τ. One
 * run can hold several, each in a file of its own, and a stage learns from one of them.
 */
import type { Trajectory } from './trajectory.js';

export type RolloutSet = Pick<Trajectory, 'selection' | 'tau'>;

/**
 * `max-score`, `min-score-tau6`, `least-used-tau7`; `policy` where the model chose. The highest score is the highest
 * whatever τ is, so max-score rollouts are the same under any.
 */
export function nameOfSet({ selection, tau }: RolloutSet): string {
  return selection === 'max-score' || selection === 'policy' ? selection : `${selection}-tau${tau}`;
}

export function trajectoryId(questionId: number, set: RolloutSet, attempt: number): string {
  return `${questionId}:${nameOfSet(set)}:${attempt}`;
}
