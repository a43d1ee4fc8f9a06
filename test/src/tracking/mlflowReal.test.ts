/** The same against a real MLflow server, of its Python package: what it stored is read back by its own API. */
import { type ChildProcess, spawn } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TrainingRow } from '../../../src/evaluate/trainingHistory.js';
import { silentLog } from '../../../src/log.js';
import { MlflowTracker } from '../../../src/tracking/mlflow.js';
import { mlflowEndpoint } from '../../../src/tracking/mlflowClient.js';
import { temporaryFolder } from '../cli/runCli.js';
import { PYTHON, pythonHas } from '../python.js';

/** What of its replies is looked at. */
interface Reply {
  readonly run: { readonly info: { readonly status: string }; readonly data: { readonly params: readonly object[] } };
  readonly metrics: readonly { readonly step: number | string; readonly value: unknown }[];
  readonly experiment: { readonly experiment_id: string };
  readonly runs: readonly object[];
}

describe.runIf(pythonHas('mlflow.server'))('MLflow itself', () => {
  let server: ChildProcess;
  let url: string;

  beforeAll(async () => {
    const folder = temporaryFolder();
    const store = [
      '--backend-store-uri',
      `sqlite:///${folder}/flow.db`,
      '--artifacts-destination',
      `${folder}/artifacts`,
    ];
    const args = ['-m', 'mlflow', 'server', '--host', '127.0.0.1', '--port', '0', '--workers', '1', ...store];
    // Its server is a child of it: all of its group ends with it.
    server = spawn(PYTHON, args, { cwd: folder, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    url = await new Promise<string>((resolve, reject) => {
      let said = '';
      const read = (chunk: unknown) => {
        said += chunk;
        const found = /running on (http:\/\/127\.0\.0\.1:\d+)/.exec(said);
        if (found !== null) resolve(found[1]!);
      };
      server.stdout!.on('data', read);
      server.stderr!.on('data', read);
      server.once('exit', () => reject(new Error(`mlflow server ended: ${said}`)));
    });
  });
  afterAll(() => {
    if (server?.pid !== undefined && server.exitCode === null) process.kill(-server.pid);
  });

  const call = async (name: string, body?: object) => {
    const init = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) };
    const reply = await fetch(`${url}/api/2.0/mlflow/${name}`, {
      headers: { 'content-type': 'application/json' },
      ...init,
    });
    return reply.json() as Promise<Reply>;
  };
  const history = async (runId: string, key: string) => {
    const { metrics } = await call(`metrics/get-history?run_id=${runId}&metric_key=${encodeURIComponent(key)}`);
    return metrics.map(({ step, value }) => [Number(step), value]);
  };

  it('has a run of each training, and of one that went on every number once', async () => {
    const warnings: string[] = [];
    const remembered: TrainingRow[] = [];
    const train = async (
      kept: readonly TrainingRow[],
      rows: readonly TrainingRow[],
      outcome: 'finished' | 'interrupted',
    ) => {
      const tracker = new MlflowTracker({
        endpoint: mlflowEndpoint(url, {})!,
        ...{ experiment: 'spark-rl test', runName: 'run/spark', stage: 'spark', params: { rho: 0.5, init: 'sft' } },
        log: { ...silentLog, warn: (message) => void warnings.push(message) },
        remember: (row) => remembered.push(row),
      });
      tracker.begin(kept);
      for (const row of rows) tracker.add(row);
      await tracker.close(outcome);
    };
    const step = (number: number, value: number | string): TrainingRow => ({
      stage: 'spark',
      step: number,
      loss: value,
    });
    const first = [step(1, 0.5), step(2, 'NaN'), step(3, 'Infinity')];
    await train([], first, 'interrupted');
    const runId = String(remembered[0]!.runId);
    expect((await call(`runs/get?run_id=${runId}`)).run.info).toMatchObject({
      status: 'KILLED',
      run_name: 'run/spark',
    });
    const policy = { stage: 'spark', event: 'policy', afterStep: 2, entropyBits: 2.5 };
    await train([remembered[0]!, ...first.slice(0, 2), policy], [step(3, 'Infinity'), step(4, -1e300)], 'finished');
    expect(warnings).toEqual([]);
    const { run } = await call(`runs/get?run_id=${runId}`);
    expect(run.info.status).toBe('FINISHED');
    expect(run.data.params).toEqual(
      expect.arrayContaining([
        { key: 'rho', value: '0.5' },
        { key: 'init', value: 'sft' },
      ]),
    );
    const values = await history(runId, 'train/loss');
    expect(values.map(([number]) => number)).toEqual([1, 2, 3, 4]);
    expect([values[0]![1], values[3]![1]]).toEqual([0.5, -1e300]);
    expect(await history(runId, 'policy/entropyBits')).toEqual([[2, 2.5]]);
    const { experiment } = await call('experiments/get-by-name?experiment_name=spark-rl%20test');
    const { runs } = await call('runs/search', { experiment_ids: [experiment.experiment_id] });
    expect(runs).toHaveLength(1);
  });
});
