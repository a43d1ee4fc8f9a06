import { expect, it } from 'vitest';
import { LEVEL_SCORES, LEVELS } from '../../../src/judge/localPrompt.js';

it('the levels span the scale of scores evenly, from 0 to 10', () => {
  expect(LEVEL_SCORES).toHaveLength(LEVELS.length);
  expect([LEVEL_SCORES[0], LEVEL_SCORES.at(-1)]).toEqual([0, 10]);
  for (let at = 1; at < LEVELS.length; at++) expect(LEVEL_SCORES[at]! - LEVEL_SCORES[at - 1]!).toBeCloseTo(10 / 9, 12);
});
