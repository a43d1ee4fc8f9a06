/** What `trajectories stats` counts: by hand where it is new, against `summarize` where it is an evaluation's. */
import { expect, it } from 'vitest';
import { SetTally } from '../../../src/evaluate/setStats.js';
import { answeredStep, summarize } from '../../../src/evaluate/summary.js';
import type { Trajectory } from '../../../src/trajectory/trajectory.js';
import { exampleTrajectory, stepPieces, TWO_STEPS } from '../trajectory/example.js';

const NAMES = ['calculator', 'python', 'logic', 'think'];
const failed = {
  toolError: 'tool_failed',
  processOk: null,
  action: 'calculator',
  scores: { calculator: 5, think: null },
};
const SET: readonly Trajectory[] = [
  // python 7 of 9, 7 and 4; then calculator 5, below τ and with one score missing, as a fallback.
  exampleTrajectory(TWO_STEPS, [{}, { ...failed, choice: 'fallback' }]),
  exampleTrajectory([['prompt', -1, 5], ...stepPieces(0)], [{ action: 'think', observation: null, processOk: false }], {
    ...{ id: '8', category: 'law', correct: false, answer: null, answerText: '', end: 'context_overflow' },
  }),
  exampleTrajectory([['prompt', -1, 2]], [], { id: '9', category: 'law' }),
];

function statsOf(trajectories: readonly Trajectory[], tau: number | null = null) {
  const tally = new SetTally({ actionNames: NAMES, tau });
  for (const one of trajectories) tally.add(one);
  return tally.stats();
}

it('counts steps, tokens, scores, verdicts and failures', () => {
  expect(statsOf(SET)).toMatchObject({
    ...{ trajectories: 3, steps: 3, stepsPerTrajectory: 1 },
    // 5 + 2·13 + 3, 5 + 13, 2; written are 7 of each step's and 3 of the answer's.
    ...{ tokens: 54, tokensPerTrajectory: 18, written: 24, writtenPerTrajectory: 8 },
    ...{ chosenScore: (7 + 5 + 4) / 3, missingScoreShare: 1 / 8, missingVerdictShare: 1 / 3 },
    ...{ fallbackShare: 1 / 3, toolErrorShare: 1 / 2, belowTauShare: 2 / 3, coherentShare: 1 / 2 },
    ends: { answered: 2, context_overflow: 1 },
    actions: { calculator: 1, python: 1, logic: 0, think: 1 },
    audit: null,
  });
});

it('has the numbers of an evaluation from where an evaluation has them, of every category, too', () => {
  const answered = SET.map(({ steps, ...one }) => ({ ...one, steps: steps.map((step) => answeredStep(step, 6)) }));
  const { questions: _count, perCategory, perCategoryEntropy, ...whole } = summarize(answered, NAMES);
  const stats = statsOf(SET);
  expect(stats).toMatchObject(whole);
  expect(stats.perCategory.map(({ category }) => category)).toEqual(['law', 'math']);
  for (const [index, { questions, ...accuracy }] of perCategory.entries()) {
    const { steps, ...entropy } = perCategoryEntropy[index]!;
    expect(stats.perCategory[index]).toMatchObject({ trajectories: questions, steps, ...accuracy, ...entropy });
  }
});

it('says nothing where nothing is known: no judge, no τ, no scores', () => {
  const unjudged = exampleTrajectory(TWO_STEPS, [{ scores: null, processOk: null, choice: 'policy' }, failed], {
    ...{ selection: 'policy', tau: null, judge: null },
  });
  const policy = { ...unjudged, steps: unjudged.steps.slice(0, 1) };
  const nothing = { chosenScore: null, missingScoreShare: null, missingVerdictShare: null, fallbackShare: null };
  expect(statsOf([policy])).toMatchObject({ ...nothing, belowTauShare: null, coherentShare: null });
  expect(statsOf([unjudged]).belowTauShare).toBeNull();
  expect(statsOf([unjudged], 6).belowTauShare).toBe(1);
  const pair = exampleTrajectory(TWO_STEPS, [{ scores: null, pair: { chosen: 8, best: null } }, {}]);
  expect(statsOf([pair])).toMatchObject({ chosenScore: 7.5, missingScoreShare: 1 / 5, belowTauShare: 0 });
});

it('tells of the judge’s noise where states were scored again, and holds actions that were scored for there', () => {
  const verdicts = [
    { python: 6, think: 8, own: 3 },
    { python: 7, think: 9, own: 5 },
  ];
  const scored = exampleTrajectory(TWO_STEPS, [{ scores: { python: 6.5, think: 8.5, own: 4 }, verdicts }, {}]);
  const { audit, actions } = statsOf([scored]);
  expect(audit).toMatchObject({ states: 2, audited: 1, noise: Math.sqrt((0.5 + 0.5 + 2) / 3) });
  expect(actions).toEqual({ calculator: 0, python: 2, logic: 0, think: 0, own: 0 });
});
