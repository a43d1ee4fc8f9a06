import { describe, expect, it } from 'vitest';
import { stepReward } from '../../src/reward.js';
import { exampleTrajectory, TWO_STEPS } from './trajectory/example.js';

const step = (more: object) => exampleTrajectory(TWO_STEPS, [more, {}]).steps[0]!;

describe('stepReward', () => {
  it('pays for rarity and charges for incoherence, apart', () => {
    expect(stepReward(step({}), 0.25)).toEqual({ diversity: 0.5, coherence: 0, reward: 0.5 });
    expect(stepReward(step({ processOk: false }), 0.25)).toEqual({ diversity: 0.5, coherence: -0.75, reward: -0.25 });
  });

  it('is the coherence term alone at ρ = 0 and the diversity term alone at ρ = 1', () => {
    expect(stepReward(step({ processOk: false }), 0)!.reward).toBe(-1);
    expect(stepReward(step({ processOk: false }), 1)!.reward).toBe(2);
  });

  it('takes the best of the scores that are there; a missing one is not 0', () => {
    expect(stepReward(step({ scores: { calculator: null, python: 7, think: 7.5 } }), 1)!.reward).toBe(0.5);
  });

  it('is null when the chosen score or the verdict is missing', () => {
    expect(stepReward(step({ scores: { calculator: 9, python: null, think: 4 } }), 0.5)).toBeNull();
    expect(stepReward(step({ processOk: null }), 0.5)).toBeNull();
    expect(stepReward(step({ scores: null }), 0.5)).toBeNull();
  });

  it('is the same of a pair of scores, where no others are known', () => {
    const paired = (chosen: number | null, best: number | null) => step({ scores: null, pair: { chosen, best } });
    expect(stepReward(paired(7, 9), 0.25)).toEqual({ diversity: 0.5, coherence: 0, reward: 0.5 });
    expect(stepReward(paired(null, 9), 0.25)).toBeNull();
    expect(stepReward(paired(7, null), 0.25)).toBeNull();
  });
});
