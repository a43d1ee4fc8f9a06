/** The numbers of an evaluation: how often the answers are right, and how evenly the actions are used. */
import type { Step, Trajectory } from '../trajectory/trajectory.js';
import { accuracyByCategory, accuracyOf, type CategoryAccuracy, groupBy } from './accuracy.js';
import { type ActionEntropy, actionEntropy, countActions } from './entropy.js';

export interface CategoryEntropy extends ActionEntropy {
  readonly category: string;
}

/** Plain data: what `eval --json` prints and the report draws. */
export interface StageEvaluation {
  readonly questions: number;
  readonly correct: number;
  readonly accuracy: number;
  /** 95 % Wilson interval */
  readonly low: number;
  readonly high: number;
  readonly unparsedRate: number;
  readonly perCategory: readonly CategoryAccuracy[];
  /** Steps per action name, zeros included */
  readonly actions: Readonly<Record<string, number>>;
  readonly entropyBits: number;
  readonly entropyNormalized: number;
  readonly effectiveActions: number;
  readonly thinkShare: number;
  readonly perCategoryEntropy: readonly CategoryEntropy[];
  /** Share of the judged steps that are coherent; null where no step was judged (eval.judged). */
  readonly coherentShare: number | null;
  /** Share of the scored steps whose action has a score below τ; null where no step has a score. */
  readonly belowTauShare: number | null;
}

/** The part of a trajectory that an evaluation is made of. */
export interface Answered extends Pick<Trajectory, 'category' | 'correct' | 'answer'> {
  readonly steps: readonly AnsweredStep[];
}

export interface AnsweredStep extends Pick<Step, 'action'> {
  /** Whether the judge found it coherent, and its action's score at least τ; null or absent: nobody said. */
  readonly coherent?: boolean | null;
  readonly viable?: boolean | null;
}

export function answeredStep(
  { action, scores, processOk }: Pick<Step, 'action' | 'scores' | 'processOk'>,
  tau: number,
): AnsweredStep {
  const score = scores !== null && Object.hasOwn(scores, action) ? scores[action]! : null;
  return { action, coherent: processOk, viable: score === null ? null : score >= tau };
}

/** `actionNames`: every action the model could take, taken or not; their number is what entropy is normalized by. */
export function summarize(trajectories: readonly Answered[], actionNames: readonly string[]): StageEvaluation {
  const graded = trajectories.map(({ category, correct, answer }) => ({ category, correct, parsed: answer !== null }));
  const actions = countActions(actionsOf(trajectories), actionNames);
  const { entropyBits, entropyNormalized, effectiveActions, thinkShare } = actionEntropy(actions);
  const steps = trajectories.flatMap((trajectory) => trajectory.steps);
  const belowTau = steps.map(({ viable }) => (viable == null ? null : !viable));
  const byCategory = groupBy(trajectories, (trajectory) => trajectory.category);
  return {
    ...accuracyOf(graded),
    perCategory: accuracyByCategory(graded),
    actions,
    entropyBits,
    entropyNormalized,
    effectiveActions,
    thinkShare,
    perCategoryEntropy: [...byCategory].map(([category, group]) => ({
      category,
      ...actionEntropy(countActions(actionsOf(group), Object.keys(actions))),
    })),
    coherentShare: shareOf(steps.map(({ coherent }) => coherent)),
    belowTauShare: shareOf(belowTau),
  };
}

/** Share of true among those that are known; null when none is. */
function shareOf(values: readonly (boolean | null | undefined)[]): number | null {
  const known = values.filter((value) => typeof value === 'boolean');
  return known.length === 0 ? null : known.filter(Boolean).length / known.length;
}

function actionsOf(trajectories: readonly Answered[]): string[] {
  return trajectories.flatMap((trajectory) => trajectory.steps.map((step) => step.action));
}
