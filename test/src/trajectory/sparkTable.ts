/**
 * Files of the shape in which the paper's authors publish their rollouts, which are on no package registry: the columns and
 * types of their data set card (docs/reproduce.md), as pyarrow writes them, with rollouts of our own making.
 */
import { writeFileSync } from 'node:fs';
import type { SchemaElement } from 'hyparquet';
import { parquetWriteBuffer } from 'hyparquet-writer';

const TOOLS = ['calculator', 'cot', 'python_repl', 'search', 'semantic_scholar', 'static_kb', 'wikipedia'] as const;

export interface TableRow {
  readonly [column: string]: unknown;
}

const optional = { repetition_type: 'OPTIONAL' } as const;
const text = (name: string): SchemaElement => ({ name, ...optional, type: 'BYTE_ARRAY', converted_type: 'UTF8' });
const whole = (name: string): SchemaElement => ({ name, ...optional, type: 'INT64' });
const real = (name: string): SchemaElement => ({ name, ...optional, type: 'DOUBLE' });

/** One for each column, and what lies in it. */
const COLUMNS: readonly (readonly SchemaElement[])[] = [
  [text('qid')],
  ...['sub_step_idx', 'step_idx', 'sample_id'].map((name) => [whole(name)]),
  ...['question', 'state_context', 'state_text', 'prompt', 'thought'].map((name) => [text(name)]),
  ...['action_taken', 'tool_name', 'action_query', 'action_text', 'observation'].map((name) => [text(name)]),
  ...['reward_raw', 'chosen_score', 'best_score'].map((name) => [real(name)]),
  [{ name: 'process_ok', ...optional, type: 'BOOLEAN' }],
  [
    { name: 'mcq_options', ...optional, converted_type: 'LIST', num_children: 1 },
    { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
    text('element'),
  ],
  [text('correct_answer_letter')],
  [text('raw_llama_output')],
  [{ name: 'candidate_actions', ...optional, num_children: TOOLS.length }, ...TOOLS.map(text)],
];

/** Steps of a rollout whose last step answers with `letter`; every third rollout has a step that was not coherent. */
export function rolloutRows(qid: string, count: number, letter: string, sample = 0): TableRow[] {
  const options = ['12', '888', '900', '41'];
  return Array.from({ length: count }, (_, step) => {
    const last = step === count - 1;
    const tool = last ? 'cot' : TOOLS[(Number(qid.replace(/\D/g, '')) + step) % 3 === 0 ? 0 : 6]!;
    const said = last ? `So the answer is (${letter}).` : `I look for part ${step} of ${qid}.`;
    return {
      ...{ qid, sub_step_idx: BigInt(step), step_idx: BigInt(step), sample_id: BigInt(sample) },
      question: `What is 37 * 24, question ${qid}?`,
      state_context: `Question: What is 37 * 24?\n`.repeat(step + 1),
      ...{ state_text: `step ${step}`, prompt: 'You may use tools.', thought: said },
      ...{ action_taken: tool, tool_name: last ? null : tool, action_query: last ? '' : '37 * 24' },
      ...{ action_text: said, observation: last ? null : '888' },
      ...{ reward_raw: 0.5, chosen_score: 6 + (step % 2), best_score: 9 },
      process_ok: !(Number(qid.replace(/\D/g, '')) % 3 === 0 && step === 0),
      mcq_options: options.map((option, at) => `${'ABCD'[at]}. ${option}`),
      ...{ correct_answer_letter: 'B', raw_llama_output: said },
      candidate_actions: Object.fromEntries(TOOLS.map((name) => [name, `${name}: 37 * 24`])),
    };
  });
}

export function tableBytes(rows: readonly TableRow[], without: readonly string[] = []): Uint8Array {
  const columns = COLUMNS.filter(([element]) => !without.includes(element!.name));
  const schema: SchemaElement[] = [{ name: 'schema', num_children: columns.length }, ...columns.flat()];
  const columnData = columns.map(([element]) => ({
    name: element!.name,
    data: rows.map((row) => row[element!.name] ?? null),
  }));
  return new Uint8Array(parquetWriteBuffer({ columnData, schema }));
}

export function writeTable(file: string, rows: readonly TableRow[], without?: readonly string[]): string {
  writeFileSync(file, tableBytes(rows, without));
  return file;
}
