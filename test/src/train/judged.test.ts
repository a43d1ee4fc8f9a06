/** Training on the scores of all actions: what the loss is, that it teaches, and what it refuses. */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { silentLog } from '../../../src/log.js';
import { stepReward } from '../../../src/reward.js';
import { ActionTerm } from '../../../src/train/actionTerm.js';
import { entropyOf } from '../../../src/train/improve.js';
import { collectSamples } from '../../../src/train/method.js';
import { methods } from '../../../src/train/methods.js';
import { ppo as method, trainPpo } from '../../../src/train/ppo.js';
import { trainSft } from '../../../src/train/sft.js';
import { actionLogprobs, actionTrie, withChoices } from '../../../src/trajectory/choices.js';
import type { Decision } from '../../../src/trajectory/decision.js';
import { pack } from '../../../src/trajectory/pack.js';
import type { Sample } from '../../../src/trajectory/sample.js';
import type { Trajectory } from '../../../src/trajectory/trajectory.js';
import { exampleTrajectories, learner, type Recorded, RHO, recordingContext, settings, stepsOf } from './support.js';

/** Two names share a first token, so that one node of the trie is off the way that a trajectory takes, or on it. */
const ACTIONS = [
  { name: 'calculator', tokens: [5, 6] },
  { name: 'python', tokens: [5, 9] },
  { name: 'think', tokens: [8, 6] },
  { name: 'search', tokens: [7, 7] },
];
const JUDGED = { actions: ACTIONS.map(({ name }) => name), rho: RHO, tau: 6 };

/** Trajectories whose names are written with those tokens, scored so that `search` is rarest, then `python`; `think` is bad. */
function judgedTrajectories(count: number, vocabulary: number, actions = ACTIONS): Trajectory[] {
  return exampleTrajectories(count, vocabulary).map((trajectory, index) => {
    const tokens = [...trajectory.tokens];
    for (const { kind, step, start, end } of trajectory.segments) {
      if (kind !== 'action') continue;
      const { action } = trajectory.steps[step]!;
      tokens.splice(start, end - start, ...actions.find(({ name }) => name === action)!.tokens);
    }
    const scores = { calculator: 9, python: 7.5, think: 3, search: index % 5 === 4 ? null : 6.5 };
    return { ...trajectory, tokens, steps: trajectory.steps.map((step) => ({ ...step, scores })) };
  });
}

function samplesOf(ppo: object, trajectories: readonly Trajectory[]): Promise<Sample[]> {
  return collectSamples(method.with(settings({ ppo }).ppo), trajectories, (step) => stepReward(step, RHO), JUDGED);
}

const policyRows = ({ rows }: Recorded) => rows.filter(({ event }) => event === 'policy') as Record<string, number>[];

describe('samples', () => {
  const [first] = judgedTrajectories(2, 60).slice(1);

  it('leave the names out of the clipped loss and answer for coherence alone', async () => {
    const [clip] = await samplesOf({}, [first!]);
    const [judged] = await samplesOf({ actionLoss: 'judged' }, [first!]);
    const ofNames = first!.segments.filter(({ kind }) => kind === 'action');
    for (const { start, end } of ofNames) {
      expect([...clip!.lossMask.subarray(start, end)]).toEqual([1, 1]);
      expect([...judged!.lossMask.subarray(start, end)]).toEqual([0, 0]);
    }
    expect(judged!.lossTokens).toBe(clip!.lossTokens - 2 * ofNames.length);
    expect([...judged!.returns]).toEqual(clip!.rewards.map(({ coherence }) => coherence));
  });

  it('hold the choices, which only what is learned from them is marked by', async () => {
    const of = async (ppo: object) => (await samplesOf(ppo, [first!]))[0]!.decisions!;
    expect((await of({})).learned).toBe(false);
    for (const ppo of [{ actionLoss: 'judged' }, { baseline: 'judged' }, { entropyBonus: 0.1 }]) {
      expect((await of(ppo)).learned).toBe(true);
    }
    const [decision] = (await of({})).states;
    expect(decision).toMatchObject({ step: 0, row: 0, taken: 1, rewards: [0, 0.75, -0.5, 1.25] });
  });
});

