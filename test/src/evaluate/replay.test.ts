import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { replay } from '../../../src/evaluate/replay.js';
import { loadQuestions } from '../../../src/questions/load.js';
import { processorSeconds } from '../processorTime.js';

const shared = join(process.env.SPARK_SHARED ?? '../shared', 'data/mmlu-pro');
const here = existsSync(shared);
if (!here) console.warn(`skipped: no MMLU-Pro data at ${shared}; set SPARK_SHARED`);

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'spark-replay-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function outputs(...rows: unknown[]): Promise<string> {
  const path = join(folder, 'outputs.jsonl');
  await writeFile(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  return path;
}

const row = (id: number, text: string, more: Record<string, unknown> = {}) => ({
  question_id: id,
  answer: 'C',
  category: id % 2 ? 'math' : 'law',
  generated_text: text,
  ...more,
});

describe('replay', () => {
  it('scores every protocol and tells luck from knowledge', async () => {
    const path = await outputs(
      row(1, 'The answer is (C).'),
      row(2, 'answer is (A). No, the answer is (C).'),
      row(3, 'Answer: C'),
      row(4, 'no letter', { answer: 'G' }),
      row(5, '', { answer: 'D' }),
    );
    const { protocols, published, outputs: count } = await replay(path);
    expect(count).toBe(5);
    expect(published).toBeNull();
    const local = protocols['official-local'];
    expect(local).toMatchObject({ questions: 5, correct: 3, accuracy: 0.6, unparsedRate: 0.4, guessedCorrect: 1 });
    expect(local.how).toEqual({ pattern1: 2, pattern2: 1, pattern3: 0, guess: 2, none: 0 });
    expect(local.published).toBeNull();
    expect(protocols['last-match']).toMatchObject({ correct: 3, guessedCorrect: 0, unparsedRate: 0.4 });
    expect(protocols['lm-eval-harness']).toMatchObject({ correct: 1, unparsedRate: 0.6 });
    expect(protocols['lm-eval-harness'].perCategory.map(({ category, questions }) => [category, questions])).toEqual([
      ['law', 2],
      ['math', 3],
    ]);
  });

  it('guesses among the options the question has, where the protocol does', async () => {
    const path = await outputs(row(1, ''));
    const question = { question: '?', answer: 'C', answer_index: 2, cot_content: '', category: 'math', src: '' };
    const options = ['a', 'b', 'c', 'd', 'N/A'];
    const questions = [{ ...question, question_id: 1, options }];
    // random.seed(12345); random.randint(0, 3) is 3; with ten options it is 6.
    const published = async (pred: string, known: boolean) =>
      (await replay(await outputs(row(1, '', { pred })), known ? { questions } : {})).protocols['official-api']
        .published;
    expect(await published('D', true)).toMatchObject({ agreed: 1 });
    expect(await published('G', false)).toMatchObject({ agreed: 1 });
    expect((await replay(path)).protocols['official-api'].how.guess).toBe(1);
  });

  it('says how many guesses were among ten options for want of the question', async () => {
    const path = await outputs(row(1, ''), row(2, ''), row(3, 'answer is C'));
    const question = { question: '?', answer: 'A', answer_index: 0, cot_content: '', category: 'law', src: '' };
    const questions = [{ ...question, question_id: 1, options: ['a', 'b'] }];
    expect((await replay(path)).guessesAmongTen).toBe(2);
    expect((await replay(path, { questions })).guessesAmongTen).toBe(1);
  });

  it('compares with the published predictions, output by output', async () => {
    const path = await outputs(
      row(1, 'answer is C', { pred: 'C' }),
      row(2, 'answer is C', { pred: 'A' }),
      row(3, 'answer is C', { pred: null }),
      { ...row(4, ''), generated_text: undefined, model_outputs: 'answer is B', pred: 'B' },
    );
    const { protocols, published } = await replay(path);
    expect(protocols['official-local'].published).toEqual({
      compared: 3,
      agreed: 2,
      rate: 2 / 3,
      differences: [{ questionId: 2, ours: 'C', published: 'A', how: 'pattern1' }],
    });
    expect(published).toMatchObject({ questions: 3, correct: 1 });
  });

  it('names what is wrong with a file', async () => {
    await expect(replay(join(folder, 'none'))).rejects.toMatchObject({ code: 'io_error' });
    await expect(replay(await outputs())).rejects.toMatchObject({ code: 'no_data' });
    await expect(replay(await outputs(row(1, ''), { question_id: 2 }))).rejects.toMatchObject({
      code: 'invalid_file',
      message: expect.stringContaining('row 2: expected question_id'),
    });
    await expect(replay(await outputs(row(1, ''), row(1, '')))).rejects.toThrow(
      /row 2: expected one output a question/,
    );
  });
});

describe.skipIf(!here)('the 700 real outputs of Llama-3.1-8B-Instruct', () => {
  const file = join(shared, 'llama-3.1-8b-instruct-5shot-outputs-700.jsonl');

  it('gives exactly the published predictions, the 37 guesses included', async () => {
    let replayed!: Awaited<ReturnType<typeof replay>>;
    const seconds = await processorSeconds(async () => {
      replayed = await replay(file);
    });
    // Takes less than a second; with the published third pattern some of these take minutes.
    expect(seconds).toBeLessThan(10);
    const { protocols, published } = replayed;
    // The published column was graded by compute_accuracy.py. Without a letter it reseeds with 12345 and draws from
    // A–J, which gives G every time, even for the question with four options. Six of the 37 guesses are right.
    expect(protocols['official-local'].published).toEqual({ compared: 700, agreed: 700, rate: 1, differences: [] });
    expect(protocols['official-local'].how).toEqual({ pattern1: 649, pattern2: 0, pattern3: 14, guess: 37, none: 0 });
    expect(protocols['official-local'].guessedCorrect).toBe(6);
    expect(published).toMatchObject({ questions: 700, correct: 325 });
    expect(protocols['official-local'].correct).toBe(325);
    expect(protocols['lm-eval-harness'].correct).toBe(317);
    expect(protocols['last-match'].correct).toBe(319);
    expect(protocols['official-local'].perCategory).toHaveLength(14);
  });

  it('differs from official-api only in a guess that depends on the number of options', async () => {
    const questions = await loadQuestions(join(shared, 'dev-700.jsonl'));
    const { protocols } = await replay(file, { questions });
    const api = protocols['official-api'].published!;
    expect(api.differences.map(({ ours, published, how }) => [ours, published, how])).toEqual([['D', 'G', 'guess']]);
    expect(protocols['official-api'].correct).toBe(326);
  });
});
