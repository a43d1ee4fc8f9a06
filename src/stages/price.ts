/** Estimates what judging the rest of a rollout set will cost, before any rollout is made. */
import { existsSync } from 'node:fs';
import type { Config } from '../config/index.js';
import { requireMini } from '../judge/oracle.js';
import { estimateCost, requirePrice } from '../judge/prices.js';
import type { Question } from '../questions/question.js';
import { MOST_VERDICTS } from '../rollout/audit.js';
import { RunFolder, runRoot } from '../run/folder.js';
import { listActions } from '../run/parts.js';
import { type QuestionPart, RunQuestions } from '../run/questions.js';
import { loadParts } from '../run/userParts.js';
import { nameOfSet, type RolloutSet, trajectoryId } from '../trajectory/rolloutSet.js';
import { readTrajectories } from '../trajectory/store.js';

export interface GenerationPrice {
  readonly questions: number;
  /** How many of them have a trajectory in the run; the rest is what is priced. */
  readonly already: number;
  /** One call for each step, with an audit as many as it may make, and one at the end. */
  readonly calls: number;
  /** False for the oracle, which costs nothing, and for a judge of the user's own, whose cost is not known here. */
  readonly paid: boolean;
  readonly dollars: number;
  /** What the judge reads and writes; 0 for the oracle, which uses none. */
  readonly inputTokens: number;
  readonly outputTokens: number;
}

/** The price of the run's own rollouts, of `rollout.selection` at `rollout.tau`. `root`: the run's folder, if there is one yet. */
export function priceOfGeneration(config: Config, root = runRoot(config.name)): Promise<GenerationPrice> {
  const { selection, tau } = config.rollout;
  return priceOfRollouts(config, { selection, tau }, root);
}

/** The price of a rollout set's missing rollouts, with the most steps allowed, of usual length. */
export async function priceOfRollouts(config: Config, set: RolloutSet, root: string): Promise<GenerationPrice> {
  const questions = await new RunQuestions(config).of(set.questions ?? 'train');
  const verdicts = MOST_VERDICTS[config.rollout.audit];
  return priceOf(config, questions, { already: await countStored(set, root, questions), verdicts, root });
}

/** At most what an evaluation costs whose steps are judged: answers that are there may still be valid. */
export async function priceOfEvaluation(config: Config, part: QuestionPart, root: string): Promise<GenerationPrice> {
  return priceOf(config, await new RunQuestions(config).of(part), { already: 0, verdicts: 1, root });
}

async function priceOf(
  config: Config,
  questions: readonly Question[],
  { already, verdicts, root }: { readonly already: number; readonly verdicts: number; readonly root: string },
): Promise<GenerationPrice> {
  const { parts } = await loadParts(config);
  const actions = await listActions(config, parts, { root });
  const { kind, model, price: given } = config.judge;
  if (parts.judge === undefined && kind === 'oracle') requireMini(questions);
  const paid = parts.judge === undefined && kind === 'api';
  const price = paid ? requirePrice(model, given) : null;
  const cost = estimateCost(questions.length - already, config.rollout.maxSteps, { actions, price, verdicts });
  const tokens = ({ inputTokens, outputTokens }: typeof cost) => ({ inputTokens, outputTokens });
  const used = paid ? tokens(cost) : { inputTokens: 0, outputTokens: 0 };
  return { questions: questions.length, already, calls: cost.calls, paid, dollars: cost.usd ?? 0, ...used };
}

async function countStored(set: RolloutSet, root: string, questions: readonly Question[]): Promise<number> {
  if (RunFolder.peek(root) === null) return 0;
  const file = RunFolder.existing(root).trajectoriesFile(nameOfSet(set));
  if (!existsSync(file)) return 0;
  const ids = new Set<string>();
  for await (const { id } of readTrajectories(file)) ids.add(id);
  return questions.filter(({ question_id }) => ids.has(trajectoryId(question_id, set, 0))).length;
}
