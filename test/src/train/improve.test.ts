/** π*, its temperature and the measures of a policy, against sums written out by hand. */
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../src/random.js';
import { actionReward } from '../../../src/reward.js';
import { meanKl, meanShare, measureActions } from '../../../src/train/actionMeasures.js';
import { entropyOf, improvedPolicy, klOf, type RatedState, solveTemperature } from '../../../src/train/improve.js';

const logs = (...p: number[]) => Float64Array.from(p, Math.log);

function randomStates(count: number, seed: number): RatedState[] {
  const random = seededRandom(seed);
  return Array.from({ length: count }, () => {
    const weights = Array.from({ length: 9 }, () => random() ** 3 + 1e-3);
    const sum = weights.reduce((a, b) => a + b, 0);
    const rewards = weights.map(() => (random() < 0.2 ? null : random() < 0.3 ? -0.5 : 2 * random()));
    return { logprobs: Float64Array.from(weights, (w) => Math.log(w / sum)), rewards };
  });
}

describe('actionReward', () => {
  it('pays rarity from τ on, charges below it, and says nothing of a missing score', () => {
    const of = (score: number | null) => actionReward(score, 9, { rho: 0.4, tau: 6 });
    expect([of(9), of(6), of(5.9), of(null)]).toEqual([0, 0.4 * 3, -0.6, null]);
    expect(Object.is(actionReward(2, 9, { rho: 1, tau: 6 }), 0)).toBe(true);
  });
});

describe('improvedPolicy', () => {
  it('is p_ref exp(r / λ), normalised', () => {
    const { policy, kl } = improvedPolicy({ logprobs: logs(0.5, 0.3, 0.2), rewards: [0, 1, -0.5] }, 0.5);
    const raw = [0.5, 0.3 * Math.exp(2), 0.2 * Math.exp(-1)];
    const sum = raw.reduce((a, b) => a + b);
    raw.forEach((w, a) => {
      expect(policy[a]).toBeCloseTo(w / sum, 12);
    });
    const byHand = raw.reduce((total, w, a) => total + (w / sum) * Math.log(w / sum / [0.5, 0.3, 0.2][a]!), 0);
    expect(kl).toBeCloseTo(byHand, 12);
  });

  it('leaves an action without a score where it is, and renormalises over the others', () => {
    const state = { logprobs: logs(0.5, 0.3, 0.2), rewards: [0, 1, null] };
    const { policy, kl } = improvedPolicy(state, 0.5);
    expect(policy[2]).toBeCloseTo(0.2, 12);
    // Among the scored ones p_ref is 0.625 and 0.375.
    const among = improvedPolicy({ logprobs: logs(0.625, 0.375), rewards: [0, 1] }, 0.5);
    expect(policy[0]).toBeCloseTo(0.8 * among.policy[0]!, 12);
    expect(kl).toBeCloseTo(0.8 * among.kl, 12);
  });

  it('stays finite where exp would overflow, and where p_ref is as good as 0', () => {
    for (const temperature of [1e-3, 1e3]) {
      const { policy, kl } = improvedPolicy(
        { logprobs: Float64Array.of(Math.log(0.99), Math.log(0.01), -800), rewards: [0, 5, 5] },
        temperature,
      );
      expect(policy.reduce((a, b) => a + b)).toBeCloseTo(1, 6);
      expect(Number.isFinite(kl)).toBe(true);
    }
  });
});

describe('solveTemperature', () => {
  const meanAt = (states: readonly RatedState[], temperature: number) =>
    states.reduce((sum, state) => sum + improvedPolicy(state, temperature).kl, 0) / states.length;

  it.each([0.01, 0.2, 0.5])('finds the λ at which the mean KL is %s', (target) => {
    const states = randomStates(200, 3);
    expect(meanAt(states, solveTemperature(states, target))).toBeCloseTo(target, 10);
  });

  it('searches something that falls with λ', () => {
    const states = randomStates(50, 4);
    const kls = [0.02, 0.1, 0.3, 1, 5, 50].map((temperature) => meanAt(states, temperature));
    expect(kls).toEqual([...kls].sort((a, b) => b - a));
  });

  it('takes the lowest where the target is out of reach, and the highest without states', () => {
    const states = [{ logprobs: logs(0.5, 0.5), rewards: [0, 0] }];
    expect(solveTemperature(states, 0.2)).toBe(1e-3);
    expect(solveTemperature([], 0.2)).toBe(1e3);
  });
});

it('entropy and KL are sums over the actions, in nats', () => {
  expect(entropyOf(logs(0.25, 0.25, 0.25, 0.25))).toBeCloseTo(Math.log(4), 12);
  expect(entropyOf(logs(1, 0))).toBe(0);
  expect(klOf(logs(0.5, 0.5), logs(0.25, 0.75))).toBeCloseTo(0.5 * Math.log(2) + 0.5 * Math.log(0.5 / 0.75), 12);
  expect(meanKl([logs(0.5, 0.5), logs(0.3, 0.7)], [logs(0.5, 0.5), logs(0.3, 0.7)])).toBe(0);
});

describe('measureActions', () => {
  const decision = (scores: (number | null)[]) => ({ step: 0, row: 0, position: 3, taken: 0, scores, rewards: [] });

  it('reads entropy, the rarest viable action and what lies below τ', () => {
    const states = [decision([9, 6, 4, null]), decision([9, 7, 7, 1]), decision([2, 3, null, 1])];
    const policies = [logs(0.7, 0.1, 0.15, 0.05), logs(0.1, 0.2, 0.3, 0.4), logs(0.25, 0.25, 0.25, 0.25)];
    const measured = measureActions(states, policies, 6);
    expect(measured.decisions).toBe(3);
    // The third state has nothing viable; in the second two share the lowest viable score.
    expect(measured.rarestViable).toBeCloseTo((0.1 + 0.5) / 2, 12);
    expect(measured.belowTau).toBeCloseTo((0.15 + 0.4 + 0.75) / 3, 12);
    const mean = [1.05 / 3, 0.55 / 3, 0.7 / 3, 0.7 / 3];
    expect(measured.entropyBits).toBeCloseTo(-mean.reduce((sum, p) => sum + p * Math.log2(p), 0), 12);
    expect(measured.stateEntropyBits).toBeLessThan(measured.entropyBits);
    expect(meanShare(policies, 2)).toBeCloseTo(0.7 / 3, 12);
  });

  it('has no rarest viable action where nothing is viable', () => {
    expect(measureActions([decision([1, 2])], [logs(0.5, 0.5)], 6)).toMatchObject({ rarestViable: null, belowTau: 1 });
  });
});
