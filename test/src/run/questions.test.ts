/** Which questions a run trains on, validates and tests on: never one in two parts. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { resolveConfig } from '../../../src/config/index.js';
import { makeMini } from '../../../src/questions/mini.js';
import { CATEGORIES, type Question } from '../../../src/questions/question.js';
import { RunQuestions } from '../../../src/run/questions.js';
import { temporaryFolder } from '../cli/runCli.js';

const folder = temporaryFolder();
const file = path.join(folder, 'questions.jsonl');
const all = makeMini({ seed: 7, perCategory: 6, split: 'train' }); // 84
writeFileSync(file, all.map((question) => `${JSON.stringify(question)}\n`).join(''));

const idsOf = (questions: readonly Question[]) => questions.map(({ question_id }) => question_id);
async function parts(questions: object, seed = 1) {
  const of = new RunQuestions(resolveConfig({ seed, questions }));
  return { train: idsOf(await of.train()), validation: idsOf(await of.validation()), test: idsOf(await of.test()) };
}
const disjoint = ({ train, validation, test }: Awaited<ReturnType<typeof parts>>) =>
  new Set([...train, ...validation, ...test]).size === train.length + validation.length + test.length;

describe('RunQuestions', () => {
  it('has no validation questions unless asked', async () => {
    expect((await parts({ trainLimit: 14, testLimit: 14 })).validation).toEqual([]);
  });

  it.each([
    ['mini', 'mini', 28],
    ['mini', 'mini', 20],
    [file, 'mini', 28],
    [file, file, 28],
  ])(
    'of %s, tested on %s, %i trained on: no question in two parts, and training stays',
    async (train, test, trainLimit) => {
      const without = await parts({ train, test, trainLimit, testLimit: 28 });
      const whole = await parts({ train, test, trainLimit, testLimit: 28, validationLimit: 14 });
      expect(disjoint(whole)).toBe(true);
      expect(whole.train).toEqual(without.train);
      if (train !== test || test === 'mini') expect(whole.test).toEqual(without.test);
      expect(whole.validation).toHaveLength(14);
    },
  );

  it('are balanced over the categories, and within those that are trained on', async () => {
    const of = new RunQuestions(resolveConfig({ questions: { trainLimit: 28, validationLimit: 28 } }));
    const counts = new Map<string, number>();
    for (const { category } of await of.validation()) counts.set(category, (counts.get(category) ?? 0) + 1);
    expect([...counts.values()]).toEqual(CATEGORIES.map(() => 2));
    const some = { trainLimit: 4, validationLimit: 4, trainCategories: ['law', 'math'] };
    const few = await new RunQuestions(resolveConfig({ questions: some })).validation();
    expect(new Set(few.map(({ category }) => category))).toEqual(new Set(['law', 'math']));
  });

  it('of one file leave the others to the test', async () => {
    const { train, validation, test } = await parts({
      ...{ train: file, test: file, trainLimit: 28 },
      ...{ validationLimit: 14, testLimit: 0 },
    });
    expect([train, validation, test].map(({ length }) => length)).toEqual([28, 14, all.length - 42]);
  });

  it('says when nothing is left for them', async () => {
    await expect(parts({ train: file, trainLimit: 0, validationLimit: 14 })).rejects.toMatchObject({
      code: 'no_data',
      message: expect.stringMatching(/questions\.validationLimit/),
    });
  });
});
