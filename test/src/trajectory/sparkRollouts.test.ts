/** The authors' files, whole and damaged: which of it is an error, which leaves out one rollout, which is taken. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { parquetFiles, readSparkRows } from '../../../src/trajectory/sparkFile.js';
import { sparkRollouts } from '../../../src/trajectory/sparkRollouts.js';
import { temporaryFolder } from '../cli/runCli.js';
import { rolloutRows, type TableRow, tableBytes, writeTable } from './sparkTable.js';

const folder = temporaryFolder();
let files = 0;
const place = () => path.join(folder, `${files++}.parquet`);

async function read(rows: readonly TableRow[]) {
  return sparkRollouts(await readSparkRows(writeTable(place(), rows)));
}

const three = () => rolloutRows('q1', 3, 'B');
const changed = (at: number, more: TableRow) => three().map((row, index) => (index === at ? { ...row, ...more } : row));

describe('the authors’ rollouts', () => {
  it('are put together in the order of their steps, whatever that of their rows', async () => {
    const [first, second, third] = three();
    const other = rolloutRows('q2', 1, 'D', 4);
    const { rollouts, actions } = await read([third!, ...other, first!, second!]);
    expect(rollouts.map(({ qid, sample, steps }) => [qid, sample, steps.length])).toEqual([
      ['q1', 0, 3],
      ['q2', 4, 1],
    ]);
    expect(rollouts[0]).toMatchObject({ answer: 'B', correctAnswer: 'B', options: ['12', '888', '900', '41'] });
    expect(rollouts[1]).toMatchObject({ answer: 'D' });
    expect(rollouts[0]!.steps).toMatchObject([
      { thought: 'I look for part 0 of q1.', action: 'wikipedia', input: '37 * 24', observation: '888' },
      { thought: 'I look for part 1 of q1.', pair: { chosen: 7, best: 9 }, processOk: true },
      // A step without a tool: the name stands in action_taken, the text in action_text.
      { action: 'cot', input: 'So the answer is (B).', observation: null },
    ]);
    expect(actions).toContain('semantic_scholar');
  });

  it('may be counted from 1, and hold rows twice', async () => {
    const rows = three().map((row) => ({ ...row, step_idx: (row.step_idx as bigint) + 1n }));
    const { rollouts, repeatedRows } = await read([...rows, rows[1]!]);
    expect([rollouts[0]!.steps.length, repeatedRows]).toEqual([3, 1]);
  });

  it('keep a missing score or verdict missing', async () => {
    const missing = { chosen_score: null, best_score: Number.NaN, process_ok: null };
    const { rollouts } = await read(changed(1, missing));
    expect(rollouts[0]!.steps[1]).toMatchObject({ pair: { chosen: null, best: null }, processOk: null });
  });

  it('have an answer only where the words of one are there', async () => {
    const { rollouts } = await read(changed(2, { action_text: 'Perhaps B', thought: 'B', raw_llama_output: 'B' }));
    expect(rollouts[0]!.answer).toBeNull();
  });

  it.each([
    ['missing_step', three().filter((_, at) => at !== 1), 'expected step_idx 1, got 2'],
    ['missing_step', [...three().slice(1), ...rolloutRows('q2', 1, 'B')], 'expected step_idx 0, got 1'],
    ['duplicate_step', [...three(), { ...three()[1]!, thought: 'otherwise' }], 'step_idx 1 again'],
    ['inconsistent_rows', changed(2, { question: 'another' }), 'another question'],
    ['invalid_question', three().map((row) => ({ ...row, correct_answer_letter: 'E' })), 'got "E" of 4'],
    ['invalid_action', changed(0, { tool_name: '<answer>' }), 'got "<answer>"'],
    ['invalid_score', changed(0, { best_score: 11 }), 'got 11'],
    ['invalid_score', changed(0, { chosen_score: 9.5 }), 'got 9 with chosen_score 9.5'],
  ] as const)('leave out a rollout with %s, and say which row', async (code, rows, words) => {
    const { rollouts, leftOut } = await read(rows as TableRow[]);
    expect(leftOut).toMatchObject([{ qid: 'q1', code }]);
    expect(leftOut[0]!.message).toMatch(/\.parquet: row \d+: /);
    expect(leftOut[0]!.message).toContain(words);
    expect(rollouts.every(({ qid }) => qid === 'q2')).toBe(true);
  });
});

describe('a file that is not theirs', () => {
  const wrong = async (bytes: Uint8Array) => {
    const file = place();
    writeFileSync(file, bytes);
    return readSparkRows(file).then(
      () => 'read',
      (error) => `${error.code}: ${error.message}`,
    );
  };

  it('is refused with the row or the column that is wrong', async () => {
    expect(await wrong(tableBytes(three(), ['best_score', 'process_ok']))).toMatch(
      /^invalid_file: .*none named best_score, process_ok/,
    );
    expect(await wrong(tableBytes(changed(1, { step_idx: null })))).toMatch(/^invalid_file: .*row 2: step_idx: .*null/);
    expect(await wrong(tableBytes(changed(2, { chosen_score: Number.POSITIVE_INFINITY })))).toMatch(
      /^invalid_file: .*row 3: chosen_score: .*Infinity/,
    );
    expect(await wrong(Buffer.from('qid,step_idx\n'))).toMatch(/^invalid_file: .*PAR1/);
    const whole = tableBytes(three());
    expect(await wrong(whole.subarray(0, whole.length - 9))).toMatch(/^invalid_file: .*truncated/);
    // Columns that nobody needs may be missing.
    expect(await wrong(tableBytes(three(), ['reward_raw', 'candidate_actions', 'state_text']))).toBe('read');
  });

  it('is looked for in folders', () => {
    const data = path.join(folder, 'data');
    mkdirSync(path.join(data, 'deeper'), { recursive: true });
    expect(() => parquetFiles([data])).toThrow(expect.objectContaining({ code: 'no_data' }));
    expect(() => parquetFiles([path.join(folder, 'nothing')])).toThrow(expect.objectContaining({ code: 'io_error' }));
    const files = ['b.parquet', 'deeper/a.parquet'].map((name) => writeTable(path.join(data, name), three()));
    expect(parquetFiles([data, files[0]!])).toEqual(files);
  });
});
