/**
 * The choices of an action in a trajectory, with what the judge said of every action and not only of the one that was
 * taken. States without scores are none: nothing is known about their actions.
 */
import { actionReward } from '../reward.js';
import type { Score, Trajectory } from './trajectory.js';

/** The actions there are to choose from, and how their scores become rewards. */
export interface JudgedActions {
  /** (K) names, in one order for everything that is counted by action */
  readonly actions: readonly string[];
  /** ρ */
  readonly rho: number;
  /** τ */
  readonly tau: number;
}

/** One state in which an action was chosen. K actions, in the order of `JudgedActions.actions`. */
export interface Decision {
  /** Index of the step in the trajectory, from 0 */
  readonly step: number;
  /** Row of the step in the sample's (T) arrays; −1 where the step has no reward */
  readonly row: number;
  /** Position of the last token in front of the action's name */
  readonly position: number;
  /** Index of the action taken; −1 where it is none of the K */
  readonly taken: number;
  /** (K) null: missing */
  readonly scores: readonly Score[];
  /** (K) r(s, a), null where the score is missing */
  readonly rewards: readonly (number | null)[];
}

export interface Decisions extends JudgedActions {
  /** (S) in the order of the steps */
  readonly states: readonly Decision[];
  /** False: they are only measured, and what is learned does not depend on them. */
  readonly learned: boolean;
}

/** The sample with the choices of its trajectory. Actions that have a score and are none of the K do not take part. */
export function withDecisions<T extends { readonly rewardedSteps: readonly number[] }>(
  sample: T,
  trajectory: Trajectory,
  judged: JudgedActions,
  learned: boolean,
): T & { readonly decisions: Decisions } {
  const states = trajectory.steps.flatMap(({ index, action, scores: given }): Decision[] => {
    const name = trajectory.segments.find(({ kind, step }) => kind === 'action' && step === index);
    if (given === null || name === undefined || name.start === 0) return [];
    const scores = judged.actions.map((one) => (Object.hasOwn(given, one) ? given[one]! : null));
    const known = scores.filter((score) => score !== null);
    if (known.length === 0) return [];
    const best = Math.max(...known);
    return [
      {
        step: index,
        row: sample.rewardedSteps.indexOf(index),
        position: name.start - 1,
        taken: judged.actions.indexOf(action),
        scores,
        rewards: scores.map((score) => actionReward(score, best, judged)),
      },
    ];
  });
  return { ...sample, decisions: { ...judged, states, learned } };
}

/** How many actions of a state have a score. With fewer than two there is nothing to choose between. */
export function scoredCount({ scores }: Decision): number {
  return scores.filter((score) => score !== null).length;
}
