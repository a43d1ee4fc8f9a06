/** Training never continues from a damaged checkpoint, and the error says what to remove. */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, it } from 'vitest';
import { toSparkError } from '../../../src/errors.js';
import { trainPpo } from '../../../src/train/ppo.js';
import {
  exampleTrajectories,
  FIXTURE_MODEL,
  type Opened,
  openLearner,
  recordingContext,
  rewarded,
  settings,
} from './support.js';

const root = mkdtempSync(path.join(tmpdir(), 'spark-checkpoint-'));
const sound = path.join(root, 'sound');
const damaged = path.join(root, 'damaged');

async function train({ model, actor, critic }: Opened, checkpointFolder: string, stopAfter = -1): Promise<number[]> {
  const stop = new AbortController();
  const begun: number[] = [];
  const { context } = recordingContext(model, {
    checkpointFolder,
    signal: stop.signal,
    begin: async (step) => void begun.push(step),
    metrics: ({ step }) => {
      if (step === stopAfter) stop.abort();
    },
  });
  const samples = rewarded(exampleTrajectories(12, model.info.vocabulary));
  const { ppo } = settings();
  await trainPpo({ actor, critic, samples, settings: ppo, context });
  return begun;
}

it('refuses a cut, a changed or a missing file of a checkpoint', async () => {
  const learner = await openLearner();
  await expect(train(learner, sound, 4)).rejects.toMatchObject({ code: 'interrupted' });
  const folder = readdirSync(sound).find((name) => name.startsWith('step-'))!;
  const files = ['latest.json', ...readdirSync(path.join(sound, folder)).map((name) => path.join(folder, name))];
  // latest.json, the states of actor and critic, and three arrays.
  expect(files).toHaveLength(6);
  const refused = async (name: string) => {
    const error = toSparkError(await train(learner, damaged).catch((thrown: unknown) => thrown));
    expect(error.code, name).toBe('invalid_file');
    expect(error.message).toContain(path.join(damaged, name));
    expect(error.message).toContain(`remove the folder ${damaged}: this stage then starts afresh`);
  };
  for (const name of files) {
    const file = path.join(damaged, name);
    const whole = readFileSync(path.join(sound, name));
    cpSync(sound, damaged, { recursive: true });
    for (const length of [0, 1, whole.length >> 1, whole.length - 2]) {
      writeFileSync(file, whole.subarray(0, length));
      await refused(name);
    }
    const flipped = Buffer.from(whole);
    flipped[whole.length - 6]! ^= 1;
    writeFileSync(file, flipped);
    await refused(name);
    if (name !== 'latest.json') {
      rmSync(file);
      await refused(name);
    }
    rmSync(damaged, { recursive: true });
  }
  expect(await train(learner, damaged)).toEqual([0]);
  expect(await train(learner, sound)).toEqual([4]);
  learner.model.dispose();
});

it('refuses a checkpoint of another model, also one of the same shape', async () => {
  const folder = path.join(root, 'other-model');
  const learner = await openLearner();
  await expect(train(learner, folder, 4)).rejects.toMatchObject({ code: 'interrupted' });
  learner.model.dispose();
  const bytes = readFileSync(FIXTURE_MODEL);
  bytes[bytes.length - 4]! ^= 1; // the last bits of a weight
  const file = path.join(root, 'other.gguf');
  writeFileSync(file, bytes);
  const other = await openLearner('own', file);
  await expect(train(other, folder)).rejects.toMatchObject({
    code: 'invalid_file',
    message: expect.stringContaining('another model'),
  });
  other.model.dispose();
});
