/** Agreement of two judges: known values, what is missing, and which choices flip. */
import { describe, expect, it } from 'vitest';
import { kappa, stateAgreement } from '../../../src/evaluate/agreement.js';

const ACTIONS = ['a', 'b', 'c', 'd', 'e', 'f'];
const scores = (...values: (number | null)[]) => Object.fromEntries(values.map((value, at) => [ACTIONS[at]!, value]));

describe('stateAgreement', () => {
  it('ranks ties at their mean: Spearman as scipy has it', () => {
    // python3 -c "from scipy.stats import spearmanr; print(spearmanr([8,6,6,2,0,5],[7,7,5,3,1,1]).statistic)"
    const state = stateAgreement(ACTIONS, scores(8, 6, 6, 2, 0, 5), scores(7, 7, 5, 3, 1, 1), 6);
    expect(state.spearman).toBeCloseTo(0.850841043488, 10);
    expect(state.distance).toBeCloseTo((1 + 1 + 1 + 1 + 1 + 4) / 6, 12);
  });

  it('gives a judge that scores all actions alike no agreement, and asks none where there is no order', () => {
    expect(stateAgreement(ACTIONS, scores(8, 6, 2), scores(5, 5, 5), 6).spearman).toBe(0);
    expect(stateAgreement(ACTIONS, scores(5, 5, 5), scores(8, 6, 2), 6).spearman).toBeNaN();
    expect(stateAgreement(ACTIONS, scores(5), scores(8), 6).spearman).toBeNaN();
  });

  it('says which choice flips, and whether what is viable does', () => {
    // min-score: b against b (7 and 7: the first of the tie is a). max-score: a and a.
    const first = scores(9, 6, 3);
    expect(stateAgreement(ACTIONS, first, scores(8, 7, 5), 6)).toMatchObject({
      flippedMin: 0,
      flippedMax: 0,
      otherViable: 0,
    });
    expect(stateAgreement(ACTIONS, first, scores(8, 7, 6), 6)).toMatchObject({
      flippedMin: 1,
      flippedMax: 0,
      otherViable: 1,
    });
    expect(stateAgreement(ACTIONS, first, scores(6, 9, 3), 6)).toMatchObject({
      flippedMin: 1,
      flippedMax: 1,
      otherViable: 0,
    });
  });

  it('compares only what both scored, and knows nothing without that', () => {
    const state = stateAgreement(ACTIONS, scores(9, null, 3), scores(8, 7, 2), 6);
    expect(state).toMatchObject({ distance: 1, spearman: expect.closeTo(1, 12) });
    const nothing = stateAgreement(ACTIONS, scores(9, 8), {}, 6);
    expect(Object.values(nothing).every(Number.isNaN)).toBe(true);
    // All the same: no order to compare.
    expect(stateAgreement(ACTIONS, scores(5, 5), scores(5, 4), 6).spearman).toBeNaN();
  });
});

describe('kappa', () => {
  const pairs = (yesYes: number, yesNo: number, noYes: number, noNo: number) => [
    ...Array<[boolean, boolean]>(yesYes).fill([true, true]),
    ...Array<[boolean, boolean]>(yesNo).fill([true, false]),
    ...Array<[boolean, boolean]>(noYes).fill([false, true]),
    ...Array<[boolean, boolean]>(noNo).fill([false, false]),
  ];

  it('is (p_o − p_e) / (1 − p_e): the table of 50 that textbooks have', () => {
    expect(kappa(pairs(20, 5, 10, 15))).toBeCloseTo(0.4, 12);
    expect(kappa(pairs(3, 0, 0, 2))).toBe(1);
    expect(kappa(pairs(0, 2, 2, 0))).toBe(-1);
  });

  it('is not known without pairs, nor where all say yes', () => {
    expect(kappa([])).toBeNaN();
    expect(kappa(pairs(4, 0, 0, 0))).toBeNaN();
  });
});
