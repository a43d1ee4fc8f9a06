/** Estimates what judging a rollout set will cost, before any rollout is made. */
import type { Config } from '../config/index.js';
import { estimateCost, requirePrice } from '../judge/prices.js';
import { actionsOf, loadParts } from '../run/parts.js';
import { RunQuestions } from '../run/questions.js';

export interface GenerationPrice {
  readonly questions: number;
  /** One call for each step and one at the end. */
  readonly calls: number;
  /** False for the oracle, which costs nothing, and for a judge of the user's own, whose cost is not known here. */
  readonly paid: boolean;
  readonly dollars: number;
}

/** The price of rollouts with the most steps allowed, of usual length. */
export async function priceOfGeneration(config: Config): Promise<GenerationPrice> {
  const questions = (await new RunQuestions(config).train()).length;
  const { parts } = await loadParts(config);
  const actions = actionsOf(config, parts);
  const paid = parts.judge === undefined && config.judge.kind === 'api';
  const price = paid ? requirePrice(config.judge.model, config.judge.price) : null;
  const { calls, usd } = estimateCost(questions, config.rollout.maxSteps, { actions, price });
  return { questions, calls, paid, dollars: usd ?? 0 };
}
