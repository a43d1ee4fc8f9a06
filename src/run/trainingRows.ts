/** The rows of metrics.jsonl that belong to each stage's latest training. */
import type { TrainingRow } from '../evaluate/trainingHistory.js';
import type { StageTraining } from '../evaluate/warnings.js';
import type { MetricRow } from './metricsFile.js';

/** By stage, in the order in which they came. A resumed training continues the rows; what is done twice counts once. */
export function trainingRows(metrics: readonly MetricRow[]): StageTraining[] {
  const stages = new Map<string, Map<string, TrainingRow>>();
  for (const row of metrics) {
    if (typeof row.stage !== 'string') continue;
    const rows = stages.get(row.stage) ?? new Map<string, TrainingRow>();
    if (row.event === 'start' && row.resumed !== true) rows.clear();
    rows.set(`${row.event ?? 'step'} ${row.step ?? row.afterStep ?? row.beforeStep ?? ''}`, plainRow(row));
    stages.set(row.stage, rows);
  }
  return [...stages].map(([stage, rows]) => ({ stage, rows: [...rows.values()] }));
}

/** What of a row can be drawn or judged. */
export function plainRow(row: MetricRow): TrainingRow {
  const plain = Object.entries(row).filter(([, value]) => typeof value === 'number' || typeof value === 'string');
  return Object.fromEntries(plain) as TrainingRow;
}
