/** Refuses questions that the run's judge cannot judge. */
import { ORACLE_ID, requireMini } from '../judge/oracle.js';
import type { Question } from '../questions/question.js';
import type { Run } from '../run/run.js';

/** Throws `invalid_config` for questions that the oracle does not know, before a model is loaded for them. */
export async function refuseStrangers({ config, parts }: Run, questions: readonly Question[]): Promise<void> {
  // Opening another judge would ask for its key, also where nothing is left to judge.
  if (config.judge.kind !== 'oracle' || (await parts.judge()).judge.id !== ORACLE_ID) return;
  requireMini(questions);
}
