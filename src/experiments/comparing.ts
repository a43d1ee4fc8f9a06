/** An experiment that trains and evaluates, and compares rows of evaluations over the seeds. */
import { type KeysOf, requireKeys } from '../options.js';
import type { EvaluatedPart } from '../stages/evaluate.js';
import { type Comparison, compare } from './comparison.js';
import { comparisonNotes, comparisonTables } from './comparisonText.js';
import type { Experiment } from './experiment.js';
import { type Answers, collectAnswers, type Row } from './rows.js';

export type ComparingExperiment = Experiment<Answers, Comparison>;

export interface ComparingSpec extends Pick<ComparingExperiment, 'name' | 'stages'> {
  /** Of the table. */
  readonly title: string;
  readonly rows: readonly Row[];
  /** Whose answers are compared; absent: the test questions'. */
  readonly questions?: EvaluatedPart;
}

const SPEC = {
  name: true,
  stages: true,
  title: true,
  rows: true,
  questions: true,
} as const satisfies KeysOf<ComparingSpec>;

export function comparing(spec: ComparingSpec): ComparingExperiment {
  requireKeys(spec, SPEC, 'comparing: experiment');
  const { name, title, stages, rows, questions = 'test' } = spec;
  const experiment: ComparingExperiment = {
    name,
    stages,
    collect: (run) => collectAnswers(run, rows, questions),
    summarize: (collected) => compare(rows, collected, questions),
    tables: (comparison) => comparisonTables(title, comparison),
    notes: comparisonNotes,
  };
  return experiment;
}
