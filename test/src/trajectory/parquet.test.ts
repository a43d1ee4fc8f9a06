/** Trajectories in Parquet and back: every field, also those that are missing, empty or named like nothing else. */
import { existsSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parquetMetadata, parquetReadObjects } from 'hyparquet';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { describe, expect, it } from 'vitest';
import { type ChatRow, chatRow } from '../../../src/rollout/hfChat.js';
import { readTrajectoryParquet, setOfParquet } from '../../../src/trajectory/parquet/read.js';
import { TrajectoryParquetWriter } from '../../../src/trajectory/parquet/write.js';
import { SparkWriter } from '../../../src/trajectory/sparkExport.js';
import { readSparkRows } from '../../../src/trajectory/sparkFile.js';
import { sparkRollouts } from '../../../src/trajectory/sparkRollouts.js';
import type { Trajectory } from '../../../src/trajectory/trajectory.js';
import { WholeFile } from '../../../src/wholeFile.js';
import { temporaryFolder } from '../cli/runCli.js';
import { exampleTrajectory, TWO_STEPS } from './example.js';

const folder = temporaryFolder();
const at = (name: string) => path.join(folder, name);

const CASES: readonly Trajectory[] = [
  exampleTrajectory(TWO_STEPS, [
    { scores: { calculator: null, python: 0.1 + 0.2, think: 0 }, processOk: null, toolError: 'tool_failed' },
    {
      verdicts: [
        { python: 7, think: null },
        { think: 8.25, python: 6 },
      ],
      scores: { python: 6.5, think: 8.25 },
      ...{ truncated: true, observation: null, input: '', thought: 'a\u2028b "q" 中 🂡\n' },
    },
  ]),
  exampleTrajectory(TWO_STEPS, [{ scores: null, pair: { chosen: null, best: 9 } }, { scores: {} }], {
    ...{ id: 'q:min-score-tau6-by-sft:3', questionId: -(2 ** 47), seed: 2 ** 40, tokenised: 'later' },
    ...{ answer: null, answerText: '', correct: false, end: 'unanswered', judge: null, tau: null },
  }),
  exampleTrajectory([['prompt', -1, 2]], [], { id: '9:policy:0', selection: 'policy', end: 'context_overflow' }),
  exampleTrajectory(TWO_STEPS, [
    { scores: { constructor: 9, toString: 3 }, action: 'constructor' },
    { processOk: false },
  ]),
].map((one, index) => ({ ...one, id: `${index}${one.id}` }));

async function allOf(file: string): Promise<Trajectory[]> {
  const all: Trajectory[] = [];
  for await (const one of readTrajectoryParquet(file)) all.push(one);
  return all;
}

function write(name: string, trajectories: readonly Trajectory[], rows?: number): string {
  const file = new WholeFile(at(name), { overwrite: false });
  const writer = new TrajectoryParquetWriter(file, 'min-score-tau6', rows);
  for (const one of trajectories) writer.add(one);
  writer.finish();
  file.commit();
  return file.file;
}