/** The loss of all four parts, from log-probs alone: what the gradient is held against. */
describe('the loss', () => {
  it.each([
    ['judged', { actionLoss: 'judged' as const, entropyBonus: 0 }],
    ['an entropy bonus', { actionLoss: 'clip' as const, entropyBonus: 0.7 }],
    ['both', { actionLoss: 'judged' as const, entropyBonus: 0.4 }],
  ])('has the gradient of its value, by finite differences: %s', async (_name, chosen) => {
    const { model, actor } = await learner();
    const trajectories = judgedTrajectories(5, model.info.vocabulary);
    const samples = (await samplesOf(chosen, trajectories)).map((one) => withChoices(one, actionTrie(ACTIONS)));
    // A fresh adapter has no effect, and so no gradient in A.
    await actor.accumulateSft(pack(samples.map(({ choices: _none, ...plain }) => plain)), { normalizer: 50 });
    await actor.optimizerStep({ learningRate: 0.03 });
    const term = new ActionTerm(samples, { actionTemperature: 0.5, targetKl: 0.2, ...chosen });
    const read = async () => {
      const packed = await model.choiceLogprobs(pack(samples), actor);
      let at = 0;
      return samples.map(({ choices }) => {
        at += choices.tokens.length;
        return packed.slice(at - choices.tokens.length, at);
      });
    };
    const start = await read();
    term.begin(start);
    const rows = samples.map((_, index) => index);
    const shares = term.shares(rows);
    const columns = samples.map((sample, index) => ({
      oldLogprobs: new Float32Array(sample.tokens.length),
      refLogprobs: new Float32Array(sample.tokens.length),
      advantages: new Float32Array(sample.returns.length),
      choiceTargets: term.targets(index, shares, start[index]!),
    }));
    await actor.zeroGrad();
    const batch = pack(samples, columns);
    // Of the actor's own loss nothing is left: no token carries it.
    const masked = { ...batch, lossMask: new Uint8Array(batch.lossMask.length) };
    await actor.accumulate(masked, new Float32Array(batch.tokens.length));
    const gradients = await actor.tensors('grad');

    const slope = Object.values(gradients).reduce((sum, { data }) => sum + data.reduce((s, g) => s + g * g, 0), 0);
    expect(slope).toBeGreaterThan(0);
    // With so large an ε a step goes straight down the gradient, here so far that the loss falls by about 2e-3.
    const epsilon = 1e3;
    const before = value(samples, start, term, rows, chosen.entropyBonus);
    const values = await actor.tensors('value');
    await actor.optimizerStep({ learningRate: (2e-3 * epsilon) / slope, maxGradNorm: 0, epsilon });
    const moved = await actor.tensors('value');
    const after = value(samples, await read(), term, rows, chosen.entropyBonus);
    let predicted = 0;
    for (const [name, { data }] of Object.entries(gradients)) {
      data.forEach((g, i) => {
        predicted += g * (moved[name]!.data[i]! - values[name]!.data[i]!);
      });
    }
    expect(predicted).toBeLessThan(0);
    expect((after - before) / predicted).toBeGreaterThan(0.9);
    expect((after - before) / predicted).toBeLessThan(1.1);
  });

  /** L_act − c H, summed over the states by hand. */
  function value(
    samples: readonly (Sample & { readonly choices: NonNullable<Sample['choices']> })[],
    logprobs: readonly Float32Array[],
    term: ActionTerm,
    rows: readonly number[],
    bonus: number,
  ): number {
    const sums = term.sums();
    for (const index of rows) sums.add(index, logprobs[index]!);
    const { actionLoss, actionEntropy, decisions } = sums.report();
    const policies = samples.flatMap(({ choices, decisions: own }, index) =>
      actionLogprobs(choices, own!.states.length, logprobs[index]!),
    );
    expect(decisions).toBe(policies.length);
    const entropy = policies.reduce((sum, policy) => sum + entropyOf(policy), 0) / policies.length;
    expect(actionEntropy).toBeCloseTo(entropy, 6);
    return actionLoss - bonus * entropy;
  }
});

