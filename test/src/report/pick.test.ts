import { describe, expect, it } from 'vitest';
import { pickTranscripts } from '../../../src/report/pick.js';
import { transcriptsSection } from '../../../src/report/transcripts.js';
import type { Step, Trajectory } from '../../../src/trajectory/trajectory.js';
import { question } from '../rollout/parts.js';
import { trajectoryOf } from './sample.js';

interface Given {
  readonly id: number;
  readonly correct: boolean;
  readonly actions?: readonly string[];
  readonly reward?: number;
  readonly category?: string;
  readonly failed?: number;
}

const answer = ({ id, correct, actions = ['think'], reward, category = 'math', failed = 0 }: Given): Trajectory =>
  trajectoryOf({
    ...{ id: `${id}`, questionId: id, category, correct },
    steps: actions.map(
      (action, at): Partial<Step> => ({
        ...{ action, thought: reward === undefined ? '' : `${reward}` },
        toolError: at < failed ? 'timeout' : null,
      }),
    ),
  });
/** The tests write what a step earns into its thought. */
const rewardOf = ({ thought }: Step) => (thought === '' ? null : Number(thought));
const none = { rewardOf, others: new Map<number, boolean[]>() };
const of = (picked: Awaited<ReturnType<typeof pickTranscripts>>, why: string) =>
  picked.filter((one) => one.why.includes(why)).map(({ trajectory }) => trajectory.questionId);

describe('pickTranscripts', () => {
  it('ranks right answers by the highest reward, wrong ones by the lowest; of equal ones the first', async () => {
    const rewards = [1, 5, 3, 3, 4, 2];
    const right = rewards.map((reward, id) => answer({ id, correct: true, reward }));
    const wrong = rewards.map((reward, at) => answer({ id: 10 + at, correct: false, reward: -reward }));
    const picked = await pickTranscripts([...right, ...wrong], none);
    expect(of(picked, 'best')).toEqual([1, 4, 2]);
    expect(of(picked, 'worst')).toEqual([11, 14, 12]);
    expect(picked.find(({ trajectory }) => trajectory.questionId === 1)!.reward).toBe(5);
  });

  it('without scores goes by how many actions differ, and how many tools failed', async () => {
    const several = ['search', 'think', 'search'];
    const answers = [['think', 'think', 'think'], several].map((actions, id) => answer({ id, correct: true, actions }));
    expect(of(await pickTranscripts(answers, none), 'best')).toEqual([1, 0]);
    const failed = [0, 2, 1].map((failed, id) => answer({ id, correct: false, actions: several, failed }));
    expect(of(await pickTranscripts(failed, none), 'worst')).toEqual([1, 2, 0]);
  });

  it('is surprised where it stands alone against every other stage', async () => {
    const others = new Map([
      [0, [false, false]],
      [1, [false, true]],
      [2, [true, true]],
      [3, [true]],
    ]);
    const answers = [true, true, false, false, true].map((correct, id) => answer({ id, correct }));
    const picked = await pickTranscripts(answers, { rewardOf, others });
    expect(of(picked, 'surprising: right where every other stage is wrong')).toEqual([0]);
    expect(of(picked, 'surprising: wrong where every other stage is right')).toEqual([2, 3]);
  });

  it('has one for each action and category, a right one first, and shows none twice', async () => {
    const answers = [
      answer({ id: 0, correct: false, actions: ['search'], category: 'law' }),
      answer({ id: 1, correct: true, actions: ['search', 'python'], category: 'law' }),
      answer({ id: 2, correct: false, actions: ['logic'] }),
    ];
    const picked = await pickTranscripts(answers, none);
    for (const [why, id] of Object.entries({ search: 1, python: 1, logic: 2 }))
      expect(of(picked, `uses ${why}`)).toEqual([id]);
    expect([of(picked, 'category law'), of(picked, 'category math')]).toEqual([[1], [2]]);
    expect(new Set(picked.map(({ trajectory }) => trajectory.id)).size).toBe(picked.length);
  });
});

describe('transcriptsSection', () => {
  const step: Partial<Step> = {
    ...{ action: 'search', thought: '<b>a</b>', input: 'x\u202ey\u0007', observation: 'o'.repeat(1300) },
    ...{ scores: { search: 4, think: 9, python: null }, choice: 'policy', processOk: false, toolError: 'timeout' },
  };
  const trajectory = trajectoryOf({ id: '7', questionId: 7, correct: false, answer: 'B', steps: [step] });
  const section = (known: boolean) =>
    transcriptsSection({
      ...{ stage: 'spark', picked: [{ why: ['worst'], trajectory, reward: -0.001 }], tau: 6 },
      questions: new Map(known ? [[7, { ...question(), question: 'What <i>is</i> it?' }]] : []),
    });

  it('shows question, step, score and answer, escaped and cut', () => {
    const html = section(true);
    expect(html).toContain('What &lt;i&gt;is&lt;/i&gt; it?');
    expect(html).toContain('&lt;b&gt;a&lt;/b&gt;');
    expect(html).toContain('<p class="did">x�y�</p>');
    expect(html).toContain('score 4, number 2 of 2, best 9, below τ · incoherent · failed: timeout');
    expect(html).toContain(`${'o'.repeat(1200)} <span class="soft">… 100 more characters (7.7 %)`);
    expect(html).toContain('reward 0.00');
    expect(html).toMatch(new RegExp(`answer B; right is ${question().answer}`));
  });

  it('says when the question’s text is gone', () => {
    expect(section(false)).toContain('Its text is not where the run had it from.');
  });
});
