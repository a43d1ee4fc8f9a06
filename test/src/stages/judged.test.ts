/** The judged loss on real rollouts of the shipped model, judged by the oracle: from the tokenizer to metrics.jsonl. */
import path from 'node:path';
import { expect, it } from 'vitest';
import { Run } from '../../../src/run/run.js';
import { generateStage } from '../../../src/stages/generate.js';
import { perform } from '../../../src/stages/stage.js';
import { trainStage } from '../../../src/stages/train.js';
import { readLines, temporaryFolder } from '../cli/runCli.js';
import { full } from '../full.js';

const SET = { selection: 'min-score', tau: 6 } as const;
const SPARK = { name: 'spark', method: 'ppo', ...SET, rho: 0.5, init: 'base' } as const;

// The night's: half a minute of training. The table of each loss's parts is train/judged.test.ts's, the path through a stage
// experiments/sweep.test.ts's.
it.runIf(full)('lifts the rarest viable action, and not what is below τ', async () => {
  const name = path.join(temporaryFolder(), 'judged');
  const config = (ppo: object) => ({
    name,
    questions: { trainLimit: 42, testLimit: 14 },
    rollout: { maxSteps: 3, maxThoughtTokens: 48, maxInputTokens: 64, maxAnswerTokens: 24 },
    tools: { maxObservationChars: 160 },
    ppo: { iterations: 1, epochs: 4, batchTrajectories: 8, learningRate: 1e-3, init: 'base', ...ppo },
  });
  const run = await Run.open(config({ actionLoss: 'judged' }));
  await perform(run, generateStage(SET));
  await perform(run, trainStage(SPARK));
  const rows = readLines<Record<string, number | string>>(run.folder.metrics.file);
  const policy = rows.filter(({ event }) => event === 'policy') as Record<string, number>[];
  expect(policy.map(({ epochsDone }) => epochsDone)).toEqual([0, 1, 2, 3, 4]);
  const [first, last] = [policy[0]!, policy.at(-1)!];
  expect(first.decisions).toBeGreaterThan(42);
  const goal = rows.find(({ event }) => event === 'actions') as Record<string, number>;
  const along = (name: string, asked: string) => (last[name]! - first[name]!) / (goal[asked]! - first[name]!);
  expect(goal.goalKl).toBeCloseTo(0.2, 6);
  expect(goal.goalRarestViable).toBeGreaterThan(first.rarestViable!);
  expect(goal.goalBelowTau).toBeLessThan(first.belowTau!);
  // These are the states that are learned, so the policy gets most of the way to π* in them; taught the wrong way round, or
  // at the wrong token, it would not move along this way at all. A third leaves room for another model.
  expect(along('rarestViable', 'goalRarestViable')).toBeGreaterThan(1 / 3);
  expect(along('belowTau', 'goalBelowTau')).toBeGreaterThan(1 / 3);
  expect(last.belowTau).toBeLessThan(first.belowTau!);
  run.close();

  // What the scores say is part of what the stage depends on: with another ρ it is trained again.
  const again = await Run.open(config({ actionLoss: 'judged' }));
  await perform(again, trainStage(SPARK));
  await perform(again, trainStage({ ...SPARK, rho: 0.25 }));
  const starts = readLines<Record<string, unknown>>(again.folder.metrics.file).filter(({ event }) => event === 'start');
  expect(starts.map(({ rho }) => rho)).toEqual([0.5, 0.25]);
  again.close();
});
