/** Event files: by the bytes of their framing, and as TensorBoard itself reads them. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import type { TrainingRow } from '../../../src/evaluate/trainingHistory.js';
import { silentLog } from '../../../src/log.js';
import { versionRecord } from '../../../src/tracking/eventFile.js';
import { TensorboardTracker } from '../../../src/tracking/tensorboard.js';
import { Points } from '../../../src/tracking/tracker.js';
import { temporaryFolder } from '../cli/runCli.js';
import { PYTHON, pythonHas } from '../python.js';
import { scalarsIn } from './events.js';

const ROWS: readonly TrainingRow[] = [
  { stage: 'spark', event: 'start', tau: 6, rho: 0.5 },
  { stage: 'spark', event: 'policy', epochsDone: 0, beforeStep: 1, entropyBits: 2 },
  { stage: 'spark', iteration: 0, epoch: 0, step: 1, loss: 0.5, gradNorm: 1e40 },
  { stage: 'spark', iteration: 0, epoch: 0, step: 2, loss: 'NaN', gradNorm: -3 },
  { stage: 'spark', event: 'policy', epochsDone: 1, afterStep: 2, entropyBits: 2.25 },
  { stage: 'spark', event: 'saved', effect: 0.125 },
];
const SCALARS = [
  'policy/entropyBits 0 2',
  'train/loss 1 0.5',
  'train/gradNorm 1 Infinity',
  'train/loss 2 NaN',
  'train/gradNorm 2 -3',
  'policy/entropyBits 2 2.25',
  'saved/effect 2 0.125',
];

let root: string;
let folder: string;
let warnings: string[];
const tracker = (now = 1000) =>
  new TensorboardTracker({
    ...{ folder, stage: 'spark', now: () => now },
    log: { ...silentLog, warn: (message) => void warnings.push(message) },
  });
const write = async (rows: readonly TrainingRow[], kept: readonly TrainingRow[] = []) => {
  const one = tracker();
  one.begin(kept);
  for (const row of rows) one.add(row);
  await one.close();
};

beforeEach(() => {
  root = temporaryFolder();
  folder = path.join(root, 'tensorboard', 'spark');
  warnings = [];
});

it('gives every number of a row its curve, at the steps that were done', () => {
  const points = new Points();
  const all = ROWS.flatMap((row) => {
    const { step, points: found } = points.of(row);
    return found.map(({ tag, value }) => `${tag} ${step} ${value}`);
  });
  expect(all).toEqual(SCALARS.map((one) => one.replace('train/gradNorm 1 Infinity', 'train/gradNorm 1 1e+40')));
});

describe('an event file', () => {
  it('begins with the bytes that every event file begins with', () => {
    // Of TensorFlow 2.x: 24 bytes, their checksum, wall time, "brain.Event:2".
    const bytes = versionRecord(1.5);
    expect(bytes.subarray(0, 12).toString('hex')).toBe('1800000000000000a37f4b22');
    expect(bytes.subarray(-21, -4).toString('latin1')).toContain('brain.Event:2');
  });

  it('has every number once, also where a training goes on from before its last rows', async () => {
    await write(ROWS.slice(0, 5));
    expect(scalarsIn(folder)).toEqual(SCALARS.slice(0, 6));
    // Killed after step 2 and gone on from step 1: the rows kept are those of metrics.jsonl.
    await write(ROWS.slice(3), ROWS.slice(0, 3));
    expect(scalarsIn(folder)).toEqual(SCALARS);
    await write(ROWS.slice(0, 3));
    expect(scalarsIn(folder)).toEqual(SCALARS.slice(0, 3));
    // An open TensorBoard goes on with the file whose name comes next, and stays for ever at one that is gone: the one that it
    // may be reading is emptied, the one before that is gone.
    const sizes = readdirSync(folder).map((name) => [name, statSync(path.join(folder, name)).size > 0]);
    expect(sizes).toEqual([
      ['events.out.tfevents.1001.spark-rl', false],
      ['events.out.tfevents.1002.spark-rl', true],
    ]);
  });

  it('is there after every row, whole', async () => {
    const one = tracker();
    one.begin([]);
    for (const [index, row] of ROWS.entries()) {
      one.add(row);
      expect(scalarsIn(folder).length).toBe(SCALARS.filter((_, at) => [0, 1, 3, 5, 6, 7][index]! > at).length);
    }
    await one.close();
  });

  it('that cannot be written is a warning, once, and the files of others stay', async () => {
    mkdirSync(path.join(root, 'tensorboard'));
    writeFileSync(folder, 'a file in its place');
    await write(ROWS);
    expect(warnings).toEqual([
      expect.stringMatching(/^spark: TensorBoard's file is not written any more.*metrics\.jsonl has every number/),
    ]);
    expect(readFileSync(folder, 'utf8')).toBe('a file in its place');
    folder = path.join(root, 'other');
    mkdirSync(folder);
    writeFileSync(path.join(folder, 'events.out.tfevents.1.elsewhere'), '');
    await write([]);
    expect(readdirSync(folder)).toContain('events.out.tfevents.1.elsewhere');
  });
});

describe.runIf(pythonHas('tensorboard'))('TensorBoard', () => {
  it('reads every number once, of a training that was killed and went on, too', async () => {
    await write(ROWS.slice(0, 5));
    await write(ROWS.slice(3), ROWS.slice(0, 3));
    const said = execFileSync(PYTHON, ['test/fixtures/read_events.py', path.join(root, 'tensorboard')], {
      stdio: ['ignore', 'pipe', 'pipe'],
      encoding: 'utf8',
    });
    expect(JSON.parse(said)).toEqual({
      spark: {
        'policy/entropyBits': [
          [0, 2],
          [2, 2.25],
        ],
        'train/loss': [
          [1, 0.5],
          [2, 'NaN'],
        ],
        'train/gradNorm': [
          [1, 'Infinity'],
          [2, -3],
        ],
        'saved/effect': [[2, 0.125]],
      },
    });
  });
});
