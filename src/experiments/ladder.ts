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
import { perform, type Stage } from '../stages/stage.js';
import { type TrainSpec, trainStage } from '../stages/train.js';

export interface Ladder extends Omit<RunReport, 'html'> {
  readonly seconds: number;
  /** Path of report.html */
  readonly report: string;
}

/** The ladder's three trainings (docs/algorithm.md, Training sets). */
export function ladderTrainings({ sft, ppo, rollout: { tau }, reward: { rho } }: Config): TrainSpec[] {
  const { init } = ppo;
  return [
    { name: 'sft', method: 'sft', selection: sft.selection, tau, rho: 0, init: 'base' },
    { name: 'ppo', method: 'ppo', selection: 'max-score', tau, rho: 0, init },
    { name: 'spark', method: 'ppo', selection: 'min-score', tau, rho, init },
  ];
}

export function ladderStages(config: Config): Stage<unknown>[] {
  const { tau } = config.rollout;
  const selections = new Set([config.sft.selection, 'max-score', 'min-score'] as const);
  return [
    ...[...selections].map((selection) => generateStage({ selection, tau })),
    evaluateStage(BASE),
    evaluateStage(BASE_TOOLS),
    ...ladderTrainings(config).flatMap((spec): Stage<unknown>[] => [
      trainStage(spec),
      evaluateStage({ name: spec.name, adapter: { stage: spec.name }, tools: true }),
    ]),
  ];
}

export async function runLadder(run: Run): Promise<Ladder> {
  const started = performance.now();
  const stages = ladderStages(run.config);
  const countOf = (kind: string) => stages.filter(({ name }) => name.startsWith(`${kind} `)).length;
  const work = { rolloutSets: countOf('generate'), trainings: countOf('train'), evaluations: countOf('evaluate') };
  await announceDisk(run, work);
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
