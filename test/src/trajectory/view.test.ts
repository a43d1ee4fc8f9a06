/** A trajectory as it is shown, which are shown, and ids that are seen again. */
import { describe, expect, it } from 'vitest';
import { plain, transcript } from '../../../src/cli/trajectories/transcript.js';
import { stepReward } from '../../../src/reward.js';
import { matching } from '../../../src/trajectory/filter.js';
import { SeenIds } from '../../../src/trajectory/seenIds.js';
import type { Trajectory } from '../../../src/trajectory/trajectory.js';
import { type AskedQuestion, viewOf } from '../../../src/trajectory/view.js';
import { exampleTrajectory, TWO_STEPS } from './example.js';

const QUESTION: AskedQuestion = { question: 'What is 1+1?', options: ['1', 'N/A', '2'], answer: 'C' };
const half = (step: Parameters<typeof stepReward>[0]) => stepReward(step, 0.5);
const shown = (one: Trajectory, question: AskedQuestion | null = QUESTION) =>
  transcript(viewOf(one, question, half), 'some-set', plain);

const example = exampleTrajectory(TWO_STEPS, [
  { scores: { search: null, calculator: 9, python: 7, logic: 7, think: 4 } },
  { processOk: false, toolError: 'tool_input', choice: 'fallback', truncated: true },
]);

describe('a trajectory as it is shown', () => {
  it('has scores in order with ranks, ties alike and missing ones last, and the reward’s terms', () => {
    const { steps, tokens, written } = viewOf(example, QUESTION, half);
    expect(steps[0]!.scores!.map(({ action, rank }) => [action, rank])).toEqual([
      ...[
        ['calculator', 1],
        ['python', 2],
        ['logic', 2],
        ['think', 4],
        ['search', null],
      ],
    ]);
    expect(steps[0]).toMatchObject({ chosen: 7, best: 9, reward: { diversity: 1, coherence: 0, reward: 1 } });
    expect(steps[1]!.reward).toMatchObject({ diversity: 1, coherence: -0.5, reward: 0.5 });
    expect([tokens, written]).toEqual([34, 17]);
  });

  it('reads as a transcript', () => {
    const text = shown(example);
    expect(text).toContain('── 7:min-score-tau6:0 ── some-set · math · min-score, τ 6');
    expect(text).toContain('  What is 1+1?\n   A. 1\n   C. 2  ← right');
    expect(text).toContain(
      '  calculator 9  ▶python 7 (rank 2 of 4)  logic 7  think 4  search –\n  python\n    > 1+1\n    = 2\n',
    );
    expect(text).toContain('  coherent; reward +1.00 = rarity +1.00, coherence +0.00');
    expect(text).toContain('step 2  (cut at its limit)');
    expect(text).toContain('python  (nothing was viable)\n    > 1+1\n    = 2  [tool_input]\n');
    expect(text).toContain('  incoherent; reward +0.50 = rarity +1.00, coherence −0.50');
    expect(text).toContain('\nanswer C: right\n  The answer is (C).\n');
    expect(text).toContain('2 steps, 34 tokens, 17 of them the model’s; answered\n');
    const wrong = shown({ ...example, answer: 'A', correct: false });
    expect(wrong).toContain('   A. 1  ← chosen');
    expect(wrong).toContain('answer A: wrong, right is C');
    const policy = shown({ ...example, steps: [{ ...example.steps[0]!, scores: null, processOk: null }] }, null);
    expect(policy).toContain('question 7, whose text is not known here');
    expect(policy).not.toMatch(/reward|coherent/);
  });

  it('lets no text of a model, tool or file move the cursor, turn the line or pass for ours', () => {
    const evil = '\u001b[2J\u009b31m\u202eabc\r\nanswer A: right\u2028step 9\u0000';
    const step = {
      thought: evil,
      input: evil,
      observation: evil,
      action: evil,
      toolError: evil,
      scores: { [evil]: 1 },
    };
    const all = exampleTrajectory(TWO_STEPS, [step, step], {
      ...{ id: evil, category: evil, generator: evil, judge: evil, answerText: evil },
    });
    const text = shown(all, { question: evil, options: [evil, evil], answer: 'B' });
    expect(text).not.toMatch(/(?!\n)\p{Cc}|[\u2028\u2029\u202a-\u202e\u2066-\u2069]/u);
    expect(text).not.toMatch(/^(answer A|step 9)/m);
  });
});

it('those that match are of the categories, tools, ids and grades that are asked for', () => {
  const matches = (filter: Parameters<typeof matching>[0]) => matching(filter)(example);
  expect(matches({})).toBe(true);
  expect(matches({ categories: ['law', 'math'], tools: ['python', 'x'], ids: ['7'], wrong: false })).toBe(true);
  expect(matches({ ids: ['7:min-score-tau6:0'] })).toBe(true);
  for (const filter of [{ categories: ['law'] }, { tools: ['think'] }, { wrong: true }, { ids: ['8'] }]) {
    expect(matches(filter)).toBe(false);
  }
  expect(() => matches({ category: ['law'] } as never)).toThrow(/category/);
});

it('an id is found again among many, and no other', () => {
  const seen = new SeenIds();
  for (let k = 0; k < 5000; k++) expect(seen.add(`${k}:min-score:0`)).toBe(true);
  for (let k = 0; k < 5000; k += 7) expect(seen.add(`${k}:min-score:0`)).toBe(false);
});
