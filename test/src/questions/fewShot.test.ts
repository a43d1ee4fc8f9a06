import { describe, expect, it } from 'vitest';
import { fewShotPrompt, SHOTS, STOP } from '../../../src/questions/fewShot.js';
import type { Question } from '../../../src/questions/question.js';
import { renderQuestion } from '../../../src/rollout/prompt.js';

function question(id: number, change: Partial<Question> = {}): Question {
  return {
    question_id: id,
    question: `Question ${id}?`,
    options: ['one', 'two', 'N/A'],
    answer: 'A',
    answer_index: 0,
    cot_content: `A: Let's think step by step. Because ${id}. The answer is (A).`,
    category: 'math',
    src: 'test',
    ...change,
  };
}

const HEADER =
  'The following are multiple choice questions (with answers) about math. Think step by step and then finish your ' +
  'answer with "the answer is (X)" where X is the correct letter choice.';

describe('fewShotPrompt', () => {
  it('is the official prompt, letter by letter', () => {
    const validation = [question(1), question(2, { category: 'law' }), question(3)];
    expect(fewShotPrompt(question(9), validation)).toBe(
      `${HEADER}\n\n\n\n` +
        'Question:\nQuestion 1?\nOptions:\nA. one\nB. two\n' +
        "Answer: Let's think step by step. Because 1. The answer is (A).\n\n" +
        'Question:\nQuestion 3?\nOptions:\nA. one\nB. two\n' +
        "Answer: Let's think step by step. Because 3. The answer is (A).\n\n" +
        "Question:\nQuestion 9?\nOptions:\nA. one\nB. two\nAnswer: Let's think step by step.",
    );
  });

  it('takes the first five of the category, fewer when asked, none when there are none', () => {
    const validation = Array.from({ length: 8 }, (_, id) => question(id));
    const shots = (prompt: string) => prompt.split(STOP).length - 2;
    expect(shots(fewShotPrompt(question(99), validation))).toBe(SHOTS);
    expect(fewShotPrompt(question(99), validation)).not.toContain('Question 5?');
    expect(shots(fewShotPrompt(question(99), validation, 2))).toBe(2);
    expect(shots(fewShotPrompt(question(99)))).toBe(0);
    expect(fewShotPrompt(question(99)).startsWith(HEADER)).toBe(true);
  });

  it('leaves out N/A wherever it stands, and keeps the letters that the answers go by', () => {
    const change = { options: ['one', 'N/A', 'three'], answer: 'C', answer_index: 2, cot_content: 'So (C).' };
    const prompt = fewShotPrompt(question(9, change), [question(1, change)]);
    const shown = 'Options:\nA. one\nC. three\n';
    expect(prompt.split(shown)).toHaveLength(3);
    expect(prompt).not.toContain('B. ');
    expect(renderQuestion(question(9, change))).toContain(shown);
  });

  it('never shows a question its own answer', () => {
    expect(fewShotPrompt(question(1), [question(1), question(2)])).not.toContain('Because 1.');
  });

  it('refuses rows without a worked answer', () => {
    expect(() => fewShotPrompt(question(9), [question(1, { cot_content: '' })])).toThrow(/question_id 1.*cot_content/);
  });
});
