/** The authors' rollouts in a run: imported by the command line, learned from by SFT and PPO without a judge and a key. */
import path from 'node:path';
import { expect, it } from 'vitest';
import { resolveConfig } from '../../../src/config/index.js';
import type { Log } from '../../../src/log.js';
import { Run } from '../../../src/run/run.js';
import { generateStage } from '../../../src/stages/generate.js';
import { importStage } from '../../../src/stages/importRollouts.js';
import { perform } from '../../../src/stages/stage.js';
import { trainStage } from '../../../src/stages/train.js';
import type { Trajectory } from '../../../src/trajectory/trajectory.js';
import { readLines, temporaryFolder } from '../cli/runCli.js';
import { runHere } from '../cli/runHere.js';
import { rolloutRows, writeTable } from '../trajectory/sparkTable.js';

const folder = temporaryFolder();
const SET = { selection: 'min-score', tau: 6 } as const;

it('are imported once, marked, and train SFT and PPO', async () => {
  // Every fourth answers wrongly, every third has an incoherent step; the last one lacks a step.
  const rollouts = Array.from({ length: 24 }, (_, at) => rolloutRows(`q${at}`, 1 + (at % 3), at % 4 === 3 ? 'A' : 'B'));
  const file = writeTable(path.join(folder, 'full.parquet'), [
    ...rollouts.flat(),
    ...rolloutRows('q24', 3, 'B').slice(1),
  ]);
  const name = path.join(folder, 'paper');
  const imported = await runHere(['trajectories', 'import', file, '--run', name, '--json']);
  expect(imported.stderr).not.toContain('error');
  expect(imported.json()).toMatchObject({
    ...{ set: 'min-score-tau6', rows: 50, trajectories: 24, steps: 48, right: 18, wrong: 6, unanswered: 0 },
    ...{ forSft: 12, stepsWithoutReward: 0, leftOut: { missing_step: 1 } },
  });
  const stored = readLines<Trajectory>(path.join(name, 'trajectories', 'min-score-tau6.jsonl'));
  expect(stored).toHaveLength(24);
  expect(stored.every(({ tokenised }) => tokenised === 'later')).toBe(true);
  expect(new Set(stored.map(({ questionId }) => questionId)).size).toBe(24);
  const skips = readLines(path.join(name, 'trajectories', 'min-score-tau6.skips.jsonl'));
  expect(skips).toMatchObject([{ code: 'missing_step' }]);

  const warnings: string[] = [];
  const log: Log = { info() {}, warn: (line) => warnings.push(line), progress() {} };
  // The configuration of the run names the judge of real questions, of whom no key is known here.
  const config = resolveConfig({
    ...{ name, judge: { kind: 'api' }, sft: { selection: 'min-score', epochs: 1, batchTrajectories: 6 } },
    ...{
      ppo: { iterations: 1, epochs: 1, batchTrajectories: 8, init: 'base' },
      lora: { rank: 2, alpha: 4 },
      parity: { tokens: 16 },
    },
  });
  const run = await Run.open(config, { log });
  try {
    const sft = await perform(run, trainStage({ name: 'sft', method: 'sft', ...SET, rho: 0.5, init: 'base' }));
    expect(sft.metrics).toMatchObject({ samples: 12, steps: 2 });
    const ppo = { name: 'spark', method: 'ppo', ...SET, rho: 0.5, init: 'sft' } as const;
    expect((await perform(run, trainStage(ppo))).metrics).toMatchObject({ samples: 24, steps: 3 });
    expect(warnings.join('\n')).toMatch(/24 of 24 trajectories were written by imported:spark, as texts/);
    // Mean of ρ (best − chosen): 9 − 6 or 9 − 7 by turns, and of the verdicts.
    const rewards = readLines<{ event?: string }>(run.folder.metrics.file).find(({ event }) => event === 'rewards');
    expect(rewards).toMatchObject({ steps: 48, stepsWithoutVerdict: 0, rewardDiversity: (32 * 1.5 + 16) / 48 });
    const judged = { ...ppo, name: 'judged', settings: { actionLoss: 'judged' } };
    await expect(perform(run, trainStage(judged))).rejects.toThrow(/ppo.actionLoss: judged .* of step 0 of q0:/);
    const bonus = { ...ppo, name: 'bonus', settings: { entropyBonus: 0.1, baseline: 'judged' } };
    await expect(perform(run, trainStage(bonus))).rejects.toThrow(
      /ppo.baseline: judged and ppo.entropyBonus: 0.1 learns/,
    );
    // A set has one origin.
    await expect(perform(run, generateStage(SET))).rejects.toMatchObject({ code: 'run_exists' });
    writeTable(file, rollouts.flat());
    await expect(perform(run, importStage({ files: [file], ...SET }))).rejects.toMatchObject({ code: 'run_exists' });
  } finally {
    run.close();
  }
});
