/** Which trajectories are wanted of a file. */
import { checkKeys, type KeysOf } from '../options.js';
import type { Trajectory } from './trajectory.js';

/** All that are given have to hold; absent ones do not count. */
export interface TrajectoryFilter {
  /** Of one of these categories. */
  readonly categories?: readonly string[] | undefined;
  /** Some step takes one of these actions. */
  readonly tools?: readonly string[] | undefined;
  /** True: the wrong ones, those without an answer among them; false: the right ones. */
  readonly wrong?: boolean | undefined;
  /** Ids of trajectories, or of their questions. */
  readonly ids?: readonly string[] | undefined;
}

const FILTER = { categories: true, tools: true, wrong: true, ids: true } as const satisfies KeysOf<TrajectoryFilter>;

export function matching(filter: TrajectoryFilter): (trajectory: Trajectory) => boolean {
  checkKeys(filter, FILTER, 'matching: filter');
  const { categories, tools, wrong, ids } = filter;
  return ({ id, questionId, category, steps, correct }) =>
    (categories === undefined || categories.includes(category)) &&
    (tools === undefined || steps.some(({ action }) => tools.includes(action))) &&
    (wrong === undefined || wrong !== correct) &&
    (ids === undefined || ids.includes(id) || ids.includes(String(questionId)));
}
