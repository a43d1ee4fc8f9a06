/** What a training learns from does not depend on the order in which rollouts ended. */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import type { Judge } from '../../../src/judge/judge.js';
import { Run } from '../../../src/run/run.js';
import { generateStage } from '../../../src/stages/generate.js';
import { perform } from '../../../src/stages/stage.js';
import { readTrainingSet } from '../../../src/stages/trainingSet.js';
import { hashOfSamples } from '../../../src/train/checkpoint.js';
import { methods } from '../../../src/train/methods.js';
import { temporaryFolder } from '../cli/runCli.js';
import { continuations, ScriptedGenerator } from '../inference/scripted.js';
import { tableJudge } from '../rollout/parts.js';

const SET = { selection: 'max-score', tau: 6 } as const;
const MODEL = continuations([
  ['<input>', 'It is so.</input><answer>The answer is (A).</answer>'],
  ['\n', '<thought>Think.</thought>'],
]);
const judge = tableJudge(() => ({ scores: { think: 8 }, processOk: true })) as Judge;

it('learns the same from lines in another order', async () => {
  const config = {
    name: path.join(temporaryFolder(), 'run'),
    questions: { trainLimit: 14, testLimit: 0 },
    tools: { enabled: ['calculator'] },
  };
  await using run = await Run.open(config, { parts: { generator: async () => new ScriptedGenerator(MODEL), judge } });
  await perform(run, generateStage(SET));
  const read = () => readTrainingSet(run, { ...SET, rho: 0 }, methods.ppo.with(run.config.ppo));
  const { samples } = await read();
  expect(samples).toHaveLength(14);
  const file = run.folder.trajectoriesFile('max-score');
  const lines = readFileSync(file, 'utf8').trim().split('\n');
  writeFileSync(file, `${lines.toReversed().join('\n')}\n`);
  const again = await read();
  expect(again.samples.map(({ id }) => id)).toEqual(samples.map(({ id }) => id));
  expect(hashOfSamples(again.samples)).toBe(hashOfSamples(samples));
});
