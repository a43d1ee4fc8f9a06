/** Reads which answers of a run's last acting stage are to be read, with their questions. */
import { toSparkError } from '../errors.js';
import type { StageResult } from '../evaluate/warnings.js';
import type { Question } from '../questions/question.js';
import { actionReward } from '../reward.js';
import type { Run } from '../run/run.js';
import { readTrajectories } from '../trajectory/store.js';
import type { Step } from '../trajectory/trajectory.js';
import type { ReportInput } from './input.js';
import { pickTranscripts } from './pick.js';

/** Answers to read of the last stage that acts. */
export async function readTranscripts(
  run: Run,
  stages: readonly StageResult[],
): Promise<Pick<ReportInput, 'transcripts'>> {
  const { folder, log, config } = run;
  const acting = stages.filter(({ evaluation }) => evaluation.effectiveActions > 0);
  const stage = acting.at(-1)?.name;
  if (stage === undefined) return {};
  const others = new Map<number, boolean[]>();
  for (const { name } of stages.filter((one) => one.name !== stage)) {
    for await (const { questionId, correct } of readTrajectories(folder.evalFile(name), log)) {
      others.set(questionId, [...(others.get(questionId) ?? []), correct]);
    }
  }
  const { tau } = config.rollout;
  const { rho } = config.reward;
  const rewardOfStep = run.parts.reward(rho);
  // R_t; of an action below τ, which no rollout takes and a policy may, what it costs among all scored actions. What it costs in
  // a reward of the user's own, that reward says.
  const rewardOf = (step: Step) => {
    if (run.parts.ownReward) return rewardOfStep(step)?.reward ?? null;
    const score = step.scores?.[step.action] ?? null;
    if (score !== null && score < tau) return actionReward(score, score, { rho, tau });
    return rewardOfStep(step)?.reward ?? null;
  };
  const picked = await pickTranscripts(readTrajectories(folder.evalFile(stage), log), { rewardOf, others });
  return { transcripts: { stage, picked, questions: await testQuestions(run), tau } };
}

/** By id; empty, with a warning, where they cannot be read: the file may have been moved since. */
async function testQuestions(run: Run): Promise<ReadonlyMap<number, Question>> {
  try {
    return new Map((await run.questions.test()).map((question) => [question.question_id, question]));
  } catch (error) {
    run.log.warn(`the report shows no question: ${toSparkError(error).message}`);
    return new Map();
  }
}
