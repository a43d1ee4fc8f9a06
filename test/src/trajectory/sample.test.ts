import { describe, expect, it } from 'vitest';
import { stepReward } from '../../../src/reward.js';
import { collectSamples } from '../../../src/train/method.js';
import { commonPrefix, microBatches, pack, unpackSteps, unpackTokens } from '../../../src/trajectory/pack.js';
import { ppoSample, sftSample } from '../../../src/trajectory/sample.js';
import type { Step, Trajectory } from '../../../src/trajectory/trajectory.js';
import { exampleTrajectory, TWO_STEPS } from './example.js';

const half = (step: Step) => stepReward(step, 0.5);
const masked = (mask: Uint8Array) => [...mask.keys()].filter((index) => mask[index] === 1);

describe('samples', () => {
  it('SFT learns every token the policy wrote and no other', () => {
    const sample = sftSample(exampleTrajectory(TWO_STEPS, [{}, {}]));
    expect(masked(sample.lossMask)).toEqual([5, 6, 7, 9, 10, 12, 13, 18, 19, 20, 22, 23, 25, 26, 31, 32, 33]);
    expect(sample.lossTokens).toBe(17);
  });

  it('PPO learns the steps, not the answer, and reads V at the last token of each state', () => {
    const sample = ppoSample(exampleTrajectory(TWO_STEPS, [{}, { processOk: false }]), half)!;
    expect(masked(sample.lossMask)).toEqual([5, 6, 7, 9, 10, 12, 13, 18, 19, 20, 22, 23, 25, 26]);
    expect([...sample.valuePositions]).toEqual([4, 17]);
    // ρ (9 − 7) = 1; the second step pays (1 − ρ) for being incoherent.
    expect([...sample.returns]).toEqual([1, 0.5]);
    expect(sample.stepOf[5]).toBe(0);
    expect(sample.stepOf[26]).toBe(1);
    expect(sample.stepOf[8]).toBe(-1);
  });

  it('a step without a verdict stays as state but carries no loss', () => {
    const sample = ppoSample(exampleTrajectory(TWO_STEPS, [{ processOk: null }, {}]), half)!;
    expect(masked(sample.lossMask)).toEqual([18, 19, 20, 22, 23, 25, 26]);
    expect([...sample.valuePositions]).toEqual([17]);
    expect(sample.stepOf[18]).toBe(0);
    expect(ppoSample(exampleTrajectory(TWO_STEPS, [{ processOk: null }, { scores: null }]), half)).toBeNull();
  });

  it.each([
    ['a number', () => 0.5, /got 0\.5/],
    ['nothing', () => undefined, /got undefined/],
    ['NaN', () => ({ diversity: 0, coherence: 0, reward: Number.NaN }), /got \{.*NaN/],
    ['a part of it', () => ({ reward: 1 }), /got \{ reward: 1 \}/],
    ['a promise', async () => ({ diversity: 0, coherence: 0, reward: 0 }), /got Promise/],
  ])('a reward that is %s is named with its trajectory and step', async (_, wrong, got) => {
    const trajectory = exampleTrajectory(TWO_STEPS, [{}, {}]);
    const reward = (step: Step) => (step.index === 1 ? (wrong() as never) : half(step));
    const refused = {
      code: 'invalid_argument',
      message: expect.stringMatching(
        new RegExp(
          `^reward of step 1 of ${trajectory.id}: expected \\{ diversity, coherence, reward \\}.*${got.source}`,
        ),
      ),
    };
    expect(() => ppoSample(trajectory, reward)).toThrow(expect.objectContaining(refused));
    // In an objective of the user's own, too.
    const objective = { sample: (t: Trajectory, of: typeof half) => void t.steps.map((step) => of(step)), wants: 'x' };
    await expect(collectSamples(objective as never, [trajectory], reward)).rejects.toMatchObject(refused);
  });

  it('a reward that throws is named, too', () => {
    const broken = () => (undefined as unknown as { reward: never }).reward;
    expect(() => ppoSample(exampleTrajectory(TWO_STEPS, [{}, {}]), broken)).toThrow(
      expect.objectContaining({
        code: 'invalid_argument',
        message: expect.stringMatching(
          /^reward of step 0 of .* threw TypeError: .*'reward'.* \(at .*sample\.test\.ts:/,
        ),
      }),
    );
  });

  it('the first token of a sequence never carries a loss', () => {
    const sample = sftSample(exampleTrajectory([['thought', 0, 4]], [{}]));
    expect(masked(sample.lossMask)).toEqual([1, 2, 3]);
  });
});

describe('packing', () => {
  const a = ppoSample(exampleTrajectory(TWO_STEPS, [{}, {}]), half)!;
  const b = ppoSample(exampleTrajectory(TWO_STEPS.slice(0, 7), [{ processOk: false }]), half)!;

  it('puts sequences side by side and unpacks what comes back', () => {
    const batch = pack([a, b]);
    const n = a.tokens.length + b.tokens.length;
    expect([...batch.cuSeqlens]).toEqual([0, a.tokens.length, n]);
    expect([...batch.valuePositions!]).toEqual([4, 17, a.tokens.length + 4]);
    expect([...batch.tokens.subarray(a.tokens.length)]).toEqual([...b.tokens]);
    const perToken = Float32Array.from({ length: n }, (_, index) => index);
    expect(unpackTokens([a, b], perToken).map((part) => part.length)).toEqual([a.tokens.length, b.tokens.length]);
    expect(unpackTokens([a, b], perToken)[1]![0]).toBe(a.tokens.length);
    expect(unpackSteps([a, b], Float32Array.of(1, 2, 3)).map((part) => [...part])).toEqual([[1, 2], [3]]);
  });

  it('gives each token the advantage of its own step, and step ids unique over the batch', () => {
    const columns = [a, b].map((sample, index) => ({
      oldLogprobs: new Float32Array(sample.tokens.length),
      refLogprobs: new Float32Array(sample.tokens.length),
      advantages: index === 0 ? Float32Array.of(10, 20) : Float32Array.of(30),
    }));
    const batch = pack([a, b], columns);
    expect(batch.advantages![5]).toBe(10);
    expect(batch.advantages![18]).toBe(20);
    expect(batch.advantages![a.tokens.length + 5]).toBe(30);
    expect(batch.advantages![0]).toBe(0);
    expect([batch.stepIds![5], batch.stepIds![18], batch.stepIds![a.tokens.length + 5], batch.stepIds![0]]).toEqual([
      0, 1, 2, -1,
    ]);
  });

  it('fills micro-batches up to the budget and gives a longer sample one of its own', () => {
    const samples = [5, 5, 20, 3, 3, 3].map((length) => ({ ...a, tokens: new Int32Array(length) }));
    const runs = microBatches(samples, 10).map((run) => run.map((sample) => sample.tokens.length));
    expect(runs).toEqual([[5, 5], [20], [3, 3, 3]]);
    // With three tokens that all begin with: 3 + 2 + 2 + 0, …
    const alike = [5, 5, 20, 3, 4, 5, 8].map((length) => ({ ...a, tokens: new Int32Array(length) }));
    const fewer = microBatches(alike, 7, 3).map((run) => run.map((sample) => sample.tokens.length));
    expect(fewer).toEqual([[5, 5], [20], [3, 4, 5], [8]]);
    // 3 + 2 + 2 are all of it, without the 3 another 2 would fit.
    expect(microBatches(alike.slice(0, 2).concat(alike.slice(0, 2)), 7, 3).map((run) => run.length)).toEqual([2, 2]);
  });

  it('finds what all begin with, before anything is read and after which each goes on', () => {
    const sequence = (length: number, differsAt: number) => {
      const tokens = new Int32Array(length);
      return tokens.map((_, at) => (at < differsAt ? 1 : 2));
    };
    const at = (length: number, position: number) => {
      const mask = new Uint8Array(length);
      if (position >= 0) mask[position] = 1;
      return mask;
    };
    /** Read at `value`, and where the token at `loss` is predicted. */
    const one = (length: number, differsAt: number, { loss = -1, value = -1 } = {}) => ({
      ...a,
      tokens: sequence(length, differsAt),
      lossMask: at(length, loss),
      valuePositions: value < 0 ? new Int32Array(0) : Int32Array.of(value),
    });
    const long = one(300, 300);
    expect(commonPrefix([long, one(300, 200)], 64)).toBe(192);
    expect(commonPrefix([one(300, 200), long], 64)).toBe(192);
    expect(commonPrefix([long, one(300, 191)], 64)).toBe(128);
    expect(commonPrefix([long, one(192, 192)], 64)).toBe(128);
    expect(commonPrefix([long, one(193, 193)], 64)).toBe(192);
    expect(commonPrefix([long, one(300, 300, { loss: 193 })], 64)).toBe(192);
    expect(commonPrefix([long, one(300, 300, { loss: 192 })], 64)).toBe(128);
    expect(commonPrefix([long, one(300, 300, { loss: 250, value: 192 })], 64)).toBe(192);
    expect(commonPrefix([long, one(300, 300, { loss: 250, value: 191 })], 64)).toBe(128);
    const branch = { branches: [sequence(150, 140)], positions: Int32Array.of(130, 449) };
    const branched = { ...long, choices: { ...branch, trie: {}, offsets: [], tokens: [], states: [], nodes: [] } };
    expect(commonPrefix([long, branched as never], 64)).toBe(128);
    expect(commonPrefix([long, branched as never], 1)).toBe(130);
    expect(commonPrefix([long, one(300, 200)], 0)).toBe(0);
    expect(commonPrefix([], 64)).toBe(0);
  });
});
