/**
 * The ladder (docs/algorithm.md): base → base + tools → SFT → PPO without diversity → SPaRK, as a list of stages. Each
 * stage reads and extends the run folder: an interrupted ladder goes on where it stopped, a finished one only prints
 * its results.
 */
import type { Config } from '../config/index.js';
import { type RunReport, readReport } from '../report/read.js';
import { renderLadderTable } from '../report/text.js';
import { announceDisk } from '../run/disk.js';
import type { Run } from '../run/run.js';
import { writeSealed, writeWhole } from '../sealed.js';
import { BASE, BASE_TOOLS, evaluateStage } from '../stages/evaluate.js';
import { generateStage } from '../stages/generate.js';
import { perform, requireRun, type Stage } from '../stages/stage.js';
import type { TrainSpec } from '../stages/train.js';
import { type ComparingExperiment, comparing } from './comparing.js';
import { row } from './rows.js';
import { workOf } from './sweep.js';
import { policies, sftSpec, sparkSpec, trained, validationRollouts } from './trained.js';

export interface Ladder extends Omit<RunReport, 'html'> {
  readonly seconds: number;
  /** Path of report.html */
  readonly report: string;
}

/** The ladder's three trainings (docs/algorithm.md, Training sets). */
export function ladderTrainings(config: Config): TrainSpec[] {
  const { init } = config.ppo;
  const { tau } = config.rollout;
  return [
    sftSpec(config),
    { name: 'ppo', method: 'ppo', selection: 'max-score', tau, rho: 0, init },
    sparkSpec(config),
  ];
}

export function ladderStages(config: Config): Stage<unknown>[] {
  const { tau } = config.rollout;
  const selections = new Set([config.sft.selection, 'max-score', 'min-score'] as const);
  return [
    ...[...selections].map((selection) => generateStage({ selection, tau })),
    ...validationRollouts(config),
    evaluateStage(BASE),
    evaluateStage(BASE_TOOLS),
    ...ladderTrainings(config).flatMap((spec) => trained(spec)),
  ];
}

/** The ladder over seeds, every rung compared with the one before (`runSweep`). */
export function ladderExperiment(config: Config): ComparingExperiment {
  const rungs = [BASE.name, BASE_TOOLS.name, ...ladderTrainings(config).map(({ name }) => name)];
  const rows = rungs.map((name, rung) => row(name, ...rungs.slice(Math.max(0, rung - 1), rung)));
  const stages = [...ladderStages(config), ...policies(config, ladderTrainings(config))];
  return comparing({ name: 'ladder', title: 'The ladder', stages, rows });
}

export async function runLadder(run: Run): Promise<Ladder> {
  requireRun(run, 'runLadder');
  const started = performance.now();
  const stages = ladderStages(run.config);
  await announceDisk(run, workOf(stages));
  for (const stage of stages) await perform(run, stage);
  const { html, ...report } = await readReport(run);
  await writeWhole(run.folder.reportFile, html);
  const seconds = (performance.now() - started) / 1000;
  const ladder = { ...report, report: run.folder.reportFile, seconds };
  await writeSealed(run.folder.ladderFile, ladder);
  return ladder;
}

/** What a terminal shows at the end. */
export function ladderText(ladder: Ladder): string {
  const warnings = ladder.warnings.map((warning) => `! ${warning.stage}: [${warning.code}] ${warning.message}`);
  const minutes = `${(ladder.seconds / 60).toFixed(1)} minutes`;
  return [renderLadderTable(ladder.stages), ...warnings, `report: ${ladder.report}   (${minutes})`].join('\n');
}