describe('trainPpo with actionLoss: judged', () => {
  const ppo = {
    actionLoss: 'judged',
    batchTrajectories: 10,
    iterations: 2,
    epochs: 6,
    learningRate: 1e-2,
    criticLearningRate: 1e-2,
    klCoefficient: 0,
    targetKl: 0.2,
  };

  it('takes the policy to π*: the rarest viable action up, what is below τ down, as far as the target', async () => {
    const { model, actor, critic } = await learner();
    const samples = await samplesOf(ppo, judgedTrajectories(10, model.info.vocabulary));
    const recorded = recordingContext(model, { actions: ACTIONS });
    await trainPpo({ actor, critic, samples, settings: settings({ ppo }).ppo, context: recorded.context });
    const goals = recorded.rows.filter(({ event }) => event === 'actions');
    expect(goals).toHaveLength(2);
    expect(goals[0]).toMatchObject({ goalKl: expect.closeTo(0.2, 6), skipped: 0 });
    const steps = stepsOf(recorded) as Record<string, number>[];
    // p is p_ref at an iteration's first step, so the cross-entropy is that of π* with p_ref.
    expect(steps[0]!.actionKl).toBeCloseTo(0, 6);
    expect(steps[6]!.actionKl).toBeCloseTo(0, 6);
    expect(steps[5]!.actionLoss).toBeLessThan(steps[0]!.actionLoss! - 0.05);
    const rows = policyRows(recorded);
    expect(rows.map(({ epochsDone }) => epochsDone)).toEqual(rows.map((_, index) => index));
    const [first, last] = [rows[0]!, rows.at(-1)!];
    expect(first.klFromStart).toBeCloseTo(0, 6);
    expect(last.klFromStart).toBeGreaterThan(0.2);
    expect(last.rarestViable).toBeGreaterThan(1.5 * first.rarestViable!);
    expect(last.belowTau).toBeLessThan(0.7 * first.belowTau!);
  });

  it('leaves out a state with one scored action, and counts it', async () => {
    const { model, actor, critic } = await learner();
    const trajectories = judgedTrajectories(8, model.info.vocabulary);
    const lonely = trajectories.map((trajectory, index) =>
      index === 2
        ? { ...trajectory, steps: trajectory.steps.map((step) => ({ ...step, scores: { [step.action]: 7 } })) }
        : trajectory,
    );
    const recorded = recordingContext(model, { actions: ACTIONS });
    const chosen = { ...ppo, iterations: 1, epochs: 1 };
    const samples = await samplesOf(chosen, lonely);
    await trainPpo({ actor, critic, samples, settings: settings({ ppo: chosen }).ppo, context: recorded.context });
    const states = samples.flatMap(({ decisions }): Decision[] => [...decisions!.states]);
    const left = lonely[2]!.steps.length;
    const [goal] = recorded.rows.filter(({ event }) => event === 'actions');
    expect(goal).toMatchObject({ skipped: left, learned: states.length - left });
  });

  it('goes on after an interruption exactly as if there had been none', async () => {
    const chosen = { ...ppo, batchTrajectories: 4, epochs: 2, learningRate: 5e-3, entropyBonus: 0.05, targetKl: 5 };
    const { ppo: parsed } = settings({ ppo: chosen });
    const straight = await learner();
    const samples = await samplesOf(chosen, judgedTrajectories(12, straight.model.info.vocabulary));
    const whole = recordingContext(straight.model, { actions: ACTIONS });
    await trainPpo({ ...straight, samples, settings: parsed, context: whole.context });
    for (const stopAt of [2, 3, 6, 8]) {
      const folder = path.join(mkdtempSync(path.join(tmpdir(), 'judged-')), 'checkpoints');
      const controller = new AbortController();
      const one = await learner();
      const before = recordingContext(one.model, {
        checkpointFolder: folder,
        signal: controller.signal,
        actions: ACTIONS,
      });
      const context = {
        ...before.context,
        metrics: (row: Readonly<Record<string, number | string>>) => {
          before.context.metrics(row);
          if (row.step === stopAt) controller.abort();
        },
      };
      const input = { samples, settings: parsed };
      await expect(trainPpo({ ...one, ...input, context })).rejects.toMatchObject({ code: 'interrupted' });
      const two = await learner();
      const after = recordingContext(two.model, { checkpointFolder: folder, actions: ACTIONS });
      await trainPpo({ ...two, ...input, context: after.context });
      expect([...stepsOf(before), ...stepsOf(after)]).toEqual(stepsOf(whole));
      expect([...policyRows(before), ...policyRows(after)]).toEqual(policyRows(whole));
      expect(await two.actor.tensors('value')).toEqual(await straight.actor.tensors('value'));
      expect(await two.critic.tensors('value')).toEqual(await straight.critic.tensors('value'));
    }
  });

  it('does not depend on how a batch is cut into passes', async () => {
    const losses: number[][] = [];
    for (const microBatchTokens of [64, 4096]) {
      const { model, actor, critic } = await learner();
      const chosen = { ...ppo, microBatchTokens, iterations: 1, epochs: 3 };
      const samples = await samplesOf(chosen, judgedTrajectories(10, model.info.vocabulary));
      const recorded = recordingContext(model, { actions: ACTIONS });
      await trainPpo({ actor, critic, samples, settings: settings({ ppo: chosen }).ppo, context: recorded.context });
      losses.push(stepsOf(recorded).map((row) => row.actionLoss as number));
    }
    losses[0]!.forEach((loss, step) => {
      expect(loss).toBeCloseTo(losses[1]![step]!, 4);
    });
  });

  it('says what is missing: scores, the names’ tokens, or both', async () => {
    const { model, actor, critic } = await learner();
    const { ppo: parsed } = settings({ ppo });
    const trajectories = judgedTrajectories(4, model.info.vocabulary);
    const one = trajectories.map((trajectory) => ({
      ...trajectory,
      steps: trajectory.steps.map((step) => ({ ...step, scores: { [step.action]: 7 } })),
    }));
    const train = async (from: readonly Trajectory[], context: object, judged: typeof JUDGED | undefined = JUDGED) => {
      const objective = method.with(parsed);
      const samples = await collectSamples(objective, from, (step) => stepReward(step, RHO), judged);
      const recorded = recordingContext(model, context);
      return trainPpo({ actor, critic, samples, settings: parsed, context: recorded.context });
    };
    const full = { actions: ACTIONS };
    await expect(train(one, full)).rejects.toMatchObject({
      code: 'no_data',
      message: expect.stringContaining('no state of these rollouts has scores of two'),
    });
    await expect(train(trajectories, {})).rejects.toMatchObject({ code: 'invalid_argument' });
    const samples = await samplesOf({}, trajectories);
    const bare = samples.map(({ decisions: _none, ...sample }) => sample);
    const { context } = recordingContext(model, full);
    await expect(trainPpo({ actor, critic, samples: bare, settings: parsed, context })).rejects.toMatchObject({
      code: 'invalid_argument',
    });
    await expect(train(trajectories, { actions: ACTIONS.toReversed() })).rejects.toMatchObject({
      message: expect.stringContaining('expected the actions by which'),
    });
  });
});

