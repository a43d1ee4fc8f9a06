import { describe, expect, it } from 'vitest';
import { SparkError } from '../../../src/errors.js';
import type { JudgeRequest } from '../../../src/judge/judge.js';
import { isTrajectory } from '../../../src/rollout/rollout.js';
import { runRollouts } from '../../../src/rollout/run.js';
import type { RolloutDeps } from '../../../src/rollout/settings.js';
import { ToolRegistry } from '../../../src/tools/registry.js';
import type { Skip, Trajectory } from '../../../src/trajectory/trajectory.js';
import { continuations, ScriptedGenerator } from '../inference/scripted.js';
import { question, SETTINGS, tableJudge } from './parts.js';

const MODEL = continuations([
  ['<input>', 'C it is.</input><answer>The answer is (C).</answer>'],
  ['900\n', '<thought>Think.</thought>'],
]);
const questions = (count: number) => Array.from({ length: count }, (_, index) => question(index + 1));
const slow = <T>(value: T) => new Promise<T>((resolve) => setTimeout(resolve, 20, value));
const verdict = { scores: { think: 8 }, processOk: true };

const deps = (more: Partial<RolloutDeps> = {}): RolloutDeps => ({
  generator: new ScriptedGenerator(MODEL, { sequences: 4 }),
  judge: tableJudge(() => verdict),
  tools: new ToolRegistry(),
  ...more,
});

describe('runRollouts', () => {
  it('hands over every result once, several under way at a time', async () => {
    let under = 0;
    let most = 0;
    const judge = tableJudge(async () => {
      most = Math.max(most, ++under);
      await slow(null);
      under -= 1;
      return verdict;
    });
    const results: (Trajectory | Skip)[] = [];
    let inside = 0;
    const summary = await runRollouts(questions(10), deps({ judge }), SETTINGS, async (result) => {
      expect(++inside).toBe(1);
      await slow(null);
      inside -= 1;
      results.push(result);
    });
    expect(summary).toEqual({ trajectories: 10, skips: 0, skipCodes: {} });
    expect(results.map((result) => (isTrajectory(result) ? result.questionId : 0)).sort((a, b) => a - b)).toEqual(
      questions(10).map((q) => q.question_id),
    );
    expect(most).toBe(4);
  });

  it('counts skips by code and goes on', async () => {
    const judge = tableJudge(({ question: { question_id } }) => {
      if (question_id % 2 === 0) throw new SparkError('judge_refused', 'no');
      return verdict;
    });
    const summary = await runRollouts(questions(6), deps({ judge }), SETTINGS, () => {});
    expect(summary).toEqual({ trajectories: 3, skips: 3, skipCodes: { judge_refused: 3 } });
  });

  it.each([
    ['about an action', () => true],
    ['about the last step', ({ thought }: JudgeRequest) => thought === null],
  ])('ends when the judge is broken where it is asked %s, and says where it threw', async (_, when) => {
    let asked = 0;
    const judge = tableJudge((request) => {
      if (!when(request)) return verdict;
      asked += 1;
      return (undefined as unknown as { verdict: never }).verdict;
    });
    const results: unknown[] = [];
    const run = runRollouts(questions(20), deps({ judge }), SETTINGS, (result) => void results.push(result));
    await expect(run).rejects.toMatchObject({
      code: 'invalid_argument',
      message: expect.stringMatching(
        /^judge table threw TypeError: Cannot read .*'verdict'.* \(at .*run\.test\.ts:\d+:\d+\)?; mend the judge/,
      ),
      cause: expect.any(TypeError),
    });
    expect(results).toEqual([]);
    // Not asked again, as it would be after a failure that may pass.
    expect(asked).toBeLessThanOrEqual(4);
  });

  it('takes what a judge throws on an abort for the abort', async () => {
    const controller = new AbortController();
    const judge = tableJudge(async () => {
      controller.abort(new Error('my own reason'));
      controller.signal.throwIfAborted();
      return verdict;
    });
    const run = runRollouts(questions(4), deps({ judge, signal: controller.signal }), SETTINGS, () => {});
    await expect(run).rejects.toMatchObject({ code: 'interrupted' });
  });

  it('on an abort, has handed over what was finished and says interrupted', async () => {
    const controller = new AbortController();
    const results: unknown[] = [];
    const run = runRollouts(questions(50), deps({ signal: controller.signal }), SETTINGS, async (result) => {
      results.push(result);
      if (results.length === 3) controller.abort();
    });
    await expect(run).rejects.toMatchObject({ code: 'interrupted' });
    expect(results.length).toBeGreaterThanOrEqual(3);
    expect(results.length).toBeLessThan(12);
  });

  it('ends with the first error that no question could escape, and with that of the handler', async () => {
    const broke = tableJudge(({ question: { question_id } }) => {
      if (question_id === 5) throw new SparkError('judge_budget', 'spent');
      return slow(verdict);
    });
    const done: number[] = [];
    await expect(
      runRollouts(questions(40), deps({ judge: broke }), SETTINGS, (result) => {
        if (isTrajectory(result)) done.push(result.questionId);
      }),
    ).rejects.toMatchObject({ code: 'judge_budget' });
    expect(done.length).toBeLessThan(12);
    await expect(
      runRollouts(questions(9), deps(), SETTINGS, () => {
        throw new SparkError('disk_full', 'full');
      }),
    ).rejects.toMatchObject({ code: 'disk_full' });
  });

  it('tries once more, at the end, what a failure kept that may have passed; what fails twice is a skip', async () => {
    const asked: number[] = [];
    const judge = tableJudge(({ question: { question_id } }) => {
      const before = asked.filter((id) => id === question_id).length;
      asked.push(question_id);
      if (question_id === 1 && before < 2) throw new SparkError('judge_unreachable', 'busy');
      if (question_id === 2) throw new SparkError('judge_unparsable', 'prose');
      if (question_id === 3) throw new SparkError('judge_refused', 'no');
      return verdict;
    });
    const results: (Trajectory | Skip)[] = [];
    const summary = await runRollouts(questions(6), deps({ judge }), SETTINGS, (result) => void results.push(result));
    expect(summary).toEqual({ trajectories: 4, skips: 2, skipCodes: { judge_unparsable: 1, judge_refused: 1 } });
    expect(results.map(({ questionId }) => questionId).sort()).toEqual([1, 2, 3, 4, 5, 6]);
    // Each time twice, as `stepRetries` says; the refusal is final.
    expect([1, 2, 3].map((id) => asked.filter((one) => one === id).length)).toEqual([4, 4, 2]);
    expect(asked.indexOf(6)).toBeLessThan(asked.lastIndexOf(2));
  });

  it('stops when the judge stays out of reach', async () => {
    const gone = tableJudge(() => {
      throw new SparkError('judge_unreachable', 'connection refused');
    });
    const skips: unknown[] = [];
    await expect(
      runRollouts(questions(60), deps({ judge: gone }), SETTINGS, (skip) => void skips.push(skip)),
    ).rejects.toMatchObject({ code: 'judge_unreachable' });
    expect(skips.length).toBeGreaterThanOrEqual(16);
    expect(skips.length).toBeLessThan(25);
  });
});
