/**
 * A rollout set: all trajectories of one selection at one τ, of the base model or of one adapter. A run can have several, each
 * in a file of its own; a training stage learns from one of them.
 */
import type { Trajectory } from './trajectory.js';

export type RolloutSet = Pick<Trajectory, 'selection' | 'tau'> & {
  /** Which questions are rolled out; absent: those that are trained on. */
  readonly questions?: 'train' | 'validation';
  /** The trained stage of the run whose adapter rolls out; absent: the base model. */
  readonly by?: string;
};

/**
 * `max-score`, `min-score-tau6`, `validation-min-score-tau6`, `least-used-tau7`, `min-score-tau6-by-sft`, or `policy` when the
 * model chose its actions. `max-score` names no τ, because the highest score does not depend on it.
 */
export function nameOfSet({ questions, ...set }: RolloutSet): string {
  return questions === 'validation' ? VALIDATION + ruleOf(set) : ruleOf(set);
}

const VALIDATION = 'validation-';

/** Which questions the set of this name is about. */
export function partOf(name: string): 'train' | 'validation' {
  return name.startsWith(VALIDATION) ? 'validation' : 'train';
}

/** The name without the questions: `min-score-tau6`, `min-score-tau6-by-sft`. */
export function ruleOf({ selection, tau, by }: RolloutSet): string {
  const rule = selection === 'max-score' || selection === 'policy' ? selection : `${selection}-tau${tau}`;
  return by === undefined ? rule : `${rule}-by-${by}`;
}

/** Names the rule and not the questions, which are in one part alone. */
export function trajectoryId(questionId: number, set: RolloutSet, attempt: number): string {
  return `${questionId}:${ruleOf(set)}:${attempt}`;
}
