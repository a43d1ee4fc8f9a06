/** What judging a set of rollouts will cost, before any is made. */

import type { Config } from '../config/index.js';
import { estimateCost, requirePrice } from '../judge/prices.js';
import { actionsOf, loadParts } from '../run/parts.js';
import { RunQuestions } from '../run/questions.js';

export interface GenerationPrice {
  readonly questions: number;
  /** One call a step and one for the end. */
  readonly calls: number;
  /** False: the oracle, or a judge of the user's own; what that costs is not known here. */
  readonly paid: boolean;
  readonly dollars: number;
}

/** At most steps and usual lengths. */
export async function priceOfGeneration(config: Config): Promise<GenerationPrice> {
  const questions = (await new RunQuestions(config).train()).length;
  const { parts } = await loadParts(config);
  const actions = actionsOf(config, parts);
  const paid = parts.judge === undefined && config.judge.kind === 'api';
  const price = paid ? requirePrice(config.judge.model, config.judge.price) : null;
  const { calls, usd } = estimateCost(questions, config.rollout.maxSteps, { actions, price });
  return { questions, calls, paid, dollars: usd ?? 0 };
}
