/** docs/own-questions.md, table by table: what it says is read, graded and refused, and how a verifier of the user's own works. */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parquetMetadata } from 'hyparquet';
import { describe, expect, it } from 'vitest';
import { resolveConfig } from '../../../src/config/index.js';
import { replay } from '../../../src/evaluate/replay.js';
import { exportQuestions } from '../../../src/questions/export.js';
import { fewShotPrompt } from '../../../src/questions/fewShot.js';
import { createGrader } from '../../../src/questions/grade.js';
import { checkQuestions, loadQuestions } from '../../../src/questions/load.js';
import type { Question } from '../../../src/questions/question.js';
import type { Verifier } from '../../../src/questions/verifier.js';
import { RunQuestions } from '../../../src/run/questions.js';
import { loadParts } from '../../../src/run/userParts.js';
import { temporaryFolder } from '../cli/runCli.js';

const page = readFileSync('docs/own-questions.md', 'utf8');
const folder = temporaryFolder();
const fenced = (language: string): string => new RegExp(`\`\`\`${language}\n(.*?)\`\`\``, 's').exec(page)![1]!;

/** Cells of the rows of a table, without their backticks. */
function table(header: string): string[][] {
  const lines = page.slice(page.indexOf(header)).split('\n\n')[0]!.split('\n').slice(2);
  const cells = (line: string) => line.split(/(?<!\\)\|/).slice(1, -1);
  return lines.map((line) =>
    cells(line).map((cell) =>
      cell
        .trim()
        .replace(/^`(.*)`$/, '$1')
        .replaceAll('\\|', '|'),
    ),
  );
}

function one(row: object): Question {
  return checkQuestions([{ where: 'row 1', value: row }], 'mine.jsonl')[0]!;
}

const named = (verifier: string) => (verifier.startsWith('{') ? JSON.parse(verifier) : verifier);
const rows = (all: readonly object[]) => all.map((row) => `${JSON.stringify(row)}\n`).join('');
const own = one({ question: 'Which colours?', answer: 'red, blue', verifier: 'own' });

describe('docs/own-questions.md', () => {
  it('shows rows that can be read, as can those of its example', async () => {
    const file = path.join(folder, 'page.jsonl');
    writeFileSync(file, fenced('jsonl'));
    const questions = await loadQuestions(file);
    expect(questions).toMatchObject([
      {
        answer: '888',
        options: [],
        answer_index: null,
        category: 'math',
        verifier: { name: 'number', relative: 1e-9 },
      },
      { verifier: { name: 'number', absolute: 0.005 } },
      { verifier: { name: 'exact', ignoreCase: true }, category: 'other', cot_content: '' },
      { verifier: { name: 'regex', ignoreCase: true } },
      { answer: 'C', answer_index: 2 },
    ]);
    expect('verifier' in questions[4]!).toBe(false);
    // Ids do not depend on the place in the file.
    writeFileSync(file, fenced('jsonl').split('\n').reverse().join('\n'));
    expect(new Set(await loadQuestions(file))).toEqual(new Set(questions));
    expect(await loadQuestions('examples/own-questions.jsonl')).toHaveLength(35);
  });

  it.each(table('| verifier | `answer` |'))('grades by %s: %s against %s', async (verifier, answer, text, graded) => {
    const question = one({ question: '?', answer, verifier: named(verifier!) });
    const { answer: read, correct } = await createGrader()(question, text!, 'block');
    expect(read === null ? 'unread' : correct ? 'right' : 'wrong').toBe(graded);
  });

  it.each(table('| row | says |'))('refuses %s', (row, words) => {
    const read = () => checkQuestions([{ where: 'row 7 (line 9)', value: JSON.parse(row!) }], 'mine.jsonl');
    expect(read).toThrow(expect.objectContaining({ code: 'invalid_question' }));
    expect(read).toThrow('mine.jsonl: row 7 (line 9) (question_id none): ');
    expect(read).toThrow(words!);
  });

  it('has a verifier of its own that works', async () => {
    const file = path.join(folder, 'my-parts.mjs');
    writeFileSync(file, fenced('js'));
    const { parts } = await loadParts(resolveConfig({ parts: file }));
    const grade = createGrader({ verifier: parts.verifier });
    expect(await grade(own, 'The answer is blue and red.', 'chain')).toEqual({ answer: 'blue and red', correct: true });
    expect(await grade(own, 'The answer is blue.', 'chain')).toEqual({ answer: 'blue', correct: false });
    expect(await grade(own, 'Blue, I think.', 'chain')).toEqual({ answer: null, correct: false });
  });
});