describe('baseline: judged', () => {
  it('is what the scores say of the policy, and the advantage what the action brings over it', async () => {
    const { model, actor, critic } = await learner();
    const chosen = { baseline: 'judged', iterations: 1, epochs: 1, batchTrajectories: 8, learningRate: 1e-9 };
    const samples = await samplesOf(chosen, judgedTrajectories(8, model.info.vocabulary));
    const recorded = recordingContext(model, { actions: ACTIONS });
    await trainPpo({ actor, critic, samples, settings: settings({ ppo: chosen }).ppo, context: recorded.context });
    // At the first step every ratio is 1, so L_clip is the mean of −A over the tokens.
    const choosing = samples.map((sample) => withChoices(sample, actionTrie(ACTIONS)));
    let [sum, tokens] = [0, 0];
    for (const sample of choosing) {
      const lp = await model.choiceLogprobs(pack([sample]), null);
      const policies = actionLogprobs(sample.choices, sample.decisions!.states.length, lp);
      sample.decisions!.states.forEach(({ row, rewards, taken }, s) => {
        const scored = rewards.flatMap((reward, a) =>
          reward === null ? [] : [{ reward, p: Math.exp(policies[s]![a]!) }],
        );
        const mass = scored.reduce((total, { p }) => total + p, 0);
        const expected = scored.reduce((total, { reward, p }) => total + (reward * p) / mass, 0);
        const advantage = rewards[taken]! + sample.rewards[row]!.coherence - expected;
        const count = sample.stepOf.filter((one) => one === row).length;
        sum += count * advantage;
        tokens += count;
      });
    }
    expect(stepsOf(recorded)[0]!.policyLoss).toBeCloseTo(-sum / tokens, 4);
  });
});

