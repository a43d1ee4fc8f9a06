/**
 * Grades stored answers again when nothing but the verifiers of their questions has changed: an answer costs a generation, and
 * with tools a judge, a grade costs nothing. Stages that learn from the trajectories depend on what comes out of it.
 */
import { existsSync } from 'node:fs';
import type { AnswerPlace } from '../questions/answerText.js';
import type { Question } from '../questions/question.js';
import type { Change } from '../run/freshness.js';
import type { Run } from '../run/run.js';
import { redactedJson } from '../secrets/redact.js';
import { readTrajectories } from '../trajectory/store.js';
import { WholeFile } from '../wholeFile.js';
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
  const copy = new WholeFile(file, { overwrite: true });
  let [right, before] = [0, 0];
  try {
    for await (const trajectory of readTrajectories(file, run.log)) {
      const question = asked.get(trajectory.questionId);
      const answered = question !== undefined && trajectory.end !== 'context_overflow';
      const graded = answered ? await grade(question, trajectory.answerText, place, run.signal) : {};
      copy.write(`${redactedJson({ ...trajectory, ...graded })}\n`);
      if (!answered) continue;
      before += trajectory.correct ? 1 : 0;
      right += 'correct' in graded && graded.correct ? 1 : 0;
    }
    copy.commit();
  } finally {
    copy.abandon();
  }
  run.log.info(`graded again under other verifiers: ${right} right of those in ${file}, ${before} before`);
}
