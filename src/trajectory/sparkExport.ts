/**
 * Writes trajectories in the form in which the paper's authors publish theirs: Parquet, one step a row, their columns
 * (docs/reproduce.md). Of the scores it has the taken action's and the best; `sparkFile.ts` reads it.
 */
import type { SchemaElement } from 'hyparquet';
import { ParquetWriter } from 'hyparquet-writer';
import { scorePair } from '../reward.js';
import { THINK } from '../tools/tool.js';
import type { WholeFile } from '../wholeFile.js';
import { FileSink } from './parquet/sink.js';
import type { Step, Trajectory } from './trajectory.js';
import type { AskedQuestion } from './view.js';

const optional = { repetition_type: 'OPTIONAL' } as const;
const text = (name: string): SchemaElement => ({ name, ...optional, type: 'BYTE_ARRAY', converted_type: 'UTF8' });
const whole = (name: string): SchemaElement => ({ name, ...optional, type: 'INT64' });
const real = (name: string): SchemaElement => ({ name, ...optional, type: 'DOUBLE' });

/** As a function of the actions that there are: `candidate_actions` has a text for each. */
function columnsOf(actions: readonly string[]): readonly (readonly SchemaElement[])[] {
  return [
    [text('qid')],
    ...['step_idx', 'sample_id'].map((name) => [whole(name)]),
    ...['question', 'thought', 'action_taken', 'tool_name', 'action_query', 'action_text', 'observation'].map(
      (name) => [text(name)],
    ),
    ...['chosen_score', 'best_score'].map((name) => [real(name)]),
    [{ name: 'process_ok', ...optional, type: 'BOOLEAN' }],
    [
      { name: 'mcq_options', ...optional, converted_type: 'LIST', num_children: 1 },
      { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
      text('element'),
    ],
    [text('correct_answer_letter')],
    [text('raw_llama_output')],
    ...(actions.length === 0
      ? []
      : [[{ name: 'candidate_actions', ...optional, num_children: actions.length }, ...actions.map(text)]]),
  ];
}

/** Rows of a row group. */
const MOST_ROWS = 8192;

type Row = Readonly<Record<string, unknown>>;

export class SparkWriter {
  readonly #writer: ParquetWriter;
  readonly #names: readonly string[];
  readonly #actions: readonly string[];
  #rows: Row[] = [];

  /** `actions`: the names there are to choose from. */
  constructor(file: WholeFile, actions: readonly string[]) {
    this.#actions = actions;
    const columns = columnsOf(actions);
    this.#names = columns.map(([element]) => element!.name);
    const schema: SchemaElement[] = [{ name: 'schema', num_children: columns.length }, ...columns.flat()];
    this.#writer = new ParquetWriter({ writer: new FileSink(file), schema, createdBy: 'spark-rl', statistics: false });
  }

  /** `question` with its right letter, which every row has. */
  add(trajectory: Trajectory, question: AskedQuestion): void {
    const { questionId, id, steps, answerText } = trajectory;
    const same = {
      qid: String(questionId),
      sample_id: BigInt(/:(\d+)$/.exec(id)?.[1] ?? 0),
      question: question.question,
      mcq_options: question.options,
      correct_answer_letter: question.answer,
    };
    for (const step of steps) {
      const last = step.index === steps.length - 1;
      this.#rows.push({ ...same, ...this.#ofStep(step), raw_llama_output: last ? answerText : '' });
    }
    if (this.#rows.length >= MOST_ROWS) this.#flush();
  }

  #ofStep(step: Step): Row {
    const { index, thought, action, input, observation, processOk } = step;
    const { chosen, best } = scorePair(step);
    return {
      step_idx: BigInt(index),
      thought,
      action_taken: action,
      tool_name: action === THINK ? null : action,
      action_query: input,
      action_text: input,
      observation,
      chosen_score: chosen,
      best_score: best,
      process_ok: processOk,
      candidate_actions: Object.fromEntries(this.#actions.map((name) => [name, name === action ? input : null])),
    };
  }

  finish(): void {
    if (this.#rows.length > 0) this.#flush();
    this.#writer.finish();
  }

  #flush(): void {
    const rows = this.#rows;
    this.#rows = [];
    const columnData = this.#names.map((name) => ({ name, data: rows.map((row) => row[name]), offsetIndex: false }));
    this.#writer.write({ columnData, rowGroupSize: rows.length });
  }
}
