import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parquetMetadata } from 'hyparquet';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exportQuestions } from '../../../src/questions/export.js';
import { filterQuestions } from '../../../src/questions/filter.js';
import { loadQuestions } from '../../../src/questions/load.js';
import { CATEGORIES, type Question } from '../../../src/questions/question.js';

const shared = join(process.env.SPARK_SHARED ?? '../shared', 'data/mmlu-pro');
const here = existsSync(shared);
if (!here) console.warn(`skipped: no MMLU-Pro data at ${shared}; set SPARK_SHARED`);

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'spark-questions-'));
});
afterAll(() => rm(folder, { recursive: true }));

function row(id: number, change: Record<string, unknown> = {}): Question & Record<string, unknown> {
  return {
    question_id: id,
    question: `What is ${id}? “é” 中 \u2028 and a tab\t`,
    options: ['one', 'two', '', 'N/A'],
    answer: 'B',
    answer_index: 1,
    cot_content: '',
    category: CATEGORIES[id % 14]!,
    src: 'test',
    ...change,
  };
}

async function file(name: string, content: string | Uint8Array): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
}

const lines = (...rows: unknown[]) => rows.map((one) => JSON.stringify(one)).join('\n');

describe('loadQuestions, JSONL', () => {
  it('takes a byte-order mark, CRLF, blank lines and a missing last newline, and drops other columns', async () => {
    const text = `\ufeff${JSON.stringify(row(1, { extra: 1 }))}\r\n\r\n  \n${JSON.stringify(row(2))}`;
    expect(await loadQuestions(await file('a.jsonl', text))).toEqual([row(1), row(2)]);
  });

  it('goes by content, not by name', async () => {
    expect(await loadQuestions(await file('really-jsonl.parquet', lines(row(1))))).toEqual([row(1)]);
    const parquet = join(folder, 'p.parquet');
    await exportQuestions([row(3)], parquet);
    expect(await loadQuestions(await file('really-parquet.jsonl', await readFile(parquet)))).toEqual([row(3)]);
  });

  const badRows: [string, Record<string, unknown>, RegExp][] = [
    ['an answer that is not the letter of its index', { answer: 'C' }, /answer: expected "B".*answer_index 1, got "C"/],
    [
      'an index past the options',
      { answer: 'E', answer_index: 4 },
      /answer_index: expected less than the 4 options.*4/,
    ],
    ['a missing column', { question: undefined }, /question: .*got nothing/],
    ['options that are no list', { options: 'A, B' }, /options: .*got "A, B"/],
    ['one option', { options: ['one'], answer: 'A', answer_index: 0 }, /options: /],
    ['an option that is no text', { options: ['one', null] }, /options\.1: .*got null/],
    ['an id that is no whole number', { question_id: 7.5 }, /question_id: .*got 7\.5/],
    ['a letter past J', { answer: 'K', answer_index: 10 }, /answer_index: expected less than the 4 options/],
  ];
  it.each(badRows)('names row and id of %s', async (_, change, problem) => {
    const path = await file('bad.jsonl', `${lines(row(1))}\n\n${lines(row(2, change))}\n`);
    await expect(loadQuestions(path)).rejects.toMatchObject({
      code: 'invalid_question',
      message: expect.stringMatching(/bad\.jsonl: row 2 \(line 3\) \(question_id (2|7\.5)\): /),
    });
    await expect(loadQuestions(path)).rejects.toThrow(problem);
  });

  it('names both rows of a doubled id', async () => {
    await expect(loadQuestions(await file('twice.jsonl', lines(row(1), row(2), row(1))))).rejects.toMatchObject({
      code: 'invalid_question',
      message: expect.stringMatching(/row 3 \(question_id 1\).*again after row 1; remove one$/),
    });
  });

  it('names the line that is no JSON object', async () => {
    for (const line of ['{"question_id": 1', '[1]', '"text"']) {
      await expect(loadQuestions(await file('torn.jsonl', `${lines(row(1))}\n${line}`))).rejects.toMatchObject({
        code: 'invalid_question',
        message: expect.stringContaining('row 2: expected'),
      });
    }
  });
});

