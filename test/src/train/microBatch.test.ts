/** With little memory the tokens of a pass are lowered; with too little the pass throws with the numbers. */
import { describe, expect, it } from 'vitest';
import { openModel } from '../../../src/engine/index.js';
import { fitMicroBatch } from '../../../src/train/microBatch.js';
import { trainSft } from '../../../src/train/sft.js';
import { sftSample } from '../../../src/trajectory/sample.js';
import { exampleTrajectories, FIXTURE_MODEL, recordingContext, settings } from './support.js';

async function open(memoryLimit: number) {
  const model = await openModel(FIXTURE_MODEL, { backend: 'cpu', threads: 2, memoryLimit });
  return { model, adapter: await model.createAdapter({ rank: 4 }) };
}

async function needOf(tokens: number, sequences: number, longest: number): Promise<number> {
  const { model, adapter } = await open(0);
  const plans = [];
  for (const recompute of ['none', 'cheap', 'block'] as const) {
    const other = await openModel(FIXTURE_MODEL, { backend: 'cpu', threads: 2, recompute });
    const own = await other.createAdapter({ rank: 4 });
    plans.push(await own.plan({ tokens, sequences, longest, lossTokens: tokens - sequences, values: 0 }));
    other.dispose();
  }
  const chosen = await adapter.plan({ tokens, sequences, longest, lossTokens: tokens - sequences, values: 0 });
  expect(chosen.recompute).toBe('none');
  expect(plans.map((plan) => plan.total)).toEqual([...plans.map((plan) => plan.total)].sort((a, b) => b - a));
  model.dispose();
  return plans.at(-1)!.total;
}

describe('fitMicroBatch', () => {
  const samples = exampleTrajectories(24, 60).map(sftSample);
  const longest = Math.max(...samples.map((sample) => sample.tokens.length));

  it('takes the budget where memory is plenty, and says so', async () => {
    const { model, adapter } = await open(0);
    const { context, rows, warnings } = recordingContext(model);
    expect(await fitMicroBatch([adapter], samples, 200, context)).toBe(200);
    expect(rows[0]).toMatchObject({ event: 'memory', microBatchTokens: 200, recompute: 'none' });
    expect(warnings).toEqual([]);
    model.dispose();
  });

  it('lowers it until it fits, and training still learns', async () => {
    const limit = await needOf(2 * longest, 2, longest);
    const { model, adapter } = await open(limit);
    const { context, rows, warnings } = recordingContext(model);
    const tokens = await fitMicroBatch([adapter], samples, 4096, context);
    expect(tokens).toBeLessThan(4096);
    expect(tokens).toBeGreaterThanOrEqual(longest);
    expect(rows[0]).toMatchObject({ recompute: 'block' });
    expect(warnings[0]).toMatch(/microBatchTokens was lowered/);
    const result = await trainSft({ actor: adapter, samples, settings: settings().sft, context });
    expect(Number.isFinite(result.finalLoss)).toBe(true);
    model.dispose();
  });

  it('refuses with numbers what no pass can hold', async () => {
    const { model, adapter } = await open(2e5);
    const { context } = recordingContext(model);
    const input = { actor: adapter, samples: samples.slice(0, 8), settings: settings().sft, context };
    await expect(trainSft(input)).rejects.toMatchObject({
      code: 'memory_limit',
      message: expect.stringMatching(/needs .* MB: base weights .* the limit is 0\.2 MB/),
    });
    model.dispose();
  });
});