describe('measures without a loss of the actions', () => {
  it('PPO with the clipped loss learns the same with and without them, to the bit where no pass has branches', async () => {
    const apart = ACTIONS.map(({ name, tokens }, index) => ({ name, tokens: [20 + index, tokens[1]!] }));
    const results: unknown[] = [];
    for (const actions of [undefined, apart]) {
      const one = await learner();
      const samples = await samplesOf({}, judgedTrajectories(10, one.model.info.vocabulary, apart));
      const recorded = recordingContext(one.model, actions === undefined ? {} : { actions });
      await trainPpo({ ...one, samples, settings: settings().ppo, context: recorded.context });
      results.push(await one.actor.tensors('value'));
      expect(policyRows(recorded)).toHaveLength(actions === undefined ? 0 : 5);
    }
    expect(results[0]).toEqual(results[1]);
  });

  it('SFT is measured before the first epoch and after each, once, whenever it was interrupted', async () => {
    const { sft } = settings();
    const open = async (more: object = {}) => {
      const { model, actor } = await learner();
      const trajectories = judgedTrajectories(12, model.info.vocabulary).map((trajectory) => ({
        ...trajectory,
        steps: trajectory.steps.map((step) => ({ ...step, processOk: true })),
      }));
      const samples = await collectSamples(methods.sft.with(sft), trajectories, () => null, JUDGED);
      return { actor, samples, settings: sft, recorded: recordingContext(model, { actions: ACTIONS, ...more }) };
    };
    const straight = await open();
    await trainSft({ ...straight, context: straight.recorded.context });
    const rows = policyRows(straight.recorded);
    expect(rows.map(({ epochsDone, afterStep, beforeStep }) => [epochsDone, afterStep ?? -beforeStep!])).toEqual([
      [0, -1],
      [1, 3],
      [2, 6],
    ]);
    for (const row of rows) expect(Object.keys(row)).toEqual(expect.arrayContaining(['entropyBits', 'belowTau']));
    for (const stopAt of [3, 4]) {
      const checkpointFolder = path.join(mkdtempSync(path.join(tmpdir(), 'judged-')), 'checkpoints');
      const controller = new AbortController();
      const first = await open({ checkpointFolder, signal: controller.signal });
      const { context } = first.recorded;
      const metrics = (row: Readonly<Record<string, number | string>>) => {
        context.metrics(row);
        if (row.step === stopAt) controller.abort();
      };
      await expect(trainSft({ ...first, context: { ...context, metrics } })).rejects.toMatchObject({
        code: 'interrupted',
      });
      const second = await open({ checkpointFolder });
      await trainSft({ ...second, context: second.recorded.context });
      expect([...policyRows(first.recorded), ...policyRows(second.recorded)]).toEqual(rows);
    }
  });

  it('are left out with a warning where the names are written with other tokens', async () => {
    const one = await learner();
    const samples = await samplesOf({}, judgedTrajectories(6, one.model.info.vocabulary));
    const actions = ACTIONS.map((action) => (action.name === 'python' ? { ...action, tokens: [5, 10] } : action));
    const recorded = recordingContext(one.model, { actions });
    await trainPpo({ ...one, samples, settings: settings().ppo, context: recorded.context });
    expect(policyRows(recorded)).toEqual([]);
    expect(recorded.warnings[0]).toMatch(/are not measured.*expected the action python/);
  });
});

it('a token far from the reference is shown by its text, in every row and once in the log', async () => {
  const { model, actor, critic } = await learner();
  const samples = await samplesOf({}, judgedTrajectories(8, model.info.vocabulary));
  const said: string[] = [];
  const log = { ...silentLog, info: (message: string) => void said.push(message) };
  const recorded = recordingContext(model, { log, detokenize: (tokens) => `<${tokens}>` });
  const ppo = { learningRate: 0.5, klCoefficient: 0, batchTrajectories: 4, iterations: 1, epochs: 8, targetKl: 1e9 };
  await trainPpo({ actor, critic, samples, settings: settings({ ppo }).ppo, context: recorded.context });
  const rows = recorded.rows.filter(({ event }) => event === 'outlier');
  const places = new Set(rows.map(({ id, position }) => `${position} of ${id}:`));
  const named = said.filter((message) => message.includes('nats from the reference'));
  expect(named).toHaveLength(places.size);
  expect(rows.length).toBeGreaterThan(places.size);
  const far = rows[0]!;
  expect(far.text).toBe(`"<${far.token}>"`);
  expect(Math.abs((far.logprob as number) - (far.reference as number))).toBeGreaterThan(4);
  const sample = samples.find(({ id }) => id === far.id)!;
  expect(sample.tokens[far.position as number]).toBe(far.token);
});
