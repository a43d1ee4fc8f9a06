/**
 * Grades stored answers again when nothing but the verifiers of their questions has changed: an answer costs a generation, and
 * with tools a judge, a grade costs nothing. Stages that learn from the trajectories depend on what comes out of it.
 */
import { existsSync, renameSync, rmSync } from 'node:fs';
import { writeError } from '../errors.js';
import { JsonlAppender } from '../jsonl/write.js';
import type { AnswerPlace } from '../questions/answerText.js';
import type { Question } from '../questions/question.js';
import type { Change } from '../run/freshness.js';
import type { Run } from '../run/run.js';
import { readTrajectories } from '../trajectory/store.js';
import { isOneQuestion, isVerifier } from './rolloutFacts.js';

/** Whether what has changed leaves the answers as they are: other questions beside them, and how they are graded. */
export function leavesAnswers(changed: readonly Change[]): boolean {
  return changed.every((change) => isOneQuestion(change) || isVerifier(change));
}

/** Grades the file's answers to these questions again, where their verifiers changed. The file is replaced whole or not at all. */
export async function regrade(
  run: Run,
  file: string,
  place: AnswerPlace,
  { changed, questions }: { readonly changed: readonly Change[]; readonly questions: readonly Question[] },
): Promise<void> {
  const grades = changed.filter(
    (change) => isVerifier(change) && change.before !== undefined && change.now !== undefined,
  );
  if (grades.length === 0 || !existsSync(file)) return;
  const names = new Set(grades.map(({ name }) => name));
  const asked = new Map(
    questions.filter(({ question_id: id }) => names.has(`verifiers.${id}`)).map((one) => [one.question_id, one]),
  );
  const grade = run.parts.grader();
  const copy = `${file}.regraded`;
  rmSync(copy, { force: true });
  const appender = new JsonlAppender(copy, false);
  let [right, before] = [0, 0];
  try {
    for await (const trajectory of readTrajectories(file, run.log)) {
      const question = asked.get(trajectory.questionId);
      const answered = question !== undefined && trajectory.end !== 'context_overflow';
      const graded = answered ? await grade(question, trajectory.answerText, place, run.signal) : {};
      appender.append({ ...trajectory, ...graded });
      if (!answered) continue;
      before += trajectory.correct ? 1 : 0;
      right += 'correct' in graded && graded.correct ? 1 : 0;
    }
    appender.close();
    renameSync(copy, file);
  } catch (error) {
    appender.close();
    rmSync(copy, { force: true });
    throw error instanceof Error && 'syscall' in error ? writeError(error, file) : error;
  }
  run.log.info(`graded again under other verifiers: ${right} right of those in ${file}, ${before} before`);
}
