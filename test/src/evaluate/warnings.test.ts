import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { actionEntropy } from '../../../src/evaluate/entropy.js';
import { THRESHOLDS } from '../../../src/evaluate/signLimits.js';
import { SIGN_CODES, SIGNS } from '../../../src/evaluate/signs.js';
import type { StageEvaluation } from '../../../src/evaluate/summary.js';
import { findWarnings, type TrainingRow } from '../../../src/evaluate/warnings.js';
import { TrainingWatch } from '../../../src/evaluate/watch.js';

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
    expect(warning).toMatchObject({ code: 'kl_past_target', stage: 'spark', step: 7, lastStep: 12 });
    expect(warning!.message).toContain('0.300 in iteration 0, epoch 1');
    expect(
      codes(
        [],
        run((step) => (step === 12 ? { k3: 2, tokens: 1 } : {})),
      ),
    ).toEqual([]);
    expect(findWarnings([], [{ stage: 'spark', rows: late }], { targetKl: 0.5 })).toEqual([]);
    // A training that had another target says so.
    expect(codes([], [{ event: 'start', targetKl: 0.5 }, ...late])).toEqual([]);
    expect(codes([], [{ event: 'start', targetKl: 0.04 }, healthy(1)])).toEqual(['kl_past_target']);
  });

  it('names KL that runs away although every epoch ends at once', () => {
    const away = run((step) => ({ epoch: step, k2Bounded: step > 4 ? 0.61 : 0.1 }));
    expect(codes([], away)).toEqual(['kl_past_target', 'kl_runaway']);
    expect(findWarnings([], [{ stage: 'spark', rows: away }])[1]).toMatchObject({ step: 12 });
    expect(
      codes(
        [],
        run((step) => ({ epoch: step, k2Bounded: step > 4 ? 0.59 : 0.1 })),
      ),
    ).toEqual(['kl_past_target']);
  });

  it('names a metric that is not finite, as a number or as the word JSON keeps, and what the engine refused', () => {
    for (const value of ['NaN', 'Infinity', '-Infinity', Number.NaN]) {
      const rows = run((step) => (step === 3 ? { gradNorm: value } : {}));
      const [warning] = findWarnings([], [{ stage: 'sft', rows }]);
      expect(warning).toMatchObject({ code: 'not_finite', stage: 'sft', step: 3, lastStep: 3 });
      expect(warning!.message).toMatch(/^gradNorm is /);
    }
    expect(codes([], [{ stage: 'nancy', event: 'information' }])).toEqual([]);
    const refused = { event: 'not_finite', beforeStep: 13, message: 'gradient of blk.0.q.A is NaN' };
    expect(findWarnings([], [{ stage: 'sft', rows: [...run(() => ({})), refused] }])).toMatchObject([
      { code: 'not_finite', step: 12, message: expect.stringMatching(/^gradient of blk\.0\.q\.A is NaN: lower/) },
    ]);
  });

  it('names a critic whose loss stays, or rises, over whole epochs, but not one that learns slowly or was right at once', () => {
    /** Epochs of ten steps, whose data differ: one batch has ten times the loss of the others. */
    const critic = (loss: (epoch: number) => number, { epochs = 4, steps = 10 } = {}) =>
      Array.from({ length: epochs * steps }, (_, index) => {
        const epoch = Math.floor(index / steps);
        const rare = index % steps === (3 * epoch) % steps ? 10 : 1;
        return { ...healthy(index + 1), step: index + 1, epoch, valueLoss: rare * loss(epoch) };
      });
    expect(
      codes(
        [],
        critic(() => 0.8),
      ),
    ).toEqual(['critic_flat']);
    expect(findWarnings([], [{ stage: 'spark', rows: critic(() => 0.8) }])).toMatchObject([{ step: 30, lastStep: 40 }]);
    expect(
      codes(
        [],
        critic((epoch) => 1 + epoch),
      ),
    ).toEqual(['critic_flat']);
    expect(
      codes(
        [],
        critic((epoch) => 0.97 ** epoch),
      ),
    ).toEqual([]);
    expect(
      codes(
        [],
        critic(() => 0),
      ),
    ).toEqual([]);
    expect(
      codes(
        [],
        critic(() => 0.8, { epochs: 2 }),
      ),
    ).toEqual([]);
    expect(
      codes(
        [],
        critic(() => 0.8, { steps: 7 }),
      ),
    ).toEqual([]);
    // Nothing is said by epochs that were cut short, whatever they are compared with.
    const cut = critic(() => 0.8).flatMap((row) => {
      if (row.step % 10 === 9) return [row, { event: 'target_kl', afterStep: row.step }];
      return row.step % 10 === 0 ? [] : [row];
    });
    expect(codes([], cut)).toEqual([]);
  });

  it('names a clip fraction that throws most updates away', () => {
    const clipped = (from: number, to: number, clipFraction: number) =>
      codes(
        [],
        run((step) => (step >= from && step <= to ? { clipFraction } : {})),
      );
    expect(clipped(5, 12, 0.31)).toEqual(['clip_fraction_high']);
    expect(clipped(5, 12, 0.29)).toEqual([]);
    // Seven steps are no eight.
    expect(codes([], run(() => ({ clipFraction: 0.9 })).slice(0, 7))).toEqual([]);
    // Once seen it stays seen, with the step at which it was over.
    const early = run((step) => (step < 6 ? { clipFraction: 0.6 } : {}));
    expect(findWarnings([], [{ stage: 'spark', rows: early }])).toMatchObject([{ step: 8, lastStep: 9 }]);
  });

  it('names a judge that is silent too often', () => {
    expect(codes([], [{ event: 'rewards', steps: 90, stepsWithoutVerdict: 10 }])).toEqual(['judge_missing']);
    expect(codes([], [{ event: 'rewards', steps: 98, stepsWithoutVerdict: 2 }])).toEqual([]);
  });

  it('names what becomes of the policy while it trains: think, few actions, bad actions', () => {
    const policy = (epochsDone: number, more: object) =>
      ({ event: 'policy', epochsDone, entropyBits: 2, belowTau: 0.1, thinkShare: 0.3, ...more }) as TrainingRow;
    const becomes = (more: object) => codes([], [policy(0, {}), ...run(() => ({})), policy(1, more)]);
    expect(becomes({})).toEqual([]);
    expect(becomes({ thinkShare: 0.5 })).toEqual(['think_share_rising']);
    expect(becomes({ thinkShare: 0.49 })).toEqual([]);
    expect(codes([], [policy(0, { thinkShare: 0.6 }), policy(1, { thinkShare: 0.69 })])).toEqual([]);
    expect(becomes({ entropyBits: 0.99 })).toEqual(['entropy_collapse']);
    expect(becomes({ entropyBits: 1.01 })).toEqual([]);
    expect(becomes({ belowTau: 0.21, entropyBits: 2.6 })).toEqual(['bad_actions_rising']);
    expect(becomes({ belowTau: 0.19, entropyBits: 2.6 })).toEqual([]);
  });

  it('leaves out what is switched off, and refuses names it does not know', () => {
    const rows = run(() => ({ clipFraction: 0.9 }));
    expect(findWarnings([], [{ stage: 'spark', rows }], {}, { clip_fraction_high: 'off' })).toEqual([]);
    expect(() => findWarnings([], [], {}, { clip_fraction: 'off' } as object)).toThrow(
      /rules: expected some of not_finite/,
    );
    expect(() => findWarnings([], [], { clip: 1 } as object)).toThrow(/thresholds: expected some of targetKl/);
  });

  it('sees the same in rows that come one by one, and forgets them when a training begins afresh', () => {
    const watch = new TrainingWatch(THRESHOLDS);
    const rows = run((step) => ({ k2Bounded: step > 2 ? 0.9 : 0, clipFraction: 0.9 }));
    const told = rows.flatMap((row) => watch.add(row).map(({ code, step }) => `${code} ${step}`));
    expect(told).toEqual(['kl_past_target 3', 'kl_runaway 8', 'clip_fraction_high 8']);
    expect(watch.standing).toEqual(['kl_past_target', 'kl_runaway', 'clip_fraction_high']);
    expect(watch.seen).toEqual(findWarnings([], [{ stage: 's', rows }]).map(({ stage: _, ...seen }) => seen));
    watch.add({ event: 'start', afterStep: 12 });
    expect(watch.seen).toHaveLength(3);
    watch.add({ event: 'start' });
    watch.add(healthy(1));
    expect([watch.seen, watch.standing]).toEqual([[], []]);
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

it('docs/metrics.md has every sign, and every limit with its default', () => {
  const page = readFileSync('docs/metrics.md', 'utf8').split('## Failure signs')[1]!;
  for (const code of SIGN_CODES) {
    const [, training, stage] = new RegExp(`^\\| \`${code}\` \\| (.*) ?\\| (.*) ?\\|$`, 'm').exec(page)!;
    expect([code, training!.trim() !== '', stage!.trim() !== '']).toEqual([
      code,
      SIGNS[code].ofTraining !== undefined,
      SIGNS[code].ofStage !== undefined,
    ]);
  }
  const { targetKl: _, ...limits } = THRESHOLDS;
  for (const [name, value] of Object.entries(limits)) expect(page).toContain(`| \`${name}\` | ${value} |`);
});
