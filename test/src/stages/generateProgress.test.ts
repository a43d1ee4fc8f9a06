import { expect, it } from 'vitest';
import { GenerateProgress } from '../../../src/stages/generateProgress.js';
import { exampleTrajectory, TWO_STEPS } from '../trajectory/example.js';

/** The model wrote 7 tokens of each step and 3 of the answer. */
const one = exampleTrajectory(TWO_STEPS, [{}, {}]);
const actions = { calculator: 1, search: 1, think: 2, logic: 0 };
const so = { actions, text: () => ', no action viable in 1 of 4 steps' };

it('says how far, how fast, until when, at what cost and with which actions', () => {
  let now = 1000;
  const progress = new GenerateProgress(100, () => now);
  expect(progress.line('s', { actions: {}, text: () => '' }, {})).toBe('generate s 0/100');
  now += 4000;
  progress.add(one);
  progress.add(null);
  expect(progress.line('s', so, { judge_cost_usd: 1.239, judge_missing_rate: 0.0049, judge_calls: 9 })).toBe(
    'generate s 1/100 (1 skipped)  0.25 trajectories/s  4.3 tokens/s  ETA 3 min  $1.24  missing 0.5 %  H 1.50 bit  ' +
      'think 50% calculator 25% search 25% logic 0%, no action viable in 1 of 4 steps',
  );
  // A price that is not known is not 0.
  expect(progress.line('s', so, { judge_cost_usd: null, judge_missing_rate: null })).not.toMatch(/\$|missing/);
});

it('forgets how fast it was long ago', () => {
  let now = 0;
  const progress = new GenerateProgress(100_000, () => now);
  for (let k = 0; k < 200; k++) {
    now += k < 100 ? 1 : 2000;
    progress.add(one);
  }
  expect(progress.line('s', so, {})).toContain('0.50 trajectories/s  8.5 tokens/s  ETA 55 h 27 min');
});
