/** What a comparison compares: rows, each of one or more evaluations of a run, and what is read of these. */
import type { Answered } from '../evaluate/summary.js';
import { type Run, trainName } from '../run/run.js';
import { type EvaluatedPart, readAnswers } from '../stages/evaluate.js';
import { type PolicyState, readPolicy } from '../stages/policy.js';

export interface Row {
  readonly name: string;
  /** Names of the rows it is compared with. */
  readonly against: readonly string[];
  /** The evaluation that answers a question of this category; null: the row leaves that question out. */
  evaluation(category: string): string | null;
  /** The trainings that its adapter took; absent: those under the names of its evaluations. */
  readonly trainings?: readonly string[];
}

/** A row of one evaluation that bears the same name. */
export function row(name: string, ...against: string[]): Row {
  return { name, against, evaluation: () => name };
}

/** A row's answers in one run. */
export interface RowAnswers {
  readonly answers: ReadonlyMap<number, Answered>;
  /** Every action there was to take. */
  readonly actions: readonly string[];
  /** States of the validation rollouts with what the row's policy would choose there; null where it was not measured. */
  readonly policy: { readonly actions: readonly string[]; readonly states: readonly PolicyState[] } | null;
  /** τ, for `policy` */
  readonly tau: number;
  /** Seconds that its trainings took; null where none is known. */
  readonly trainingSeconds: number | null;
}

/** By the rows' names. */
export type Answers = ReadonlyMap<string, RowAnswers>;

/** `part`: the questions that were answered. */
export async function collectAnswers(run: Run, rows: readonly Row[], part: EvaluatedPart): Promise<Answers> {
  const stored = new Map<string, ReadonlyMap<number, Answered>>();
  const categories = new Map(
    (await run.questions.of(part)).map((question) => [question.question_id, question.category]),
  );
  const actions = run.parts.actions().map(({ name }) => name);
  const collected = new Map<string, RowAnswers>();
  for (const row of rows) {
    const answers = new Map<number, Answered>();
    const used = new Set<string>();
    for (const [id, category] of categories) {
      const from = row.evaluation(category);
      if (from === null) continue;
      used.add(from);
      const file = stored.get(from) ?? (await readAnswers(run, from, part));
      stored.set(from, file);
      answers.set(id, file.get(id)!);
    }
    const policy = await collectPolicy(run, row);
    const { tau } = run.config.rollout;
    collected.set(row.name, {
      answers,
      actions,
      policy,
      tau,
      trainingSeconds: trainingSeconds(run, row.trainings ?? [...used]),
    });
  }
  return collected;
}

/** Each state as the policy saw it that answers questions of its category. */
async function collectPolicy(run: Run, row: Row): Promise<RowAnswers['policy']> {
  const categories = new Set((await run.questions.validation()).map(({ category }) => category));
  const names = new Set([...categories].flatMap((category) => row.evaluation(category) ?? []));
  const states: PolicyState[] = [];
  let actions: readonly string[] | null = null;
  for (const name of names) {
    const measured = await readPolicy(run, name);
    if (measured === null) return null;
    actions = measured.actions;
    states.push(...measured.states.filter(({ category }) => row.evaluation(category) === name));
  }
  return actions === null ? null : { actions, states };
}

function trainingSeconds({ records }: Run, trainings: readonly string[]): number | null {
  const all = records.all();
  const paces = trainings.flatMap((name) => {
    const finished = all[trainName(name)]?.finished;
    const pace = finished?.pace;
    if (finished === null || finished === undefined || pace === undefined) return [];
    // A resumed training's pace is of its last part.
    const { metrics } = finished.result as { readonly metrics: { readonly steps: number } };
    return [(pace.seconds / pace.units) * metrics.steps];
  });
  return paces.length === 0 ? null : paces.reduce((sum, one) => sum + one, 0);
}