describe('loadQuestions, files that are no questions', () => {
  const files: [string, string | Uint8Array, string, RegExp][] = [
    ['an empty file', '', 'no_data', /at least one question/],
    ['blank lines', ' \n\r\n', 'no_data', /at least one question/],
    ['a JSON array', `[${JSON.stringify(row(1))}]`, 'unsupported_file', /jq -c/],
    ['CSV', 'question_id,question\n1,What?\n', 'invalid_file', /got "question_id,question/],
    ['a Git LFS pointer', 'version https://git-lfs.github.com/spec/v1\n', 'invalid_file', /git lfs pull/],
    ['gzip', Uint8Array.from([0x1f, 0x8b, 8, 0]), 'unsupported_file', /gunzip/],
    ['UTF-16', Buffer.from('\ufeff{}', 'utf16le'), 'unsupported_file', /UTF-16/],
    ['bytes', Uint8Array.from([0x47, 0x47, 0x55, 0x46, 0xff, 0x80]), 'invalid_file', /neither: "GGUF/],
    ['four bytes of Parquet', 'PAR1', 'invalid_file', /truncated/],
    ['Parquet with rubbish inside', `PAR1${'x'.repeat(40)}PAR1`, 'invalid_file', /damaged/],
    ['encrypted Parquet', `PARE${'x'.repeat(40)}PARE`, 'unsupported_file', /encrypted/],
  ];
  it.each(files)('says what it got: %s', async (_, content, code, message) => {
    const path = await file('foreign', content);
    await expect(loadQuestions(path)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  });

  it('says so when there is no file, or a folder', async () => {
    await expect(loadQuestions(join(folder, 'none.jsonl'))).rejects.toMatchObject({
      code: 'io_error',
      message: expect.stringContaining('no such file'),
    });
    await expect(loadQuestions(folder)).rejects.toMatchObject({ code: 'io_error' });
  });

  it('refuses a truncated or damaged Parquet file at every cut, and never throws anything uncoded', async () => {
    const path = join(folder, 'whole.parquet');
    await exportQuestions([row(1), row(2)], path);
    const bytes = await readFile(path);
    for (let cut = 4; cut < bytes.length; cut += 37) {
      await expect(loadQuestions(await file('cut.parquet', bytes.subarray(0, cut)))).rejects.toMatchObject({
        code: 'invalid_file',
      });
    }
    for (let at = 4; at < bytes.length - 4; at += 11) {
      const damaged = Uint8Array.from(bytes);
      damaged[at] = damaged[at]! ^ 0xff;
      const outcome = await loadQuestions(await file('damaged.parquet', damaged)).catch((error: unknown) => error);
      if (outcome instanceof Error) expect(outcome).toMatchObject({ name: 'SparkError' });
    }
  });
});

describe('exportQuestions', () => {
  const questions = [row(1), row(2, { options: Array.from({ length: 10 }, (_, i) => `${i}`), cot_content: 'A: why' })];

  it.each(['q.jsonl', 'q.parquet'])('comes back the same from %s, and leaves nothing else', async (name) => {
    const target = await mkdtemp(join(folder, 'export-'));
    await exportQuestions(questions, join(target, name));
    expect(await loadQuestions(join(target, name))).toEqual(questions);
    expect(await readdir(target)).toEqual([name]);
  });

  it("writes the dataset's own column types", async () => {
    const path = join(folder, 'types.parquet');
    await exportQuestions(questions, path);
    const bytes = await readFile(path);
    const schema = parquetMetadata(Uint8Array.from(bytes).buffer).schema;
    const types = Object.fromEntries(schema.map(({ name, type, converted_type }) => [name, type ?? converted_type]));
    expect(types).toMatchObject({
      question_id: 'INT64',
      answer_index: 'INT64',
      options: 'LIST',
      question: 'BYTE_ARRAY',
    });
  });

  it('refuses an ending it does not know, and a folder that is not there', async () => {
    await expect(exportQuestions(questions, join(folder, 'q.csv'))).rejects.toMatchObject({ code: 'invalid_argument' });
    await expect(exportQuestions(questions, join(folder, 'no/q.jsonl'))).rejects.toMatchObject({ code: 'io_error' });
  });
});

describe('filterQuestions', () => {
  const questions = Array.from({ length: 140 }, (_, id) => row(id));
  const ids = (list: readonly Question[]) => list.map((question) => question.question_id);

  it('serves every category alike, whatever the limit', () => {
    const picked = filterQuestions(questions, { limit: 28, seed: 1 });
    for (const category of CATEGORIES) expect(picked.filter((q) => q.category === category)).toHaveLength(2);
    expect(new Set(ids(filterQuestions(questions, { limit: 20 })).map((id) => id % 14)).size).toBe(14);
  });

  it('is a function of the seed: a longer selection begins with the shorter', () => {
    const all = ids(filterQuestions(questions, { seed: 5 }));
    expect([...all].sort((a, b) => a - b)).toEqual(ids(questions));
    expect(ids(filterQuestions(questions, { seed: 5, limit: 30 }))).toEqual(all.slice(0, 30));
    expect(ids(filterQuestions(questions, { seed: 6 }))).not.toEqual(all);
    const math = (list: readonly Question[]) => ids(list.filter((question) => question.category === 'math'));
    expect(math(filterQuestions(questions, { seed: 5, categories: ['math'] }))).toEqual(
      math(filterQuestions(questions, { seed: 5 })),
    );
  });

  it('goes on with the categories that still have questions', () => {
    const uneven = questions.filter((question) => question.category !== 'law' || question.question_id < 14);
    const picked = filterQuestions(uneven, { limit: 40 });
    expect(picked).toHaveLength(40);
    expect(picked.filter((question) => question.category === 'law')).toHaveLength(1);
  });

  it("keeps the file's order when nothing is asked", () => {
    expect(ids(filterQuestions(questions))).toEqual(ids(questions));
  });

  it('names an unknown category, and numbers that are none', () => {
    expect(() => filterQuestions(questions, { categories: ['maths'] })).toThrow(/expected some of biology.*got maths/);
    expect(() => filterQuestions(questions, { limit: -1 })).toThrow(/limit: expected a whole number/);
  });
});

describe.skipIf(!here)('the real 700 questions', () => {
  it('are the same from Parquet and JSONL, and 28 of them are 2 of each category', async () => {
    const questions = await loadQuestions(join(shared, 'dev-700.parquet'));
    expect(questions).toHaveLength(700);
    expect(questions).toEqual(await loadQuestions(join(shared, 'dev-700.jsonl')));
    expect(typeof questions[0]!.question_id).toBe('number');
    const picked = filterQuestions(questions, { limit: 28, seed: 1 });
    for (const category of CATEGORIES) expect(picked.filter((q) => q.category === category)).toHaveLength(2);
  });

  it('survive an export to Parquet', async () => {
    const questions = await loadQuestions(join(shared, 'dev-700.jsonl'));
    await exportQuestions(questions, join(folder, 'again.parquet'));
    expect(await loadQuestions(join(folder, 'again.parquet'))).toEqual(questions);
  });
});
