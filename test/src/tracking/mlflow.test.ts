/** A training in MLflow: what a good server gets, what a bad one does to a training (a warning), and what nobody gets to see. */
import { Writable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { TrainingRow } from '../../../src/evaluate/trainingHistory.js';
import { createLog } from '../../../src/log.js';
import { MlflowTracker, type Times } from '../../../src/tracking/mlflow.js';
import { mlflowEndpoint } from '../../../src/tracking/mlflowClient.js';
import { type Behaviour, MlflowServer } from './mlflowServer.js';

const TIMES: Times = { requestMs: 60_000, waitsMs: [1, 1], gatherMs: 1, againMs: 1, closeMs: 60_000 };

let server: MlflowServer;
let said: string;
let remembered: TrainingRow[];

beforeEach(async () => {
  server = await MlflowServer.start();
  [said, remembered] = ['', []];
});
afterEach(() => server.close());

const stream = new Writable({
  write(chunk, _encoding, done) {
    said += chunk;
    done();
  },
}) as unknown as NodeJS.WriteStream;

function tracker(times: Partial<Times> = {}, env: Record<string, string> = {}) {
  return new MlflowTracker({
    endpoint: mlflowEndpoint(server.url, env)!,
    ...{ experiment: 'mine', runName: 'run/spark', stage: 'spark', params: { rho: 0.5, tau: 6 } },
    log: createLog(stream),
    remember: (row) => remembered.push(row),
    times: { ...TIMES, ...times },
  });
}
const step = (number: number): TrainingRow => ({ stage: 'spark', step: number, loss: number / 2 });
const loss = (...steps: number[]) => steps.map((one) => `train/loss ${one} ${one / 2}`);
const warnings = () => said.split('\n').filter((line) => line.startsWith('warning'));
const until = async (holds: () => boolean) => {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 1));
};

describe('a good server', () => {
  it('gets an experiment, a run with its parameters, every number, and how it ended', async () => {
    for (const outcome of ['finished', 'interrupted'] as const) {
      const one = tracker();
      one.begin([]);
      for (const row of [step(1), { stage: 'spark', step: 2, loss: 'NaN' }, step(3)]) one.add(row);
      await one.close(outcome);
    }
    expect(server.experiments).toEqual(['Default', 'mine']);
    expect(server.runs).toMatchObject([
      { experiment: 'mine', name: 'run/spark', params: { rho: '0.5', tau: '6' }, status: 'FINISHED' },
      { experiment: 'mine', status: 'KILLED' },
    ]);
    expect(server.metricsOf(0)).toEqual([...loss(1), 'train/loss 2 NaN', ...loss(3)]);
    expect(remembered[0]).toEqual({
      stage: 'spark',
      event: 'mlflow',
      url: server.url,
      experiment: 'mine',
      runId: 'run-0',
    });
    expect(said).toBe('');
  });

  it('has the run at once, and numbers while the training runs, a thousand in a request at most', async () => {
    const one = tracker();
    one.begin([]);
    await until(() => server.runs.length === 1);
    for (let number = 1; number <= 2500; number++) one.add(step(number));
    await until(() => server.runs[0]!.metrics.length === 2500);
    await one.close('finished');
    expect(server.metricsOf(0)).toEqual(loss(...Array.from({ length: 2500 }, (_, index) => index + 1)));
    expect(server.requests.filter(({ call }) => call === 'runs/log-batch')).toHaveLength(1 + 3);
  });

  it('gets of a training that goes on only what it does not have', async () => {
    const first = tracker();
    first.begin([]);
    for (const number of [1, 2, 3]) first.add(step(number));
    await first.close('interrupted');
    // Killed after step 3, gone on from step 2; and the server had missed an event.
    const event = { stage: 'spark', event: 'target_kl', afterStep: 2, epochKl: 0.25 };
    const second = tracker();
    second.begin([remembered[0]!, step(1), step(2), event]);
    for (const number of [3, 4]) second.add(step(number));
    await second.close('finished');
    expect(server.metricsOf(0)).toEqual([...loss(1, 2, 3), 'target_kl/epochKl 2 0.25', ...loss(4)]);
    expect(server.runs).toMatchObject([{ status: 'FINISHED' }]);
    expect(remembered).toHaveLength(1);
  });

  it('gets a new run where it does not have the old one any more, or that is another server’s', async () => {
    const first = tracker();
    first.begin([]);
    first.add(step(1));
    await first.close('interrupted');
    server.runs[0]!.deleted = true;
    const kept = [
      { ...remembered[0]!, url: 'http://127.0.0.1:1' },
      remembered[0]!,
      { ...remembered[0]!, runId: 'run-9' },
    ];
    for (const row of kept) {
      const next = tracker();
      next.begin([row, step(1)]);
      await next.close('finished');
    }
    expect(server.runs).toHaveLength(4);
    expect([1, 2, 3].map((index) => server.metricsOf(index))).toEqual([loss(1), loss(1), loss(1)]);
    expect(said).toBe('');
  });
});

