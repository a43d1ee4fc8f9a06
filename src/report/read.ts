/** Reads what a run has evaluated and trained so far, and renders its page; writes nothing. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import type { StageEvaluation } from '../evaluate/summary.js';
import { findWarnings, type StageResult, type TrainingRow, type Warning } from '../evaluate/warnings.js';
import type { MetricRow } from '../run/metricsFile.js';
import type { StageRecord } from '../run/records.js';
import type { Run } from '../run/run.js';
import { redactKnown } from '../secrets/redact.js';
import { BASE, BASE_TOOLS, evaluateName, partialEvaluation } from '../stages/evaluate.js';
import { isIntact } from '../stages/stage.js';

export interface RunReport {
  /** The run's folder */
  readonly run: string;
  readonly stages: readonly StageResult[];
  readonly warnings: readonly Warning[];
  readonly html: string;
}

export async function readReport(run: Run): Promise<RunReport> {
  const { folder, config } = run;
  const records = run.records.all();
  const stages: StageResult[] = [];
  for (const name of evaluatedNames(records)) {
    const evaluation = await readEvaluation(run, name, records[evaluateName(name)]!);
    if (evaluation !== null) stages.push({ name, evaluation });
  }
  const training = trainingRows(folder.metrics.read());
  const warnings = findWarnings(stages, training, { targetKl: config.ppo.targetKl });
  const title = `spark-rl: ${path.basename(folder.root)}`;
  const created = new Date().toISOString();
  const { renderReport } = await import('./page.js'); // loads echarts: a second of which most commands draw nothing
  const html = redactKnown(renderReport({ title, created, config, stages, training, warnings }));
  return { run: folder.root, stages, warnings, html };
}

/** Names of the evaluations: the untrained stages first, as in the ladder, then in the order in which they began. */
function evaluatedNames(records: Readonly<Record<string, StageRecord>>): string[] {
  const prefix = evaluateName('');
  const began = Object.keys(records).filter((name) => name.startsWith(prefix));
  const names = began.map((name) => name.slice(prefix.length));
  const first = [BASE.name, BASE_TOOLS.name].filter((name) => names.includes(name));
  return [...new Set([...first, ...names])];
}

/** The stored result of a finished evaluation; of an unfinished one a summary of its trajectories so far. */
async function readEvaluation(run: Run, name: string, record: StageRecord): Promise<StageEvaluation | null> {
  const file = run.folder.evalFile(name);
  const { finished } = record;
  if (finished !== null && (await isIntact(run, { name: evaluateName(name) }, finished))) {
    return finished.result as StageEvaluation;
  }
  if (!existsSync(file)) return null;
  const partial = await partialEvaluation(run, name);
  if (partial === null) return null;
  const { result, left } = partial;
  if (left > 0) {
    run.log.warn(
      `${file} is not finished: ${left} of ${result.questions} questions have no answer yet and count as wrong; ` +
        `spark-rl eval --run ${run.folder.root} --stage ${name} goes on with it`,
    );
  }
  return result;
}

/** Rows of each stage's latest training. A resumed training continues the rows; a step done twice counts once. */
function trainingRows(metrics: readonly MetricRow[]): { stage: string; rows: TrainingRow[] }[] {
  const stages = new Map<string, Map<string, TrainingRow>>();
  for (const row of metrics) {
    if (typeof row.stage !== 'string') continue;
    const rows = stages.get(row.stage) ?? new Map<string, TrainingRow>();
    if (row.event === 'start' && row.resumed !== true) rows.clear();
    // One row of an event is drawn, but `policy` tells of every epoch.
    const key = row.event === undefined ? `step ${row.step}` : `${row.event} ${row.epochsDone ?? ''}`;
    if (row.event !== 'start') rows.set(key, plainRow(row));
    stages.set(row.stage, rows);
  }
  return [...stages].map(([stage, rows]) => ({ stage, rows: [...rows.values()] }));
}

function plainRow(row: MetricRow): TrainingRow {
  const plain = Object.entries(row).filter(([, value]) => typeof value === 'number' || typeof value === 'string');
  return Object.fromEntries(plain) as TrainingRow;
}
