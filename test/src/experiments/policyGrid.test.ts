/** The policies' choices by hand: two questions of one and two states. */
import { describe, expect, it } from 'vitest';
import { PolicyGrid } from '../../../src/experiments/policyGrid.js';
import type { RowAnswers } from '../../../src/experiments/rows.js';

const ACTIONS = ['calculator', 'search', 'think'];
const state = (questionId: number, probabilities: readonly number[], scores: readonly (number | null)[]) => ({
  ...{ questionId, category: 'law', step: 0, scores },
  logprobs: probabilities.map(Math.log),
});
const row = (...states: ReturnType<typeof state>[]): RowAnswers => ({
  ...{ answers: new Map(), actions: ACTIONS, tau: 6, trainingSeconds: null },
  policy: { actions: ACTIONS, states },
});
/** Question 1: the rarest viable is `search`; 2: nothing is viable, then the two viable tie and `think` has no score. */
const SEED = row(
  state(1, [0.5, 0.25, 0.25], [9, 6, 5]),
  state(2, [0.8, 0.1, 0.1], [5, 5, 5]),
  state(2, [0.2, 0.3, 0.5], [7, 7, null]),
);
const draw = (...times: number[]) => Uint32Array.from(times);
const bits = (...p: number[]) => p.reduce((sum, one) => sum - one * Math.log2(one), 0);

describe('PolicyGrid', () => {
  const grid = PolicyGrid.of([SEED])!;

  it('has means over the states of the questions drawn', () => {
    expect(grid.ids).toEqual([1, 2]);
    expect(grid.belowTau(0, draw(1, 1))).toBeCloseTo((0.25 + 1 + 0) / 3, 12);
    expect(grid.belowTau(0, draw(2, 0))).toBeCloseTo(0.25, 12);
    expect(grid.entropyBits(0, draw(1, 1))).toBeCloseTo(bits(1.5 / 3, 0.65 / 3, 0.85 / 3), 12);
    expect(grid.entropyBits(0, draw(0, 3))).toBeCloseTo(bits(0.5, 0.2, 0.3), 12);
  });

  it('counts the rarest viable where something is viable, ties together', () => {
    expect(grid.rarestViable(0, draw(1, 1))).toBeCloseTo((0.25 + 0.5) / 2, 12);
    expect(grid.rarestViable(0, draw(1, 2))).toBeCloseTo((0.25 + 2 * 0.5) / 3, 12);
  });

  it('is nothing unless every seed was measured over the same actions', () => {
    expect(PolicyGrid.of([SEED, { ...SEED, policy: null }])).toBeNull();
    const other = { ...SEED, policy: { actions: [...ACTIONS, 'python'], states: [] } };
    expect(PolicyGrid.of([SEED, other])).toBeNull();
  });

  it('has no value where a seed has no state', () => {
    const both = PolicyGrid.of([SEED, row(state(3, [1, 0, 0], [6, 6, 6]))])!;
    expect(both.belowTau(1, draw(1, 1, 0))).toBeNaN();
    expect(both.belowTau(1, draw(1, 1, 1))).toBe(0);
    expect(both.entropyBits(1, draw(0, 0, 1))).toBe(0);
  });
});
