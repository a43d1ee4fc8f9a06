/** An experiment: stages that are done in the run of every seed, what is read out of each run, and what is said of all. */
import type { Table } from '../report/tables.js';
import type { Run } from '../run/run.js';
import type { Stage } from '../stages/stage.js';

export interface Experiment<Collected, Summary extends object> {
  /** Names its result file: `ladder`, `ablate-rho`. */
  readonly name: string;
  /** What has to be done in each run, in this order. A stage that other experiments have, too, is done once. */
  readonly stages: readonly Stage<unknown>[];
  /** Reads what is compared out of a run whose stages are done. */
  collect(run: Run): Promise<Collected>;
  /** Plain data over all seeds, for the result file. */
  summarize(collected: readonly Seeded<Collected>[]): Summary;
  /** The same for people. */
  tables(summary: Summary): readonly Table[];
  /** Sentences under the tables. */
  notes(summary: Summary): readonly string[];
}

export interface Seeded<Collected> {
  readonly seed: number;
  readonly collected: Collected;
}