describe('trajectories in Parquet', () => {
  it('come back as they were, the scores in their order', async () => {
    const file = write('all.parquet', CASES);
    const back = await allOf(file);
    expect(back).toEqual(CASES);
    expect(Object.keys(back[0]!.steps[1]!.verdicts![1]!)).toEqual(['think', 'python']);
    expect(await setOfParquet(file)).toBe('min-score-tau6');
  });

  it('are lists, structs and numbers for whoever reads the file, not JSON in a text', async () => {
    const bytes = new Uint8Array(readFileSync(write('plain.parquet', CASES.slice(0, 1)))).buffer;
    const [row] = await parquetReadObjects({ file: bytes });
    expect(row).toMatchObject({ questionId: 7n, tau: 6, correct: true, tokens: expect.anything() });
    expect(row!.steps[0].scores[1]).toEqual({ action: 'python', score: 0.1 + 0.2 });
    expect(row!.segments[0]).toEqual({ kind: 'prompt', step: -1, start: 0, end: 5 });
  });

  it('of several row groups, and of none', async () => {
    const many = Array.from({ length: 11 }, (_, index) => ({ ...CASES[2]!, id: `${index}` }));
    const file = write('many.parquet', many, 4);
    expect(parquetMetadata(new Uint8Array(readFileSync(file)).buffer).row_groups).toHaveLength(3);
    expect(await allOf(file)).toEqual(many);
    expect(await allOf(write('none.parquet', []))).toEqual([]);
  });

  it('are refused where the file is damaged, another, or wrong, by row', async () => {
    const code = (file: string) => allOf(file).catch(({ code: of, message }) => `${of} ${message}`);
    const cut = write('cut.parquet', CASES);
    truncateSync(cut, 400);
    expect(await code(cut)).toMatch(/^invalid_file .*cut.parquet: expected a readable Parquet file/);
    writeFileSync(at('text.parquet'), 'id,question\n1,2\n3,4\n');
    expect(await code(at('text.parquet'))).toMatch(/^invalid_file/);
    expect(await code(at('missing.parquet'))).toMatch(/^io_error/);
    const columnData = [{ name: 'qid', data: ['1'] }];
    writeFileSync(at('other.parquet'), new Uint8Array(parquetWriteBuffer({ columnData })));
    expect(await code(at('other.parquet'))).toMatch(/^invalid_file .*got one without id, questionId.*--format spark/);
    const twice = write('twice.parquet', [CASES[0]!, CASES[1]!, CASES[0]!]);
    expect(await code(twice)).toMatch(/^invalid_file .*in row 1 and again in row 3/);
    const wrong = write('wrong.parquet', [CASES[0]!, { ...CASES[1]!, tau: 11 }]);
    expect(await code(wrong)).toMatch(/^invalid_file .*row 2 is no trajectory \(tau: /);
    const [first] = CASES;
    const [step] = first!.steps;
    for (const half of [
      { ...first!, answerText: '\ud800' },
      { ...first!, answer: '\ud800' },
      { ...first!, steps: [{ ...step!, toolError: '\ud800' }] },
      { ...first!, steps: [{ ...step!, scores: { '\ud800': 1 } }] },
    ]) {
      expect(() => write('half.parquet', [half])).toThrow(/UTF-8/);
    }
  });
});

it('the authors’ form has of every step all that its reader knows, and the two scores', async () => {
  const file = new WholeFile(at('spark.parquet'), { overwrite: false });
  const writer = new SparkWriter(file, ['python', 'think', 'search']);
  const question = { question: 'What is 1+1?', options: ['1', 'N/A', '2'], answer: 'C' };
  const given = exampleTrajectory(
    TWO_STEPS,
    [
      { thought: 'first', input: '1 + 1', observation: '2.0', processOk: false },
      { thought: 'last', action: 'think', input: 'so', observation: null, scores: null, processOk: null },
    ],
    { id: '7:min-score-tau6-by-sft:3' },
  );
  writer.add(given, question);
  writer.add({ ...given, id: '7:min-score-tau6-by-sft:4', steps: given.steps.slice(0, 1) }, question);
  writer.finish();
  file.commit();
  const rows = await readSparkRows(file.file);
  expect(rows.map(({ row }) => row.raw_llama_output)).toEqual(['', given.answerText, given.answerText]);
  expect(rows.map(({ row }) => row.tool_name)).toEqual(['python', '', 'python']);
  expect(rows[0]!.row.candidate_actions).toEqual({ python: '1 + 1', think: null, search: null });
  const rollout = { qid: '7', question: 'What is 1+1?', options: ['1', 'N/A', '2'], correctAnswer: 'C', answer: 'C' };
  const first = {
    ...{ thought: 'first', action: 'python', input: '1 + 1', observation: '2.0' },
    ...{ pair: { chosen: 7, best: 9 }, processOk: false },
  };
  const last = {
    ...{ thought: 'last', action: 'think', input: 'so', observation: null },
    ...{ pair: { chosen: null, best: null }, processOk: null },
  };
  expect(sparkRollouts(rows)).toEqual({
    rollouts: [
      { ...rollout, sample: 3, steps: [first, last] },
      { ...rollout, sample: 4, steps: [first] },
    ],
    ...{ leftOut: [], repeatedRows: 0, actions: ['python', 'search', 'think'] },
  });
});

describe('half characters', () => {
  const asked = { question: 'What is 1+1? 😀', options: ['1', '2\ufffd'], answer: 'B' };
  const steps = [{ thought: '𝛼\ufffd', input: '🂡', observation: '中 😀' }, {}];
  const whole = exampleTrajectory(TWO_STEPS, steps, { answerText: 'The answer is (B) 😀' });
  const [step, last] = whole.steps;
  const writeSpark = (trajectory: Trajectory, question = asked) => {
    const file = new WholeFile(at('half-spark.parquet'), { overwrite: true });
    try {
      const writer = new SparkWriter(file, ['python', 'think']);
      writer.add(trajectory, question);
      writer.finish();
      file.commit();
    } finally {
      file.abandon();
    }
  };

  it('no export makes or loses one: what is whole comes back as it was', async () => {
    writeSpark(whole);
    const [first] = await readSparkRows(at('half-spark.parquet'));
    const { row } = first!;
    const { input, ...texts } = steps[0] as { input: string };
    expect(row).toMatchObject({ ...texts, action_query: input, question: asked.question, mcq_options: asked.options });
    const [user, call, tool] = (JSON.parse(JSON.stringify(chatRow(whole, asked, []))) as ChatRow).messages;
    expect([user!.content, call!.content, tool!.content]).toEqual([
      expect.stringContaining('2\ufffd'),
      steps[0]!.thought,
      steps[0]!.observation,
    ]);
  });

  it.each<[string, Trajectory, typeof asked]>([
    ['a thought', { ...whole, steps: [{ ...step!, thought: '\ud83d' }, last!] }, asked],
    ['an input', { ...whole, steps: [{ ...step!, input: 'a\ude00' }, last!] }, asked],
    ['an observation', { ...whole, steps: [{ ...step!, observation: '\ud83d' }, last!] }, asked],
    ['an answer', { ...whole, answerText: '\ud83d' }, asked],
    ['a question', whole, { ...asked, question: '\ud83d' }],
    ['an option', whole, { ...asked, options: ['\ud83d', 'b'] }],
  ])('half of a pair in %s is an error with the trajectory’s id, in every format', (_, trajectory, question) => {
    const error = { code: 'invalid_file', message: expect.stringMatching(`^${whole.id}: expected text that UTF-8`) };
    expect(() => writeSpark(trajectory, question)).toThrow(expect.objectContaining(error));
    expect(() => chatRow(trajectory, question, [])).toThrow(expect.objectContaining(error));
  });
});

describe('a file that is written piece by piece', () => {
  it('has its name only when it is whole, and replaces none without being told', () => {
    const file = new WholeFile(at('new.txt'), { overwrite: false });
    file.write('half');
    expect(existsSync(at('new.txt'))).toBe(false);
    file.abandon();
    expect(() => file.write('x')).toThrow(/closed/);
    writeFileSync(at('old.txt'), 'kept');
    expect(() => new WholeFile(at('old.txt'), { overwrite: false })).toThrow(/exists; .*--overwrite/);
    const replaced = new WholeFile(at('old.txt'), { overwrite: true });
    replaced.write('now');
    expect(readFileSync(at('old.txt'), 'utf8')).toBe('kept');
    replaced.commit();
    expect(readFileSync(at('old.txt'), 'utf8')).toBe('now');
    expect(() => new WholeFile(at('no/such.txt'), { overwrite: false })).toThrow(/no folder/);
  });
});