describe('a bad server', () => {
  /** Trains three steps; the server behaves so for its first `times` requests. */
  async function under(behaviour: Behaviour, times = Number.POSITIVE_INFINITY, more: Partial<Times> = {}) {
    let count = 0;
    server.behave = () => (count++ < times ? behaviour : 'ok');
    const one = tracker(more);
    one.begin([]);
    for (const number of [1, 2, 3]) one.add(step(number));
    return { one, requests: () => count };
  }

  it.each([503, 429, 'reset'] as const)('that fails twice (%s) is asked again, without a word', async (behaviour) => {
    const { one } = await under(behaviour, 2);
    await until(() => server.runs[0]?.metrics.length === 3);
    await one.close('finished');
    expect(server.metricsOf(0)).toEqual(loss(1, 2, 3));
    expect(said).toBe('');
  });

  it('that is away for longer is one warning, and gets everything when it is back', async () => {
    const { one } = await under('reset', 20);
    await until(() => server.runs[0]?.metrics.length === 3);
    one.add(step(4));
    await one.close('finished');
    expect(server.metricsOf(0)).toEqual(loss(1, 2, 3, 4));
    expect(warnings()).toEqual([
      expect.stringMatching(/^warning: spark: MLflow at http.* no reply \(.*the training goes on.*asked again/),
    ]);
  });

  it('that is down between creating a run and its parameters has one run in the end', async () => {
    let down = true;
    server.behave = (call) => (down && call === 'runs/log-batch' ? 503 : 'ok');
    const one = tracker();
    one.begin([step(1)]);
    await until(() => warnings().length > 0);
    down = false;
    await one.close('finished');
    expect(server.runs).toMatchObject([{ params: { rho: '0.5' }, status: 'FINISHED' }]);
    expect(server.metricsOf(0)).toEqual(loss(1));
  });

  it.each([401, 'page', 'redirect', 'strange'] as const)('that answers %s is left alone', async (behaviour) => {
    const { one, requests } = await under(behaviour);
    await until(() => said !== '');
    const asked = requests();
    one.add(step(4));
    await one.close('finished');
    expect(requests()).toBe(asked);
    expect(warnings()).toEqual([expect.stringMatching(/metrics\.jsonl has every number, and it is left alone/)]);
  });

  it.each(['hang', 'reset'] as const)(
    'that never answers (%s) does not keep a training from its end',
    async (behaviour) => {
      const { one } = await under(behaviour, undefined, { closeMs: 50, againMs: 60_000 });
      await one.close('finished');
      expect(warnings()).toHaveLength(1);
      expect(said).toContain('does not have 3 numbers');
    },
  );

  it('that is not there is the same', async () => {
    const one = tracker({ againMs: 60_000 });
    await server.close();
    one.begin([]);
    one.add(step(1));
    await until(() => said !== '');
    await one.close('failed');
    expect(warnings()).toEqual([expect.stringContaining('ECONNREFUSED')]);
    server = await MlflowServer.start();
  });
});

describe('credentials', () => {
  const KEY = 'p4ssw0rd-Zq81x/7';

  it('come from MLflow’s own variables, or from the URL in one, and go into the header alone', () => {
    const of = (env: Record<string, string>, url: string | null = null) => mlflowEndpoint(url, env);
    const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;
    const uri = 'https://flow.example/base/';
    expect(of({ MLFLOW_TRACKING_URI: uri })).toEqual({ url: 'https://flow.example/base', authorization: null });
    expect(of({ MLFLOW_TRACKING_URI: uri, MLFLOW_TRACKING_TOKEN: KEY })?.authorization).toBe(`Bearer ${KEY}`);
    const named = { MLFLOW_TRACKING_USERNAME: 'ada', MLFLOW_TRACKING_PASSWORD: KEY };
    expect(of(named, 'http://10.0.0.1:5000')).toEqual({
      url: 'http://10.0.0.1:5000',
      authorization: basic(`ada:${KEY}`),
    });
    const inside = of({ MLFLOW_TRACKING_URI: `https://ada:${encodeURIComponent(KEY)}@flow.example/?token=${KEY}` });
    expect(inside).toEqual({ url: 'https://flow.example', authorization: basic(`ada:${KEY}`) });
    for (const other of ['file:///tmp/mlruns', 'sqlite:///a.db', 'databricks', '']) {
      expect(of({ MLFLOW_TRACKING_URI: other })).toBeNull();
    }
    expect(of({})).toBeNull();
    expect(() => of({ MLFLOW_TRACKING_URI: `https://ada:${KEY} @[` })).toThrow(
      expect.objectContaining({ code: 'invalid_config', message: expect.not.stringContaining(KEY.slice(0, 6)) }),
    );
  });

  it('are not in what is said or remembered, whatever the server repeats', async () => {
    const env = { MLFLOW_TRACKING_USERNAME: 'ada', MLFLOW_TRACKING_PASSWORD: KEY };
    const good = tracker({}, env);
    good.begin([]);
    await good.close('finished');
    const { authorization } = server.requests[0]!;
    expect(authorization).toBe(mlflowEndpoint(server.url, env)!.authorization);
    server.behave = () => 'echo';
    const bad = tracker({}, env);
    bad.begin([]);
    await bad.close('finished');
    expect(warnings()).toEqual([expect.stringContaining('HTTP 400, X: got ')]);
    for (const text of [said, JSON.stringify(remembered)]) {
      expect(text).not.toContain(authorization!.slice(6));
      expect(text).not.toContain(KEY);
    }
  });
});
