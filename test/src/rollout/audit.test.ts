/** The rarity audit: which choices it doubts, what it asks, and its estimates against a noise that is known. */
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { SparkError } from '../../../src/errors.js';
import { chosen } from '../../../src/evaluate/agreement.js';
import { AuditTally } from '../../../src/evaluate/audit.js';
import type { Judge, JudgeRequest } from '../../../src/judge/judge.js';
import { createOracle } from '../../../src/judge/oracle.js';
import { makeMini } from '../../../src/questions/mini.js';
import { type Audit, askAudited, inDoubt, meanScores } from '../../../src/rollout/audit.js';
import { BUILTIN_TOOLS } from '../../../src/tools/builtin.js';
import { THINK } from '../../../src/tools/tool.js';
import type { SelectionRule, Step } from '../../../src/trajectory/trajectory.js';
import { question, tableJudge } from './parts.js';

const NAMES = [...BUILTIN_TOOLS, THINK];
const actions = NAMES.map((name) => ({ name, description: '', inputHint: '' }));
const request = (of = question()): JudgeRequest => ({ question: of, steps: [], thought: 'x', answer: null, actions });
const settings = (audit: Audit, rule: SelectionRule = 'min-score') => ({
  ...{ audit, rule, tau: 6, margin: 1, retries: 0, seed: 5 },
});

describe('a choice in doubt', () => {
  const doubt = (scores: number[], rule: SelectionRule = 'min-score') =>
    inDoubt(Object.fromEntries(scores.map((score, at) => [`a${at}`, score])), { rule, tau: 6, margin: 1 });

  it('is one that a point can change: near τ, or with a rival', () => {
    expect(doubt([2, 7.5, 9.5])).toBe(false);
    expect(doubt([2, 7, 9.5])).toBe(true);
    expect(doubt([5, 7.5, 9.5])).toBe(true);
    expect(doubt([2, 8, 9])).toBe(true);
    expect(doubt([2, 8, 8])).toBe(true);
    // The best ones are not chosen, whatever they are.
    expect(doubt([2, 7.5, 9.5, 9.5])).toBe(false);
  });

  it('with nothing viable is one where something could be, or where two are the best', () => {
    expect(doubt([1, 4.5])).toBe(false);
    expect(doubt([1, 5])).toBe(true);
    expect(doubt([4, 4.5])).toBe(true);
  });

  it('of the highest score does not depend on τ, of frequency on nothing else', () => {
    expect([doubt([6, 9], 'max-score'), doubt([8.5, 9], 'max-score'), doubt([1, 5], 'max-score')]).toEqual([
      false,
      true,
      false,
    ]);
    expect([doubt([2, 8, 8], 'least-used'), doubt([2, 7, 9], 'least-used')]).toEqual([false, true]);
  });
});

describe('verdicts on one state', () => {
  it('are asked for in other orders, their means choose, and a missing score is in no mean', async () => {
    const all = [
      { calculator: 6, think: 9 },
      { think: 8, calculator: 4 },
      { calculator: null, think: 7 },
    ];
    const judge = tableJudge((_, call) => ({ scores: all[call - 1]!, processOk: call === 2 ? true : null }));
    const verdict = await askAudited(judge, request(), settings('thorough'), undefined);
    expect(verdict).toEqual({ scores: { calculator: 5, think: 8 }, processOk: true, verdicts: all });
    const orders = judge.requests.map(({ actions: given }) => given.map(({ name }) => name));
    expect(orders[0]).toEqual(NAMES);
    expect(new Set(orders.map(String)).size).toBe(3);
    for (const order of orders) expect([...order].sort()).toEqual([...NAMES].sort());
  });

  it('cost nothing where nothing is in doubt, and nothing but themselves where they fail', async () => {
    const sure = tableJudge(() => ({ scores: { calculator: 8, think: 3 }, processOk: null }));
    expect((await askAudited(sure, request(), settings('cheap'), undefined)).verdicts).toHaveLength(1);
    expect((await askAudited(sure, request(), settings('off'), undefined)).verdicts).toHaveLength(1);
    const failing = tableJudge((_, call) => {
      if (call > 1) throw new SparkError('judge_unparsable', 'prose');
      return { scores: { calculator: 6, think: 3 }, processOk: null };
    });
    const verdict = await askAudited(failing, request(), settings('cheap'), undefined);
    expect([failing.requests.length, verdict.verdicts]).toEqual([2, [{ calculator: 6, think: 3 }]]);
    const broke = tableJudge((_, call) => {
      if (call > 1) throw new SparkError('judge_budget', 'used up');
      return { scores: { calculator: 6, think: 3 }, processOk: null };
    });
    await expect(askAudited(broke, request(), settings('cheap'), undefined)).rejects.toMatchObject({
      code: 'judge_budget',
    });
  });
});

