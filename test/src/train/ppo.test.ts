import { existsSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { stepReward } from '../../../src/reward.js';
import { collectSamples } from '../../../src/train/method.js';
import { ppo as method, trainPpo } from '../../../src/train/ppo.js';
import {
  exampleTrajectories,
  learner,
  type Opened,
  RHO,
  recordingContext,
  rewarded,
  settings,
  stepsOf,
} from './support.js';

describe('trainPpo', () => {
  it.each(['own', 'actor'] as const)(
    'raises the probability of what paid more than expected and teaches the critic the returns: trunk %s',
    async (criticTrunk) => {
      const { model, actor, critic } = await learner(criticTrunk);
      const samples = rewarded(exampleTrajectories(12, model.info.vocabulary));
      const recorded = recordingContext(model);
      const more = {
        ppo: {
          batchTrajectories: 12,
          iterations: 6,
          epochs: 4,
          learningRate: 1e-2,
          targetKl: 50,
          criticLearningRate: 1e-2,
          criticTrunk,
        },
      };
      const config = settings(more);
      const result = await trainPpo({
        actor,
        critic,
        samples,
        settings: config.ppo,
        context: recorded.context,
      });
      const steps = stepsOf(recorded);
      expect(result.steps).toBe(24);
      expect(steps[0]!.k3).toBeCloseTo(0, 6); // before the first update actor and reference are equal
      expect(steps[0]!.ratioMean).toBeCloseTo(1, 5);
      expect(steps.at(-1)!.valueLoss).toBeLessThan(0.5 * (steps[0]!.valueLoss as number));
      expect(steps[3]!.policyLoss).toBeLessThan(steps[0]!.policyLoss as number);
      const numbers = steps.flatMap((row) => Object.values(row)).filter((value) => typeof value === 'number');
      expect(numbers.filter((value) => !Number.isFinite(value))).toEqual([]);
    },
  );

  it('starts each iteration with the values and log-probs of that moment', async () => {
    const { model, actor, critic } = await learner();
    const samples = rewarded(exampleTrajectories(8, model.info.vocabulary));
    const recorded = recordingContext(model);
    const config = settings({
      ppo: { batchTrajectories: 8, iterations: 2, epochs: 3, learningRate: 1e-2, targetKl: 50 },
    });
    await trainPpo({ actor, critic, samples, settings: config.ppo, context: recorded.context });
    const steps = stepsOf(recorded);
    expect(steps[2]!.ratioMean).not.toBeCloseTo(1, 4);
    expect(steps[3]!.ratioMean).toBeCloseTo(1, 5); // new lp_old
    expect(steps[3]!.k3).toBeGreaterThan(1e-4); // the reference stays the one PPO started from
  });

  it('stops an epoch when its mean KL passes the target, and says so', async () => {
    const { model, actor, critic } = await learner();
    const samples = rewarded(exampleTrajectories(16, model.info.vocabulary));
    const recorded = recordingContext(model);
    const config = settings({
      ppo: { batchTrajectories: 2, iterations: 1, epochs: 2, learningRate: 3e-2, targetKl: 1e-3 },
    });
    const result = await trainPpo({
      actor,
      critic,
      samples,
      settings: config.ppo,
      context: recorded.context,
    });
    expect(result.epochsStopped).toBe(2);
    expect(result.steps).toBeLessThan(16);
    expect(recorded.warnings[0]).toMatch(/passed the target 0\.001/);
    expect(recorded.rows.filter((row) => row.event === 'target_kl')).toHaveLength(2);
  });

  it('over one trunk, with a coefficient of 0, teaches the actor what it learns beside a critic of its own', async () => {
    // One optimizer step, after which the two critics give different values.
    const once = { batchTrajectories: 8, iterations: 1, epochs: 1 };
    const reports: Record<string, number | string>[] = [];
    for (const criticTrunk of ['own', 'actor'] as const) {
      const { model, actor, critic } = await learner(criticTrunk);
      const samples = rewarded(exampleTrajectories(8, model.info.vocabulary));
      const recorded = recordingContext(model);
      const coefficient = criticTrunk === 'actor' ? { valueCoefficient: 0 } : {};
      const { ppo } = settings({ ppo: { ...once, criticTrunk, ...coefficient } });
      await trainPpo({ actor, critic, samples, settings: ppo, context: recorded.context });
      reports.push(stepsOf(recorded)[0]!);
    }
    for (const key of ['policyLoss', 'gradNorm', 'valueLoss', 'k3']) {
      expect(reports[1]![key]).toBeCloseTo(reports[0]![key] as number, 5);
    }
  });

  it('a coefficient above 0 reaches the actor', async () => {
    const norms: number[] = [];
    for (const valueCoefficient of [0, 100]) {
      const { model, actor, critic } = await learner('actor');
      const samples = rewarded(exampleTrajectories(8, model.info.vocabulary));
      const recorded = recordingContext(model);
      const { ppo } = settings({ ppo: { batchTrajectories: 8, criticTrunk: 'actor', valueCoefficient, targetKl: 50 } });
      await trainPpo({ actor, critic, samples, settings: ppo, context: recorded.context });
      // The head's last layer starts at zero, so nothing goes back through it at the first step.
      norms.push(stepsOf(recorded)[1]!.gradNorm as number);
    }
    expect(Math.abs(norms[1]! / norms[0]! - 1)).toBeGreaterThan(1e-3);
  });

  it('a stage with two trunks depends on what it always did', () => {
    const { criticTrunk, valueCoefficient, criticInit, ...others } = settings().ppo;
    // What came later and has no effect by default: a run of before is not trained again.
    const { actionLoss, actionTemperature, baseline, entropyBonus, ...before } = others;
    expect([actionLoss, actionTemperature, baseline, entropyBonus]).toEqual(['clip', null, 'value', 0]);
    expect([criticTrunk, criticInit]).toEqual(['own', null]);
    expect(JSON.stringify(method.with(settings().ppo).decisive)).toBe(JSON.stringify(before));
    const shared = settings({ ppo: { criticTrunk: 'actor', valueCoefficient: 0.25 } }).ppo;
    expect(method.with(shared).decisive).toMatchObject({ criticTrunk: 'actor', valueCoefficient: 0.25 });
    // A critic from files is seen by name here, and by content where the stage hashes `files`.
    const filed = method.with({ ...settings().ppo, criticInit: 'critic' });
    expect([filed.decisive, filed.files]).toEqual([{ ...before, criticInit: 'critic' }, ['critic']]);
    expect(valueCoefficient).toBeGreaterThanOrEqual(0);
  });

  it('depends on the settings of all scored actions that are in use', () => {
    const of = (ppo: object) => method.with(settings({ ppo }).ppo).decisive as Record<string, unknown>;
    const judged = { actionLoss: 'judged', actionTemperature: 0.3 };
    expect(of(judged)).toMatchObject(judged);
    expect(of({ baseline: 'judged' })).toMatchObject({ baseline: 'judged' });
    expect(of({})).not.toHaveProperty('actionTemperature');
    expect(of({ entropyBonus: 0.3 })).toMatchObject({ entropyBonus: 0.3 });
  });

  /** Two iterations without a break, which trainings with one are to equal. */
  async function trainedAtOnce(criticTrunk: 'own' | 'actor') {
    const config = settings({
      ppo: { batchTrajectories: 4, iterations: 2, epochs: 2, learningRate: 5e-3, targetKl: 10, criticTrunk },
    });
    const straight = await learner(criticTrunk);
    const samples = rewarded(exampleTrajectories(12, straight.model.info.vocabulary));
    const whole = recordingContext(straight.model);
    const common = { samples, settings: config.ppo };
    const { tokens, steps } = await trainPpo({ ...straight, ...common, context: whole.context });
    return { straight, whole, common, tokens, steps };
  }

  it.each(['own', 'actor'] as const)(
    'goes on after an interruption exactly as if there had been none: trunk %s',
    async (criticTrunk) => {
      const { straight, whole, common } = await trainedAtOnce(criticTrunk);

      for (const stopAt of [1, 4, 7]) {
        const folder = path.join(mkdtempSync(path.join(tmpdir(), 'ppo-')), 'checkpoints');
        const controller = new AbortController();
        const first = await learner(criticTrunk);
        const before = recordingContext(first.model, { checkpointFolder: folder, signal: controller.signal });
        const context = {
          ...before.context,
          metrics: (row: Readonly<Record<string, number | string>>) => {
            before.context.metrics(row);
            if (row.step === stopAt) controller.abort();
          },
        };
        await expect(trainPpo({ ...first, ...common, context })).rejects.toMatchObject({ code: 'interrupted' });
        const second = await learner(criticTrunk);
        const after = recordingContext(second.model, { checkpointFolder: folder });
        await trainPpo({ ...second, ...common, context: after.context });
        expect([...stepsOf(before), ...stepsOf(after)]).toEqual(stepsOf(whole));
        expect(await second.actor.tensors('value')).toEqual(await straight.actor.tensors('value'));
        expect(await second.critic.tensors('value')).toEqual(await straight.critic.tensors('value'));
      }
    },
  );

  it.each(['own', 'actor'] as const)(
    'in parts, one for each iteration, is the same to the bit: state, reference, schedule and order carry on: trunk %s',
    async (criticTrunk) => {
      const { straight, whole, common, tokens, steps } = await trainedAtOnce(criticTrunk);

      const folder = mkdtempSync(path.join(tmpdir(), 'ppo-part-'));
      const first = await learner(criticTrunk);
      const before = recordingContext(first.model, { part: { iteration: 0, reference: null } });
      const one = await trainPpo({ ...first, ...common, context: before.context });
      for (const name of ['actor', 'critic'] as const) await first[name].saveState(path.join(folder, name));
      const second = await learner(criticTrunk);
      // As the actor was before its first step.
      const reference = await second.model.createAdapter({ rank: 4, alpha: 8, seed: 3 });
      expect(await reference.tensors('value')).toEqual(await second.actor.tensors('value'));
      for (const name of ['actor', 'critic'] as const) await second[name].loadState(path.join(folder, name));
      const after = recordingContext(second.model, { part: { iteration: 1, reference } });
      const two = await trainPpo({ ...second, ...common, context: after.context });
      expect(one.tokens + two.tokens).toBe(tokens);
      expect(one.steps + two.steps).toBe(steps);
      const numbered = stepsOf(after).map((row) => ({ ...row, step: (row.step as number) + one.steps }));
      expect([...stepsOf(before), ...numbered]).toEqual(stepsOf(whole));
      expect(await second.actor.tensors('value')).toEqual(await straight.actor.tensors('value'));
      expect(await second.critic.tensors('value')).toEqual(await straight.critic.tensors('value'));
    },
  );

  it('keeps the last step: what is done with the adapter afterwards can fail and be tried again', async () => {
    const { ppo } = settings();
    const folder = path.join(mkdtempSync(path.join(tmpdir(), 'ppo-')), 'checkpoints');
    const first = await learner();
    const samples = rewarded(exampleTrajectories(12, first.model.info.vocabulary));
    const train = ({ model, actor, critic }: Opened) => {
      const recorded = recordingContext(model, { checkpointFolder: folder });
      const input = { actor, critic, samples, settings: ppo, context: recorded.context };
      return trainPpo(input).then((result) => ({ result, steps: stepsOf(recorded).length }));
    };
    const { result } = await train(first);
    const second = await learner();
    expect(await train(second)).toEqual({ result, steps: 0 });
    for (const part of ['actor', 'critic'] as const) {
      expect(await second[part].tensors('value')).toEqual(await first[part].tensors('value'));
    }
  });

  it('refuses a checkpoint of other data', async () => {
    const { model, actor, critic } = await learner();
    const folder = path.join(mkdtempSync(path.join(tmpdir(), 'ppo-')), 'checkpoints');
    const config = settings({ ppo: { batchTrajectories: 4, iterations: 1, epochs: 1 } });
    const { context } = recordingContext(model, { checkpointFolder: folder, checkpointEvery: 1 });
    const common = { actor, critic, settings: config.ppo, context };
    await trainPpo({ ...common, samples: rewarded(exampleTrajectories(8, model.info.vocabulary)) });
    expect(existsSync(path.join(folder, 'latest.json'))).toBe(true);
    await expect(
      trainPpo({ ...common, samples: rewarded(exampleTrajectories(9, model.info.vocabulary)) }),
    ).rejects.toMatchObject({ code: 'invalid_file' });
  });

  it('logs both reward terms apart and counts steps without a verdict', async () => {
    const { model, actor, critic } = await learner();
    const trajectories = exampleTrajectories(8, model.info.vocabulary);
    const first = trajectories[1]!;
    // One step keeps its verdict: a trajectory without any verdict would give no sample and not be counted.
    const steps = first.steps.map((step, index) => (index === 0 ? { ...step, processOk: null } : step));
    const samples = rewarded(trajectories.with(1, { ...first, steps }));
    const recorded = recordingContext(model);
    const config = settings({ ppo: { batchTrajectories: 8, iterations: 1, epochs: 1 } });
    await trainPpo({ actor, critic, samples, settings: config.ppo, context: recorded.context });
    const row = recorded.rows.find((one) => one.event === 'rewards')!;
    expect(row.stepsWithoutVerdict).toBe(1);
    expect(row.steps).toBe(samples.reduce((sum, { returns }) => sum + returns.length, 0));
    expect(row.reward).toBeCloseTo((row.rewardDiversity as number) + (row.rewardCoherence as number), 12);
    expect(row.rewardDiversity).toBeGreaterThan(0);
    expect(row.rewardCoherence).toBeLessThan(0);
  });

  it('takes of the rewards the very steps it learns from, whatever the filter', async () => {
    const { model, actor, critic } = await learner();
    const trajectories = exampleTrajectories(8, model.info.vocabulary).map((one, index) => ({
      ...one,
      correct: index < 3,
    }));
    const recorded = recordingContext(model);
    const { ppo } = settings({ ppo: { batchTrajectories: 8, iterations: 1, epochs: 1, filter: 'correct' } });
    const samples = await collectSamples(method.with(ppo), trajectories, (step) => stepReward(step, RHO));
    expect(samples).toHaveLength(3);
    await trainPpo({ actor, critic, samples, settings: ppo, context: recorded.context });
    const row = recorded.rows.find((one) => one.event === 'rewards')!;
    expect(row.steps).toBe(trajectories.slice(0, 3).flatMap(({ steps }) => steps).length);
  });

  it('says what is missing when there is nothing to learn from', async () => {
    const trajectories = exampleTrajectories(3, 60).map((t) => ({
      ...t,
      steps: t.steps.map((step) => ({ ...step, scores: null })),
    }));
    const objective = method.with(settings().ppo);
    await expect(collectSamples(objective, trajectories, (step) => stepReward(step, RHO))).rejects.toMatchObject({
      code: 'no_data',
      message: expect.stringContaining('none of 3 trajectories'),
    });
  });
});
