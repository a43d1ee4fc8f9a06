/** An experiment that trains and evaluates, and compares rows of evaluations over the seeds. */
import { type Comparison, compare } from './comparison.js';
import { comparisonNotes, comparisonTables } from './comparisonText.js';
import type { Experiment } from './experiment.js';
import { type Answers, collectAnswers, type Row } from './rows.js';

export type ComparingExperiment = Experiment<Answers, Comparison>;

export function comparing({
  name,
  title,
  stages,
  rows,
}: Pick<ComparingExperiment, 'name' | 'stages'> & { readonly title: string; readonly rows: readonly Row[] }) {
  const experiment: ComparingExperiment = {
    name,
    stages,
    collect: (run) => collectAnswers(run, rows),
    summarize: (collected) => compare(rows, collected),
    tables: (comparison) => comparisonTables(title, comparison),
    notes: comparisonNotes,
  };
  return experiment;
}