describe('on mini, with an oracle and a noise that is known', () => {
  const questions = makeMini({ seed: 3, perCategory: 30, split: 'train' });
  const oracle = createOracle();

  /** A normal draw that depends on the question, the action and the order in which the actions were shown. */
  function noise({ question: { question_id }, actions: shown }: JudgeRequest, action: string): number {
    const text = `${question_id}/${action}/${shown.map(({ name }) => name).join()}`;
    const hash = createHash('sha256').update(text).digest();
    const [a, b] = [(hash.readUInt32LE(0) + 1) / 2 ** 32, hash.readUInt32LE(4) / 2 ** 32];
    return Math.sqrt(-2 * Math.log(a)) * Math.cos(2 * Math.PI * b);
  }

  /** In [0, 10] and not rounded, so that the noise is what it is said to be but at the ends. */
  const noisy = (sigma: number): Judge => ({
    id: 'noisy',
    async judge(asked, options) {
      const { scores } = await oracle.judge(asked, options);
      const moved = Object.entries(scores).map(([name, score]) => [
        name,
        Math.min(10, Math.max(0, score! + sigma * noise(asked, name))),
      ]);
      return { scores: Object.fromEntries(moved), processOk: null };
    },
  });

  it.each([0.3, 1])('of %s points it finds how large it is, and how many choices it makes', async (sigma) => {
    const judge = noisy(sigma);
    const tally = new AuditTally('min-score', 6);
    let wrong = 0;
    let better = 0;
    for (const of of questions) {
      const truth = chosen(NAMES, (await oracle.judge(request(of), {})).scores, 'min-score', 6);
      const { scores, verdicts } = await askAudited(judge, request(of), settings('thorough'), undefined);
      expect(scores).toEqual(meanScores(verdicts));
      tally.add({ steps: [{ scores, verdicts } as unknown as Step] });
      if (chosen(NAMES, verdicts[0]!, 'min-score', 6) !== truth) wrong += 1;
      if (chosen(NAMES, scores, 'min-score', 6) !== truth) better += 1;
    }
    const found = tally.summary();
    expect(found).toMatchObject({ states: questions.length, audited: questions.length });
    // Some 3,000 scores, each seen three times: an estimate within 3 % at two standard errors; the ends of the scale cut some off.
    expect(found.noise! / sigma).toBeGreaterThan(0.9);
    expect(found.noise! / sigma).toBeLessThan(1.04);
    // Two standard errors of a share over 420 states are 5 points; noise left in the means makes it too low.
    const truth = wrong / questions.length;
    expect(found.byNoise! - truth).toBeLessThan(0.05);
    expect(found.byNoise! / truth).toBeGreaterThan(0.7);
    expect(better).toBeLessThan(wrong);
  });

  it('of none it finds none', async () => {
    const tally = new AuditTally('min-score', 6);
    for (const of of questions) {
      const { scores, verdicts } = await askAudited(oracle, request(of), settings('thorough'), undefined);
      tally.add({ steps: [{ scores, verdicts } as unknown as Step] });
    }
    expect(tally.summary()).toMatchObject({ changed: 0, byNoise: 0, luck: 0 });
    expect(tally.summary().noise).toBeLessThan(1e-12);
    expect(new AuditTally('min-score', 6).summary()).toMatchObject({ noise: null, byNoise: null });
  });
});
