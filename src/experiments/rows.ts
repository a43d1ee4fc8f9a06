/** What a comparison compares: rows, each of one or more evaluations of a run, and what is read of them. */
import type { Answered } from '../evaluate/summary.js';
import { type Run, trainName } from '../run/run.js';
import { readAnswers } from '../stages/evaluate.js';

export interface Row {
  readonly name: string;
  /** Names of the rows it is compared with. */
  readonly against: readonly string[];
  /** The evaluation that answers a question of this category; null: the row leaves that question out. */
  evaluation(category: string): string | null;
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
  /** Seconds that the trainings of its evaluations took; null where none is known. */
  readonly trainingSeconds: number | null;
}

/** By the rows' names. */
export type Answers = ReadonlyMap<string, RowAnswers>;

export async function collectAnswers(run: Run, rows: readonly Row[]): Promise<Answers> {
  const stored = new Map<string, ReadonlyMap<number, Answered>>();
  const categories = new Map((await run.questions.test()).map((question) => [question.question_id, question.category]));
  const actions = run.parts.actions().map(({ name }) => name);
  const collected = new Map<string, RowAnswers>();
  for (const { name, evaluation } of rows) {
    const answers = new Map<number, Answered>();
    const used = new Set<string>();
    for (const [id, category] of categories) {
      const from = evaluation(category);
      if (from === null) continue;
      used.add(from);
      const file = stored.get(from) ?? (await readAnswers(run, from));
      stored.set(from, file);
      answers.set(id, file.get(id)!);
    }
    collected.set(name, { answers, actions, trainingSeconds: trainingSeconds(run, [...used]) });
  }
  return collected;
}

function trainingSeconds({ records }: Run, evaluations: readonly string[]): number | null {
  const all = records.all();
  const paces = evaluations.flatMap((name) => {
    const finished = all[trainName(name)]?.finished;
    const pace = finished?.pace;
    if (finished === null || finished === undefined || pace === undefined) return [];
    // A resumed training's pace is of its last part.
    const { metrics } = finished.result as { readonly metrics: { readonly steps: number } };
    return [(pace.seconds / pace.units) * metrics.steps];
  });
  return paces.length === 0 ? null : paces.reduce((sum, one) => sum + one, 0);
}
