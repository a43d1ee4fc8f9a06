import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { stepReward } from '../../../src/reward.js';
import { sft as method, trainSft } from '../../../src/train/sft.js';
import { sftSample } from '../../../src/trajectory/sample.js';
import { exampleTrajectories, learner, recordingContext, settings, stepsOf } from './support.js';

describe('trainSft', () => {
  it('takes right, coherent trajectories only; a missing verdict is not a good one', () => {
    const [good, wrong, incoherent, unknown] = exampleTrajectories(4, 60).map((t) => ({
      ...t,
      steps: t.steps.map((step) => ({ ...step, processOk: true as boolean | null })),
    }));
    const objective = method.with({});
    const kept = [
      good!,
      { ...wrong!, correct: false },
      { ...incoherent!, steps: incoherent!.steps.map((step) => ({ ...step, processOk: false })) },
      { ...unknown!, steps: unknown!.steps.map((step) => ({ ...step, processOk: null })) },
    ].filter((one) => objective.sample(one, (step) => stepReward(step, 0)) !== null);
    expect(kept.map((t) => t.id)).toEqual([good!.id]);
  });

  it('learns its trajectories by heart', async () => {
    const { model, actor } = await learner();
    const samples = exampleTrajectories(6, model.info.vocabulary).map(sftSample);
    const recorded = recordingContext(model);
    const { sft } = settings({ sft: { batchTrajectories: 6, epochs: 30, learningRate: 3e-2 } });
    const result = await trainSft({ actor, samples, settings: sft, context: recorded.context });
    const steps = stepsOf(recorded);
    expect(steps[0]!.loss).toBeGreaterThan(3);
    expect(result.finalLoss).toBeLessThan(0.6 * (steps[0]!.loss as number));
  });

  it('does not depend on how a batch is cut into micro-batches', async () => {
    const losses: number[][] = [];
    for (const microBatchTokens of [32, 4096]) {
      const { model, actor } = await learner();
      const recorded = recordingContext(model);
      const { sft } = settings({ sft: { batchTrajectories: 4, epochs: 2, learningRate: 5e-3, microBatchTokens } });
      const samples = exampleTrajectories(8, model.info.vocabulary).map(sftSample);
      await trainSft({ actor, samples, settings: sft, context: recorded.context });
      losses.push(stepsOf(recorded).map((row) => row.loss as number));
    }
    losses[0]!.forEach((loss, step) => {
      expect(loss).toBeCloseTo(losses[1]![step]!, 4);
    });
  });

  it('goes on after an interruption exactly as if there had been none', async () => {
    const { sft } = settings();
    const straight = await learner();
    const samples = exampleTrajectories(12, straight.model.info.vocabulary).map(sftSample);
    const whole = recordingContext(straight.model);
    const common = { samples, settings: sft };
    await trainSft({ ...common, actor: straight.actor, context: whole.context });

    const folder = path.join(mkdtempSync(path.join(tmpdir(), 'sft-')), 'checkpoints');
    const controller = new AbortController();
    const first = await learner();
    const before = recordingContext(first.model, { checkpointFolder: folder, signal: controller.signal });
    const context = {
      ...before.context,
      metrics: (row: Readonly<Record<string, number | string>>) => {
        before.context.metrics(row);
        if (row.step === 2) controller.abort();
      },
    };
    await expect(trainSft({ ...common, actor: first.actor, context })).rejects.toMatchObject({ code: 'interrupted' });
    const second = await learner();
    const after = recordingContext(second.model, { checkpointFolder: folder });
    await trainSft({ ...common, actor: second.actor, context: after.context });
    expect([...stepsOf(before), ...stepsOf(after)]).toEqual(stepsOf(whole));
    expect(await second.actor.tensors('value')).toEqual(await straight.actor.tensors('value'));
  });

  it('keeps the last step: what is done with the adapter afterwards can fail and be tried again', async () => {
    const { sft } = settings();
    const folder = path.join(mkdtempSync(path.join(tmpdir(), 'sft-')), 'checkpoints');
    const first = await learner();
    const samples = exampleTrajectories(12, first.model.info.vocabulary).map(sftSample);
    const { context } = recordingContext(first.model, { checkpointFolder: folder });
    const result = await trainSft({ actor: first.actor, samples, settings: sft, context });
    const second = await learner();
    const again = recordingContext(second.model, { checkpointFolder: folder });
    expect(await trainSft({ actor: second.actor, samples, settings: sft, context: again.context })).toEqual(result);
    expect(stepsOf(again)).toEqual([]);
    expect(await second.actor.tensors('value')).toEqual(await first.actor.tensors('value'));
  });
});
