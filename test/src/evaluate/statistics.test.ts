import { describe, expect, it } from 'vitest';
import { accuracyByCategory, accuracyOf, wilson } from '../../../src/evaluate/accuracy.js';
import { actionEntropy, countActions } from '../../../src/evaluate/entropy.js';
import { answeredStep, summarize } from '../../../src/evaluate/summary.js';
import { THINK } from '../../../src/tools/tool.js';
import type { Step, Trajectory } from '../../../src/trajectory/trajectory.js';

/** Nine, whatever tools there are: the numbers below are of nine. */
const ACTIONS = [...'calculator python algebra logic statistics chemistry encyclopedia search'.split(' '), THINK];

describe('wilson', () => {
  // Roots of (k/n − p)² n = z² p (1 − p), found by bisection.
  it.each([
    [0, 10, 0, 0.2775],
    [10, 10, 0.7225, 1],
    [5, 10, 0.2366, 0.7634],
    [1, 20, 0.0089, 0.2361],
    [325, 700, 0.4276, 0.5013],
  ])('%i of %i is [%f, %f]', (correct, count, low, high) => {
    const interval = wilson(correct, count);
    expect(interval.low).toBeCloseTo(low, 4);
    expect(interval.high).toBeCloseTo(high, 4);
  });

  it('solves its own equation: the bound is z standard errors from the estimate', () => {
    const { low, high } = wilson(13, 50);
    for (const p of [low, high]) expect(Math.abs(0.26 - p) / Math.sqrt((p * (1 - p)) / 50)).toBeCloseTo(1.959964, 5);
  });

  it('knows nothing of nothing', () => {
    expect(wilson(0, 0)).toEqual({ low: 0, high: 1 });
  });
});

describe('accuracy', () => {
  const answers = [
    { category: 'math', correct: true, parsed: true },
    { category: 'law', correct: false, parsed: true },
    { category: 'math', correct: false, parsed: false },
  ];

  it('counts right and unparsed answers, categories by name', () => {
    expect(accuracyOf(answers)).toMatchObject({ questions: 3, correct: 1, accuracy: 1 / 3, unparsedRate: 1 / 3 });
    expect(accuracyByCategory(answers)).toMatchObject([
      { category: 'law', questions: 1, accuracy: 0 },
      { category: 'math', questions: 2, accuracy: 0.5, unparsedRate: 0.5 },
    ]);
    expect(accuracyOf([])).toEqual({ questions: 0, correct: 0, accuracy: 0, low: 0, high: 1, unparsedRate: 0 });
  });
});

describe('entropy', () => {
  it('is log2 9 for an even use, zero for a single action', () => {
    const even = actionEntropy(countActions(ACTIONS, ACTIONS));
    expect(even.entropyBits).toBeCloseTo(Math.log2(9), 12);
    expect(even.entropyNormalized).toBeCloseTo(1, 12);
    expect(even.effectiveActions).toBeCloseTo(9, 12);
    expect(even.thinkShare).toBeCloseTo(1 / 9, 12);
    const one = actionEntropy(countActions([THINK, THINK], ACTIONS));
    expect(one).toEqual({ steps: 2, entropyBits: 0, entropyNormalized: 0, effectiveActions: 1, thinkShare: 1 });
  });

  it('follows −Σ p log2 p', () => {
    const half = actionEntropy(countActions(['python', 'python', 'logic', THINK], ACTIONS));
    expect(half.entropyBits).toBeCloseTo(1.5, 12);
    expect(half.entropyNormalized).toBeCloseTo(1.5 / Math.log2(9), 12);
    expect(half.effectiveActions).toBeCloseTo(2 ** 1.5, 12);
  });

  it('says nothing of no steps, and counts a strange name like any other', () => {
    expect(actionEntropy(countActions([], ACTIONS))).toMatchObject({ steps: 0, entropyBits: 0, effectiveActions: 0 });
    expect(actionEntropy(countActions(['__proto__', 'python'], ACTIONS)).entropyBits).toBeCloseTo(1, 12);
  });
});

function trajectory(category: string, actions: readonly string[], answer: string | null, correct: boolean): Trajectory {
  const step = (action: string, index: number): Step => ({
    index,
    stateEnd: 1,
    thought: '',
    scores: null,
    action,
    choice: 'policy',
    input: '',
    observation: null,
    toolError: null,
    truncated: false,
    processOk: null,
  });
  return {
    id: `${category}${actions.join()}`,
    questionId: 1,
    category,
    selection: 'policy',
    tau: null,
    generator: 'test',
    judge: null,
    seed: 1,
    steps: actions.map(step),
    answerText: '',
    answer,
    correct,
    end: 'answered',
    tokens: [],
    segments: [],
  };
}

describe('summarize', () => {
  it('puts accuracy and entropy of a stage together, overall and by category', () => {
    const stage = summarize(
      [
        trajectory('math', ['calculator', 'python'], 'A', true),
        trajectory('math', ['calculator', THINK], null, false),
        trajectory('law', [], 'B', false),
      ],
      ACTIONS,
    );
    expect(stage).toMatchObject({ questions: 3, correct: 1, unparsedRate: 1 / 3, entropyBits: 1.5, thinkShare: 0.25 });
    expect(Object.keys(stage.actions)).toEqual(ACTIONS);
    expect(stage.actions).toMatchObject({ calculator: 2, python: 1, think: 1, search: 0 });
    expect(stage.perCategory.map(({ category, accuracy }) => [category, accuracy])).toEqual([
      ['law', 0],
      ['math', 0.5],
    ]);
    expect(stage.perCategoryEntropy).toMatchObject([
      { category: 'law', steps: 0, effectiveActions: 0 },
      { category: 'math', steps: 4, entropyBits: 1.5, entropyNormalized: 1.5 / Math.log2(9) },
    ]);
    expect(JSON.parse(JSON.stringify(stage))).toEqual(stage);
    expect(stage).toMatchObject({ coherentShare: null, belowTauShare: null }); // Nobody judged them.
  });

  it('counts coherence and scores over the steps of which they are known', () => {
    const taken = (score: number | null, processOk: boolean | null) =>
      answeredStep({ action: 'python', scores: { python: score, search: 9 }, processOk }, 6);
    // At τ an action is viable.
    expect([6, 5.99, null].map((score) => taken(score, true).viable)).toEqual([true, false, null]);
    expect(answeredStep({ action: 'toString', scores: {}, processOk: null }, 6)).toMatchObject({ viable: null });
    expect(answeredStep({ action: 'python', scores: null, processOk: null }, 6)).toMatchObject({ viable: null });
    const steps = [taken(6, true), taken(3, false), taken(null, true), taken(8, null)];
    const answered = { category: 'math', correct: true, answer: 'A', steps } as const;
    expect(summarize([answered], ACTIONS)).toMatchObject({ coherentShare: 2 / 3, belowTauShare: 1 / 3 });
  });
});