describe("the user's own verifier", () => {
  const verifier = (verify: unknown): Verifier => ({ id: 'mine:1', verify: verify as Verifier['verify'] });
  it.each([
    [
      'loops without end',
      () => {
        for (;;);
      },
      /mine:1 took more than 30 ms .*question -\d+ .*'red'/,
    ],
    ['never settles', () => new Promise(() => {}), /took more than 30 ms/],
    [
      'throws',
      () => {
        throw new TypeError('no set');
      },
      /threw TypeError: no set \(at .*\), for question -\d+ and the answer 'red'; mend the verifier/,
    ],
    ['rejects', () => Promise.reject(new Error('no net')), /threw Error: no net/],
    ['says something else', () => 'yes', /said 'yes' instead of true, false or null/],
  ])('ends the run when it %s', async (_, verify, message) => {
    // Those that end have all the time they want, on any machine.
    const endless = String(message).includes('more than');
    const grade = createGrader({ verifier: verifier(verify), ...(endless ? { verifierTimeoutMs: 30 } : {}) });
    const error = await grade(own, 'red', 'block').catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'verifier_failed', message: expect.stringMatching(message) });
  });

  it('is left on an abort, and may take its time otherwise', async () => {
    const abort = new AbortController();
    const grade = createGrader({ verifier: verifier(() => new Promise(() => {})) });
    const graded = grade(own, 'red', 'block', abort.signal);
    abort.abort();
    await expect(graded).rejects.toMatchObject({ code: 'interrupted' });
    const slow = createGrader({ verifier: verifier(async () => true) });
    expect(await slow(own, 'red', 'block')).toEqual({ answer: 'red', correct: true });
  });

  it('is wanted by name, under the id that a row may name', async () => {
    const asked = path.join(folder, 'asked.jsonl');
    writeFileSync(asked, rows([{ question: 'Which?', answer: '', verifier: { name: 'own', id: 'mine:2' } }]));
    const config = resolveConfig({ questions: { train: asked } });
    await expect(new RunQuestions(config, 'mine:1').train()).rejects.toThrow(
      /expects your own verifier "mine:2", got "mine:1"/,
    );
    await expect(new RunQuestions(config, null).train()).rejects.toMatchObject({ code: 'invalid_config' });
    expect(await new RunQuestions(config, 'mine:2').train()).toMatchObject([{ verifier: { id: 'mine:2' } }]);
    await expect(createGrader()(own, 'red', 'block')).rejects.toMatchObject({ code: 'invalid_config' });
  });
});

it('takes the verifier of the file where a row names none, for questions without options alone', async () => {
  const file = path.join(folder, 'mixed.jsonl');
  writeFileSync(
    file,
    rows([
      { question: 'One?', answer: 1 },
      { question: 'Two?', options: ['2', '3'], answer: '2' },
    ]),
  );
  const config = resolveConfig({ questions: { train: file, verifier: 'number' } });
  const verifiers = (await new RunQuestions(config).train()).map(({ options, verifier }) => [
    options.length,
    verifier?.name,
  ]);
  expect(new Set(verifiers)).toEqual(
    new Set([
      [0, 'number'],
      [2, undefined],
    ]),
  );
  expect(() => resolveConfig({ questions: { verifier: { name: 'number', absolut: 1 } } })).toThrow(/absolut/);
});

it('comes back the same from JSONL and Parquet', async () => {
  const questions = await loadQuestions('examples/own-questions.jsonl');
  for (const name of ['own.jsonl', 'own.parquet']) {
    await exportQuestions(questions, path.join(folder, name));
    expect(await loadQuestions(path.join(folder, name))).toEqual(questions);
  }
  const { schema } = parquetMetadata(Uint8Array.from(readFileSync(path.join(folder, 'own.parquet'))).buffer);
  expect(schema.find(({ name }) => name === 'answer_index')).toMatchObject({
    type: 'INT64',
    repetition_type: 'OPTIONAL',
  });
});

it('shows the prompt without tools neither options nor letters, in the examples either', () => {
  const shot = one({
    question: 'Two?',
    answer: 2,
    verifier: 'number',
    cot_content: "A: Let's think step by step. The answer is 2.",
  });
  const lettered = one({ question: 'Which?', options: ['a', 'b'], answer: 'a', cot_content: 'So (A).' });
  const asked = one({ question: 'Three?', answer: 3, verifier: { name: 'number', unit: 'm' } });
  expect(fewShotPrompt(asked, [lettered, shot])).toBe(
    'The following are questions (with answers) about other. Think step by step and then finish your answer with "the answer ' +
      'is X" where X is a number alone, in m.\n\n\n\n' +
      "Question:\nTwo?\nAnswer: Let's think step by step. The answer is 2.\n\n" +
      "Question:\nThree?\nAnswer: Let's think step by step.",
  );
});

it('grades finished outputs by the verifiers, and the others under the protocols', async () => {
  const question = one({ question: 'What is 37 * 24?', answer: 888, verifier: 'number', category: 'math' });
  const other = { question_id: 1, answer: 'C', category: 'law', generated_text: 'The answer is (C).' };
  const file = path.join(folder, 'outputs.jsonl');
  const id = question.question_id;
  writeFileSync(file, rows([other, { question_id: id, generated_text: 'First 864.\nNo: the answer is 888.' }]));
  const { outputs, protocols, verified } = await replay(file, { questions: [question] });
  expect([outputs, protocols['lm-eval-harness'].questions]).toEqual([2, 1]);
  expect(verified).toMatchObject({ questions: 1, correct: 1, perCategory: [{ category: 'math', correct: 1 }] });
  await expect(replay(file)).rejects.toThrow(/row 2.*answer.*--questions/);
});
