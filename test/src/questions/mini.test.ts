import { describe, expect, it } from 'vitest';
import { makeMini, miniRules } from '../../../src/questions/mini.js';
import { CATEGORIES, LETTERS, type Question, questionSchema } from '../../../src/questions/question.js';
import { renderQuestion } from '../../../src/rollout/prompt.js';

const train = makeMini({ seed: 5, perCategory: 40, split: 'train' });
const test = makeMini({ seed: 5, perCategory: 40, split: 'test' });
const keys = (questions: readonly Question[]): Set<string> => new Set(questions.map((q) => q.question));

describe('makeMini', () => {
  it('is a pure function of its arguments', () => {
    expect(makeMini({ seed: 5, perCategory: 40, split: 'train' })).toEqual(train);
    expect(makeMini({ seed: 6, perCategory: 40, split: 'train' })).not.toEqual(train);
  });

  it('fills every category, in rows that pass the schema', () => {
    for (const category of CATEGORIES) expect(train.filter((q) => q.category === category)).toHaveLength(40);
    for (const row of [...train, ...test]) questionSchema.parse(row);
  });

  it('gives ten distinct options with the answer at its letter', () => {
    for (const q of [...train, ...test]) {
      expect(new Set(q.options).size, q.src).toBe(10);
      expect(q.answer).toBe(LETTERS[q.answer_index!]);
      expect(q.options[q.answer_index!]).toBe(miniRules(q)!.answer);
      expect(q.src).toMatch(/^mini-/);
    }
  });

  it('repeats no question and shares none between the splits, whatever the seeds', () => {
    expect(keys(train).size).toBe(train.length);
    expect(new Set(train.map((q) => q.question_id)).size).toBe(train.length);
    for (const seed of [5, 6, 7]) {
      const other = keys(makeMini({ seed, perCategory: 60, split: 'test' }));
      expect(train.filter((q) => other.has(q.question))).toEqual([]);
    }
  });

  it('spreads the correct letter evenly', () => {
    const counts = [...LETTERS].map((letter) => train.filter((q) => q.answer === letter).length);
    // 560 rows, 56 expected, standard deviation 7.1
    for (const count of counts) expect(Math.abs(count - 56)).toBeLessThan(30);
  });

  it('is short enough for a tiny context', () => {
    for (const q of [...train, ...test]) expect(renderQuestion(q).length, renderQuestion(q)).toBeLessThan(420);
  });

  it('tells numeric options apart by their first three digits', () => {
    for (const q of train.filter((row) => row.options.every((option) => /^\d+$/.test(option)))) {
      expect(new Set(q.options.map((option) => option.slice(0, 3))).size, q.src).toBe(10);
    }
  });

  it('refuses more questions than it has', () => {
    expect(() => makeMini({ seed: 1, perCategory: 0, split: 'train' })).toThrow(/perCategory/);
    expect(() => makeMini({ seed: 1, perCategory: 5000, split: 'train' })).toThrow(/perCategory/);
  });
});

describe('miniRules', () => {
  it('gives every question several viable tools of different worth, all of which answer', () => {
    for (const q of [...train, ...test]) {
      const { scores, inputs, hint } = miniRules(q)!;
      const viable = Object.entries(scores).filter(([, score]) => score >= 6);
      expect(viable.length, q.src).toBeGreaterThanOrEqual(2);
      expect(new Set(viable.map(([, score]) => score)).size, q.src).toBe(viable.length);
      for (const [action] of viable) expect(inputs, q.src).toHaveProperty(action);
      expect(scores[hint]).toBe(Math.min(...viable.map(([, score]) => score)));
    }
  });

  it('names every operand of the question in every subject list', () => {
    const q = train.find((row) => row.src.startsWith('mini-equation:'))!;
    expect(miniRules(q)!.subjects).toEqual(q.question.match(/\d+/g));
  });

  it('knows no other question, nor one whose text was changed', () => {
    const q = train[0]!;
    expect(miniRules({ ...q, src: 'ori_mmlu-math' })).toBeNull();
    expect(miniRules({ ...q, src: 'mini-nothing:x|1' })).toBeNull();
    expect(miniRules({ ...q, question: `${q.question} Really?` })).toBeNull();
    expect(miniRules({ ...q, src: 'mini-fact:history|No such article|year|plain train 0' })).toBeNull();
    expect(miniRules({ ...q, src: q.src.replace(/\|[^|]*$/, '|oven train 0') })).toBeNull();
    expect(miniRules({ ...q, src: q.src.replace(/\|[^|]*$/, '') })).toBeNull();
  });
});
