import { appendFileSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { beforeEach, expect, it } from 'vitest';
import { type MetricRow, MetricsFile } from '../../../src/run/metricsFile.js';

let metrics: MetricsFile;
beforeEach(() => {
  metrics = new MetricsFile(path.join(mkdtempSync(path.join(tmpdir(), 'spark-metrics-')), 'metrics.jsonl'));
});

const append = (...rows: readonly MetricRow[]) => {
  for (const row of rows) metrics.append(row);
};
const start = { stage: 'ppo', event: 'start', resumed: false };
const saved = { stage: 'ppo', event: 'saved' };
const step = (n: number, stage = 'ppo') => ({ stage, step: n });
const told = () => metrics.read().map(({ stage, step: n, event }) => `${stage} ${n ?? event}`);

it('takes out what an unfinished training wrote past the step it goes on from, and nothing else', async () => {
  append(start, step(1), step(2), saved);
  append(start, { stage: 'ppo', event: 'rewards' }, step(1), step(2), {
    stage: 'ppo',
    event: 'target_kl',
    afterStep: 2,
  });
  append(step(1, 'sft'), step(3), { stage: 'ppo', event: 'target_kl', afterStep: 3 }, step(9, 'sft'));
  await metrics.rewind('ppo', 2);
  append(step(3));
  const before = ['ppo start', 'ppo 1', 'ppo 2', 'ppo saved', 'ppo start', 'ppo rewards', 'ppo 1', 'ppo 2'];
  expect(told()).toEqual([...before, 'ppo target_kl', 'sft 1', 'sft 9', 'ppo 3']);
});

it('takes out what the next step writes again', async () => {
  const policy = (at: object) => ({ stage: 'ppo', event: 'policy', ...at });
  append(start, policy({ beforeStep: 1 }), step(1), policy({ afterStep: 1 }), policy({ beforeStep: 2 }), step(2));
  await metrics.rewind('ppo', 1);
  expect(metrics.read()).toEqual([start, policy({ beforeStep: 1 }), step(1), policy({ afterStep: 1 })]);
});

it('takes all of an unfinished training out when it begins afresh', async () => {
  append(start, step(1), saved, { stage: 'ppo', event: 'parity' }, start, { stage: 'ppo', event: 'rewards' }, step(1));
  await metrics.rewind('ppo', 0);
  append(start, step(1));
  expect(told()).toEqual(['ppo start', 'ppo 1', 'ppo saved', 'ppo parity', 'ppo start', 'ppo 1']);
});

it('cuts a torn line off, so that it takes no other with it', () => {
  append(step(1), { loss: Number.NaN });
  metrics.close();
  appendFileSync(metrics.file, '{"stage":"ppo","st');
  metrics = new MetricsFile(metrics.file);
  expect(metrics.read()).toEqual([step(1), { loss: 'NaN' }]);
  append(step(2));
  expect(readFileSync(metrics.file, 'utf8')).toBe(
    '{"stage":"ppo","step":1}\n{"loss":"NaN"}\n{"stage":"ppo","step":2}\n',
  );
});

it('names the line that is no row', () => {
  writeFileSync(metrics.file, '{"step":1}\n{"step":\n{"step":3}\n');
  expect(() => metrics.read()).toThrow(
    expect.objectContaining({ code: 'invalid_file', message: expect.stringContaining('line 2') }),
  );
});
