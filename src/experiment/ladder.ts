/**
 * The ladder (SPEC.md): base → base + tools → SFT → PPO without diversity → SPaRK. Every rung reads and extends the run
 * folder, so an interrupted ladder goes on where it stopped and a finished one only prints.
 */

import path from 'node:path';
import type { StageEvaluation } from '../evaluate/summary.js';
import { findWarnings, type Warning } from '../evaluate/warnings.js';
import { writeSealed, writeWhole } from '../sealed.js';
import { redactKnown } from '../secrets/redact.js';
import { evaluateStage, readEvaluation, type StageToEvaluate } from './evaluateStage.js';
import { generateStage } from './generateStage.js';
import type { MetricRow } from './metricsFile.js';
import { renderLadderTable, renderReport } from './report.js';
import type { Session } from './session.js';
import { type StageSpec, trainStage } from './trainStage.js';

export interface Ladder {
  readonly run: string;
  readonly stages: readonly { readonly name: string; readonly evaluation: StageEvaluation }[];
  readonly warnings: readonly Warning[];
  readonly seconds: number;
  /** Path of report.html */
  readonly report: string;
}

const BASE_STAGES: readonly StageToEvaluate[] = [
  { name: 'base', adapterPath: null, tools: false },
  { name: 'base-tools', adapterPath: null, tools: true },
];

export async function runLadder(session: Session): Promise<Ladder> {
  const started = performance.now();
  const { config } = session;
  for (const policy of new Set([config.sft.policy, 'max-score', 'min-score'] as const)) {
    await generateStage(session.with({ rollout: { policy } }));
  }
  for (const stage of BASE_STAGES) await evaluateStage(session, stage);
  for (const spec of trainedStages(session)) {
    await trainStage(session, spec);
    const adapterPath = await session.stageAdapter(spec.name);
    await evaluateStage(session, { name: spec.name, adapterPath, tools: true });
  }
  const ladder = { ...(await writeReport(session)), seconds: (performance.now() - started) / 1000 };
  await writeSealed(session.run.ladderFile, ladder);
  return ladder;
}

/** SPEC.md, Training sets. */
function trainedStages({ config }: Session): StageSpec[] {
  const { init } = config.ppo;
  return [
    { name: 'sft', method: 'sft', policy: config.sft.policy, rho: 0, init: 'base' },
    { name: 'ppo', method: 'ppo', policy: 'max-score', rho: 0, init },
    { name: 'spark', method: 'ppo', policy: 'min-score', rho: config.reward.rho, init },
  ];
}

/** Writes report.html from whatever the run has evaluated and trained so far. */
async function writeReport(session: Session): Promise<Omit<Ladder, 'seconds'>> {
  const { html, ...report } = await readReport(session);
  await writeWhole(session.run.reportFile, html);
  return { ...report, report: session.run.reportFile };
}

export interface Report extends Omit<Ladder, 'seconds' | 'report'> {
  readonly html: string;
}

/** What the run has evaluated and trained so far, as a page. Writes nothing. */
export async function readReport(session: Session): Promise<Report> {
  const { run, config } = session;
  const names = [...BASE_STAGES.map((stage) => stage.name), ...Object.keys(session.stages())];
  const stages: { name: string; evaluation: StageEvaluation }[] = [];
  for (const name of names) {
    const evaluation = await readEvaluation(session, name);
    if (evaluation !== null) stages.push({ name, evaluation });
  }
  const training = trainingRows(run.metrics.read());
  const warnings = findWarnings(stages, training, { targetKl: config.ppo.targetKl });
  const title = `spark-rl: ${path.basename(run.root)}`;
  const created = new Date().toISOString();
  const html = redactKnown(renderReport({ title, created, config, stages, training, warnings }));
  return { run: run.root, stages, warnings, html };
}

type TrainingRow = Readonly<Record<string, number | string>>;

/** Rows of each stage's latest training. A resumed one continues the rows before it; a step done twice counts once. */
function trainingRows(metrics: readonly MetricRow[]): { stage: string; rows: TrainingRow[] }[] {
  const stages = new Map<string, Map<string, TrainingRow>>();
  for (const row of metrics) {
    if (typeof row.stage !== 'string') continue;
    const rows = stages.get(row.stage) ?? new Map<string, TrainingRow>();
    if (row.event === 'start' && row.resumed !== true) rows.clear();
    const key = row.event === undefined ? `step ${row.step}` : `${row.event}`;
    if (row.event !== 'start') rows.set(key, plainRow(row));
    stages.set(row.stage, rows);
  }
  return [...stages].map(([stage, rows]) => ({ stage, rows: [...rows.values()] }));
}

function plainRow(row: MetricRow): TrainingRow {
  const plain = Object.entries(row).filter(([, value]) => typeof value === 'number' || typeof value === 'string');
  return Object.fromEntries(plain) as TrainingRow;
}

/** What a terminal shows at the end. */
export function ladderText(ladder: Ladder): string {
  const warnings = ladder.warnings.map((warning) => `! ${warning.stage}: [${warning.code}] ${warning.message}`);
  const minutes = `${(ladder.seconds / 60).toFixed(1)} minutes`;
  return [renderLadderTable(ladder.stages), ...warnings, `report: ${ladder.report}   (${minutes})`].join('\n');
}
