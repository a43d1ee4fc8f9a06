/** With little memory the tokens of a pass are lowered; with too little the pass throws with the numbers. */
import { describe, expect, it, vi } from 'vitest';
import { openModel } from '../../../src/engine/index.js';
import type { Adapter } from '../../../src/engine/types.js';
import { fitMicroBatch } from '../../../src/train/microBatch.js';
import { trainPpo } from '../../../src/train/ppo.js';
import { trainSft } from '../../../src/train/sft.js';
import { type Sample, sftSample } from '../../../src/trajectory/sample.js';
import { exampleTrajectories, FIXTURE_MODEL, learner, recordingContext, rewarded, settings } from './support.js';

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

/** How many sequences each call of an accumulate method is given from now on. */
function passesOf(adapter: Adapter, method: 'accumulateSft' | 'accumulatePolicy'): () => number[] {
  const spy = vi.spyOn(adapter, method);
  return () => spy.mock.calls.map(([batch]) => batch.cuSeqlens!.length - 1);
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

  /** The sample behind the same 140 tokens in all of them. */
  const behind = (sample: Sample): Sample => {
    const [tokens, lossMask] = [new Int32Array(140 + sample.tokens.length), new Uint8Array(140 + sample.tokens.length)];
    tokens.fill(7).set(sample.tokens, 140);
    lossMask.set(sample.lossMask, 140);
    const stepOf = new Int32Array(tokens.length).fill(-1);
    stepOf.set(sample.stepOf, 140);
    return { ...sample, tokens, lossMask, stepOf, valuePositions: sample.valuePositions.map((at) => at + 140) };
  };

  it('counts once what all begin with: passes hold more trajectories, and take what was planned', async () => {
    const alike = samples.map(behind);
    const { model, adapter } = await open(0);
    expect(model.info.prefixUnit).toBe(64);
    const { context, rows } = recordingContext(model);
    expect(await fitMicroBatch([adapter], alike, 600, context)).toBe(600);
    expect(rows[0]).toMatchObject({ microBatchTokens: 600, prefix: 128 });
    const needed = rows[0]!.bytes as number;
    model.dispose();

    // The planned memory is enough; with a byte less something has to be computed again.
    const tight = await open(needed);
    const passes = passesOf(tight.adapter, 'accumulateSft');
    const of = settings({ sft: { batchTrajectories: 24, microBatchTokens: 600, epochs: 1, learningRate: 5e-3 } }).sft;
    const recorded = recordingContext(tight.model);
    await trainSft({ actor: tight.adapter, samples: alike, settings: of, context: recorded.context });
    expect(recorded.rows[0]).toMatchObject({ microBatchTokens: 600, prefix: 128, bytes: needed, recompute: 'none' });
    // 128 tokens and 12 more with some twenty of its own for each: whole, three would fit.
    expect(Math.max(...passes())).toBeGreaterThan(10);
    expect(passes().reduce((sum, count) => sum + count, 0)).toBe(24);
    tight.model.dispose();
    const tighter = await open(needed - 1);
    const less = recordingContext(tighter.model);
    await fitMicroBatch([tighter.adapter], alike, 600, less.context);
    expect(less.rows[0]!.recompute).not.toBe('none');
    tighter.model.dispose();
  });

  it('PPO fills its passes likewise', async () => {
    const alike = rewarded(exampleTrajectories(24, 60)).map(behind);
    const { model, actor, critic } = await learner();
    const passes = passesOf(actor, 'accumulatePolicy');
    const ppo = { batchTrajectories: 24, microBatchTokens: 600, epochs: 1, iterations: 1, targetKl: 10 };
    const { context } = recordingContext(model);
    await trainPpo({ actor, critic, samples: alike, settings: settings({ ppo }).ppo, context });
    expect(Math.max(...passes())).toBeGreaterThan(10);
    expect(passes().reduce((sum, count) => sum + count, 0)).toBe(alike.length);
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
