/** A training that is stopped and goes on, as TensorBoard's file and an MLflow server show it: what metrics.jsonl has, once. */
import path from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { resolveConfig } from '../../../src/config/index.js';
import { silentLog } from '../../../src/log.js';
import type { MetricRow } from '../../../src/run/metricsFile.js';
import { Run } from '../../../src/run/run.js';
import { trainingRows } from '../../../src/run/trainingRows.js';
import { generateStage } from '../../../src/stages/generate.js';
import { perform } from '../../../src/stages/stage.js';
import { trainStage } from '../../../src/stages/train.js';
import { Points } from '../../../src/tracking/tracker.js';
import { readLines, temporaryFolder } from '../cli/runCli.js';
import { scalarsIn } from '../tracking/events.js';
import { MlflowServer } from '../tracking/mlflowServer.js';
import { SET, SHORT, spec } from './shortTraining.js';

const name = path.join(temporaryFolder(), 'tracked');
const PATCH = { name, ...SHORT };
let server: MlflowServer;
let warnings: string[] = [];

beforeAll(async () => {
  server = await MlflowServer.start();
  await using run = await Run.open(PATCH);
  await perform(run, generateStage(SET));
});
afterAll(() => server.close());
afterEach(() => vi.unstubAllEnvs());

async function train(stage: string, more: object = {}) {
  warnings = [];
  const log = { ...silentLog, warn: (message: string) => void warnings.push(message) };
  await using run = await Run.open({ ...PATCH, ...more }, { log });
  await perform(run, trainStage(spec(stage)));
}

/** Every number of the stage's rows: `train/loss 3 0.5`. */
function numbersOf(stage: string, shown: (value: number) => number): string[] {
  const rows = trainingRows(readLines<MetricRow>(path.join(name, 'metrics.jsonl'))).find(
    (one) => one.stage === stage,
  )!.rows;
  const points = new Points();
  return rows.flatMap((row) => {
    const { step, points: found } = points.of(row);
    return found.map(({ tag, value }) => `${tag} ${step} ${shown(value)}`);
  });
}
const events = (stage: string) => scalarsIn(path.join(name, 'tensorboard', stage));

it('has in both what metrics.jsonl has, once, after a stop and a resume', async () => {
  vi.stubEnv('MLFLOW_TRACKING_URI', server.url);
  const stopped = train('spark', { watch: { rules: { kl_past_target: 'stop' } } });
  await expect(stopped).rejects.toMatchObject({ code: 'failure_sign' });
  expect(server.runs).toMatchObject([{ name: 'tracked/spark', status: 'FAILED', experiment: 'spark-rl' }]);
  expect(server.metricsOf(0).sort()).toEqual(numbersOf('spark', Number).sort());
  expect(events('spark')).toEqual(numbersOf('spark', Math.fround));
  const before = events('spark').length;
  await train('spark', { watch: { rules: { kl_past_target: 'warn' } } });
  expect(events('spark')).toEqual(numbersOf('spark', Math.fround));
  expect(events('spark').length).toBeGreaterThan(before);
  expect(events('spark').at(-1)).toMatch(/^saved\//);
  expect(server.runs).toMatchObject([
    {
      status: 'FINISHED',
      params: { method: 'ppo', rho: '0.5', tau: '6', init: 'base', learningRate: '0.001', seed: '1' },
    },
  ]);
  expect(server.metricsOf(0).sort()).toEqual(numbersOf('spark', Number).sort());
});

it('trained afresh has another run of its own, and no curve of the old one', async () => {
  const tracking = { mlflow: { url: server.url, experiment: 'other' } };
  await train('spark', { tracking, seed: 2 });
  expect(server.runs.at(-1)).toMatchObject({ experiment: 'other', params: { seed: '2' }, status: 'FINISHED' });
  expect(events('spark')).toEqual(numbersOf('spark', Math.fround));
});

it('goes on under a server that refuses, and says so once', async () => {
  server.behave = () => 401;
  await train('refused', { tracking: { mlflow: { url: server.url }, tensorboard: false } });
  expect(warnings.filter((one) => one.includes('MLflow'))).toHaveLength(1);
  expect(() => events('refused')).toThrow(/ENOENT/);
});

it('goes on where the variable holds no URL, and refuses a configuration with credentials or none', async () => {
  vi.stubEnv('MLFLOW_TRACKING_URI', 'http://[');
  await train('nowhere', { tracking: { tensorboard: false } });
  expect(warnings.filter((one) => one.includes('not shown in MLflow'))).toHaveLength(1);
  const url = (given: string) => () => resolveConfig({ tracking: { mlflow: { url: given } } });
  expect(url('http://ada:Sup3rS3cret@flow.example')).toThrow(/tracking\.mlflow\.url holds a name, password or key/);
  expect(url('http://ada:Sup3rS3cret@flow.example')).toThrow(expect.not.stringContaining('Sup3rS3cret'));
  for (const bad of ['sqlite:///a.db', 'flow.example:5000', ''])
    expect(url(bad)).toThrow(/tracking\.mlflow\.url: expected the http/);
});
