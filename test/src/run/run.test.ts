/** What opening a run leaves behind: nothing, until a stage begins its work. */
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import type { ConfigPatch } from '../../../src/config/index.js';
import { SparkError } from '../../../src/errors.js';
import { listRuns } from '../../../src/run/catalogue.js';
import { withRun } from '../../../src/run/run.js';
import { perform, type Stage } from '../../../src/stages/stage.js';
import { temporaryFolder } from '../cli/runCli.js';

const base = temporaryFolder();
const at = (name: string) => path.join(base, name);
const storedTau = (name: string) =>
  JSON.parse(readFileSync(path.join(at(name), 'config.json'), 'utf8')).rollout.tau as number;

/** A stage whose one fact is τ and which, like trajectories, must not be made again under another. */
const stage: Stage<number> = {
  name: 'valuable',
  dependsOn: async ({ config }) => ({ tau: config.rollout.tau }),
  async prepare(_run, changed) {
    if (changed !== null && changed.length > 0) throw new SparkError('run_exists', 'made under another τ');
  },
  execute: async () => ({ result: 1, files: [], complete: true }),
};
const done = (name: string, patch: ConfigPatch) =>
  withRun({ ...patch, name: at(name) }, {}, (run) => perform(run, stage));

it('keeps the settings of a stage that began its work, and none that were refused', async () => {
  await done('kept', { rollout: { tau: 6 } });
  expect(storedTau('kept')).toBe(6);
  await expect(done('kept', { rollout: { tau: 7 } })).rejects.toMatchObject({ code: 'run_exists' });
  expect(storedTau('kept')).toBe(6);
});

it('keeps no settings when everything was done already', async () => {
  await done('again', { seed: 1 });
  const before = readFileSync(path.join(at('again'), 'config.json'), 'utf8');
  expect(await done('again', { seed: 2 })).toBe(1);
  expect(readFileSync(path.join(at('again'), 'config.json'), 'utf8')).toBe(before);
});

it('leaves no trace of a mistyped run', async () => {
  const mistyped = { ...stage, dependsOn: () => Promise.reject(new SparkError('no_data', 'train it first')) };
  const attempt = withRun({ name: at('mistyped') }, {}, (run) => perform(run, mistyped));
  await expect(attempt).rejects.toMatchObject({ code: 'no_data' });
  expect(existsSync(at('mistyped'))).toBe(false);
});

it('leaves the user’s own empty folder', async () => {
  mkdirSync(at('mine'));
  await withRun({ name: at('mine') }, {}, async () => {});
  expect(readdirSync(at('mine'))).toEqual([]);
  expect(listRuns(base).map(({ name }) => name)).not.toContain('mine');
});
