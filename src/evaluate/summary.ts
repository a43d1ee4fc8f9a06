/** The numbers of an evaluation: how often the answers are right, and how evenly the actions are used. */
import { scorePair } from '../reward.js';
import type { Step, Trajectory } from '../trajectory/trajectory.js';
import { type AnswerCounts, accuracyOfCounts, type CategoryAccuracy } from './accuracy.js';
import { type ActionEntropy, actionEntropy, withUntaken } from './entropy.js';

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

/** `tau` null: nobody says from which score on an action is viable. */
export function answeredStep(
  step: Pick<Step, 'action' | 'scores' | 'pair' | 'processOk'>,
  tau: number | null,
): AnsweredStep {
  const { chosen } = scorePair(step);
  const viable = chosen === null || tau === null ? null : chosen >= tau;
  return { action: step.action, coherent: step.processOk, viable };
}

/** `actionNames`: every action the model could take, taken or not; their number is what entropy is normalized by. */
export function summarize(trajectories: readonly Answered[], actionNames: readonly string[]): StageEvaluation {
  const tally = new SummaryTally();
  for (const trajectory of trajectories) tally.add(trajectory);
  return tally.summary(actionNames);
}

/** Adds answers up one by one; what it holds does not grow with their number. */
export class SummaryTally {
  readonly #all = new Counts();
  readonly #categories = new Map<string, Counts>();

  add(answered: Answered): void {
    const category = this.#categories.get(answered.category) ?? new Counts();
    this.#categories.set(answered.category, category);
    for (const counts of [this.#all, category]) counts.add(answered);
  }

  /** As `summarize`. */
  summary(actionNames: readonly string[]): StageEvaluation {
    const all = this.#all;
    const actions = withUntaken(all.actions, actionNames);
    const { entropyBits, entropyNormalized, effectiveActions, thinkShare } = actionEntropy(actions);
    const byCategory = [...this.#categories].sort(([a], [b]) => (a < b ? -1 : 1));
    return {
      ...accuracyOfCounts(all),
      perCategory: byCategory.map(([category, counts]) => ({ category, ...accuracyOfCounts(counts) })),
      actions,
      entropyBits,
      entropyNormalized,
      effectiveActions,
      thinkShare,
      perCategoryEntropy: byCategory.map(([category, counts]) => ({
        category,
        ...actionEntropy(withUntaken(counts.actions, Object.keys(actions))),
      })),
      coherentShare: all.coherent.share(),
      belowTauShare: all.belowTau.share(),
    };
  }
}

class Counts implements AnswerCounts {
  questions = 0;
  correct = 0;
  unparsed = 0;
  readonly actions = new Map<string, number>();
  readonly coherent = new Share();
  readonly belowTau = new Share();

  add({ correct, answer, steps }: Answered): void {
    this.questions += 1;
    if (correct) this.correct += 1;
    if (answer === null) this.unparsed += 1;
    for (const { action, coherent, viable } of steps) {
      this.actions.set(action, (this.actions.get(action) ?? 0) + 1);
      this.coherent.add(coherent);
      this.belowTau.add(viable == null ? null : !viable);
    }
  }
}

/** Share of true among what is known. */
export class Share {
  #known = 0;
  #true = 0;

  /** Null or undefined: not known. */
  add(value: boolean | null | undefined): void {
    if (value == null) return;
    this.#known += 1;
    if (value) this.#true += 1;
  }

  /** Null when nothing is known. */
  share(): number | null {
    return this.#known === 0 ? null : this.#true / this.#known;
  }
}
