/** Reads what a run has evaluated and trained so far, and renders its page; writes nothing. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import type { StageEvaluation } from '../evaluate/summary.js';
import { findWarnings, type StageResult, type Warning } from '../evaluate/warnings.js';
import type { StageRecord } from '../run/records.js';
import type { Run } from '../run/run.js';
import { trainingRows } from '../run/trainingRows.js';
import { redactKnown } from '../secrets/redact.js';
import { evaluatedNames, evaluateName, partialEvaluation } from '../stages/evaluate.js';
import { isIntact } from '../stages/stage.js';
import { thresholdsOf } from '../stages/watchTraining.js';
import type { ReportInput } from './input.js';
import { readTranscripts } from './readTranscripts.js';

export interface RunReport {
  /** The run's folder */
  readonly run: string;
  readonly stages: readonly StageResult[];
  readonly warnings: readonly Warning[];
  readonly html: string;
}

export async function readReport(run: Run): Promise<RunReport> {
  const { folder, config } = run;
  const { stages, training, warnings } = await readParts(run);
  const transcripts = await readTranscripts(run, stages);
  const title = `spark-rl: ${path.basename(folder.root)}`;
  const created = new Date().toISOString();
  const { renderReport } = await import('./page.js'); // loads echarts: a second of which most commands draw nothing
  const html = redactKnown(renderReport({ title, created, config, stages, training, warnings, ...transcripts }));
  return { run: folder.root, stages, warnings, html };
}

/** What a run's page is made of. */
export async function readParts(run: Run): Promise<Pick<ReportInput, 'stages' | 'training' | 'warnings'>> {
  const { folder, config } = run;
  const records = run.records.all();
  const stages: StageResult[] = [];
  for (const name of evaluatedNames(records)) {
    const evaluation = await readEvaluation(run, name, records[evaluateName(name)]!);
    if (evaluation !== null) stages.push({ name, evaluation });
  }
  const training = trainingRows(folder.metrics.read());
  const warnings = findWarnings(stages, training, thresholdsOf(config), config.watch.rules);
  return { stages, training, warnings };
}

/** The stored result of a finished evaluation; of an unfinished one a summary of its trajectories so far. */
async function readEvaluation(run: Run, name: string, record: StageRecord): Promise<StageEvaluation | null> {
  const file = run.folder.evalFile(name);
  const { finished } = record;
  if (finished !== null && (await isIntact(run, { name: evaluateName(name) }, finished))) {
    return finished.result as StageEvaluation;
  }
  if (!existsSync(file)) return null;
  if (run.parts.lost) {
    run.log.warn(
      `${file} is not finished, and is not shown: its actions are those of ${run.config.parts}, which did not load`,
    );
    return null;
  }
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
