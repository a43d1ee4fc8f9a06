import { describe, expect, it } from 'vitest';
import { actionEntropy } from '../../../src/evaluate/entropy.js';
import type { StageEvaluation } from '../../../src/evaluate/summary.js';
import { findWarnings, type TrainingRow } from '../../../src/evaluate/warnings.js';

/** A stage with `correct` of 200 right and the given steps per action. */
function stage(
  name: string,
  correct: number,
  actions: Record<string, number>,
): { name: string; evaluation: StageEvaluation } {
  const { steps: _, ...entropy } = actionEntropy(actions);
  const accuracy = correct / 200;
  const evaluation: StageEvaluation = {
    questions: 200,
    correct,
    accuracy,
    low: accuracy - 0.05,
    high: accuracy + 0.05,
    unparsedRate: 0,
    perCategory: [],
    perCategoryEntropy: [],
    coherentShare: null,
    belowTauShare: null,
    actions,
    ...entropy,
  };
  return { name, evaluation };
}

const codes = (stages: Parameters<typeof findWarnings>[0], rows: readonly TrainingRow[] = []) =>
  findWarnings(stages, [{ stage: 'spark', rows }]).map(({ code }) => code);

const even = { calculator: 50, python: 50, search: 50, think: 50 };
const healthy = (step: number): TrainingRow => ({
  stage: 'spark',
  iteration: 0,
  epoch: 0,
  step,
  tokens: 100,
  loss: -0.1,
  k3: 0.05,
  clipFraction: 0.1,
  valueLoss: 1 / step,
});
const run = (change: (step: number) => TrainingRow) =>
  Array.from({ length: 12 }, (_, index) => ({ ...healthy(index + 1), ...change(index + 1) }));

describe('findWarnings', () => {
  it('is silent on a healthy run', () => {
    expect(
      codes(
        [stage('base', 60, even), stage('spark', 80, even)],
        run(() => ({})),
      ),
    ).toEqual([]);
    expect(findWarnings([], [])).toEqual([]);
  });

  it('names KL past the target, by the mean of an epoch weighed by its tokens', () => {
    const late = run((step) => (step > 6 ? { epoch: 1, k3: 0.3 } : {}));
    const [warning] = findWarnings([], [{ stage: 'spark', rows: late }]);
    expect(warning).toMatchObject({ code: 'kl_past_target', stage: 'spark' });
    expect(warning!.message).toContain('0.300 in iteration 0, epoch 1');
    expect(
      codes(
        [],
        run((step) => (step === 12 ? { k3: 2, tokens: 1 } : {})),
      ),
    ).toEqual([]);
    expect(findWarnings([], [{ stage: 'spark', rows: late }], { targetKl: 0.5 })).toEqual([]);
  });

  it('names a metric that is not finite, as a number or as the word JSON keeps', () => {
    for (const value of ['NaN', 'Infinity', '-Infinity', Number.NaN]) {
      const rows = run((step) => (step === 3 ? { gradNorm: value } : {}));
      const [warning] = findWarnings([], [{ stage: 'sft', rows }]);
      expect(warning).toMatchObject({ code: 'not_finite', stage: 'sft' });
      expect(warning!.message).toMatch(/^gradNorm is .* at step 3/);
    }
    expect(codes([], [{ stage: 'nancy', event: 'information' }])).toEqual([]);
  });

  it('names a critic whose loss stays, or rises, but not one that was right at once', () => {
    expect(
      codes(
        [],
        run(() => ({ valueLoss: 0.8 })),
      ),
    ).toEqual(['critic_flat']);
    expect(
      codes(
        [],
        run((step) => ({ valueLoss: step })),
      ),
    ).toEqual(['critic_flat']);
    expect(
      codes(
        [],
        run(() => ({ valueLoss: 0 })),
      ),
    ).toEqual([]);
    expect(codes([], run(() => ({ valueLoss: 0.8 })).slice(0, 4))).toEqual([]);
  });

  it('names a clip fraction that throws most updates away', () => {
    expect(
      codes(
        [],
        run((step) => (step > 8 ? { clipFraction: 0.5 } : {})),
      ),
    ).toEqual(['clip_fraction_high']);
    expect(
      codes(
        [],
        run((step) => (step < 3 ? { clipFraction: 0.9 } : {})),
      ),
    ).toEqual([]);
  });

  it('names a judge that is silent too often', () => {
    expect(codes([], [{ event: 'rewards', steps: 90, stepsWithoutVerdict: 10 }])).toEqual(['judge_missing']);
    expect(codes([], [{ event: 'rewards', steps: 98, stepsWithoutVerdict: 2 }])).toEqual([]);
  });

  it('names think taking over', () => {
    const thinking = { calculator: 30, python: 25, search: 20, think: 125 };
    expect(codes([stage('sft', 60, even), stage('ppo', 60, thinking)])).toEqual(['think_share_rising']);
    expect(codes([stage('sft', 60, thinking), stage('ppo', 60, thinking)])).toEqual([]);
  });

  it('names an entropy that collapses, against the highest stage before', () => {
    const narrow = { calculator: 190, python: 10, search: 0, think: 0 };
    expect(codes([stage('base', 60, even), stage('sft', 60, even), stage('ppo', 60, narrow)])).toEqual([
      'entropy_collapse',
    ]);
    expect(codes([stage('base', 60, narrow), stage('sft', 60, even)])).toEqual([]);
  });

  it('names diversity that is paid for with accuracy, beyond chance', () => {
    const two = { calculator: 100, python: 100, search: 0, think: 0 };
    expect(codes([stage('ppo', 100, two), stage('spark', 70, even)])).toEqual(['diversity_up_accuracy_down']);
    expect(codes([stage('ppo', 100, two), stage('spark', 95, even)])).toEqual([]);
    expect(codes([stage('ppo', 100, even), stage('spark', 70, even)])).toEqual([]);
  });

  it('leaves a stage without actions out of the comparison', () => {
    const none = { calculator: 0, python: 0, search: 0, think: 0 };
    expect(codes([stage('base + tools', 60, even), stage('base', 60, none)])).toEqual([]);
  });
});
