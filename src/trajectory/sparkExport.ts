/**
 * Writes trajectories in the form in which the paper's authors publish theirs: Parquet, one step a row, their columns
 * (docs/reproduce.md). Of the scores it has the taken action's and the best; `sparkFile.ts` reads it.
 */
import { scorePair } from '../reward.js';
import { THINK } from '../tools/tool.js';
import type { WholeFile } from '../wholeFile.js';
import { type Column, flag, group, list, real, text, whole } from './parquet/elements.js';
import { RowGroupWriter } from './parquet/rowGroups.js';
import { textLength } from './parquet/write.js';
import type { Step, Trajectory } from './trajectory.js';
import { requireUtf8 } from './utf8.js';
import type { AskedQuestion } from './view.js';

/** As a function of the actions that there are: `candidate_actions` has a text for each. */
function columnsOf(actions: readonly string[]): Column[] {
  const optional = (column: typeof text, ...names: readonly string[]) => names.map((name) => column(name, 'OPTIONAL'));
  return [
    ...optional(text, 'qid'),
    ...optional(whole, 'step_idx', 'sample_id'),
    ...optional(text, 'question', 'thought', 'action_taken', 'tool_name', 'action_query', 'action_text', 'observation'),
    ...optional(real, 'chosen_score', 'best_score'),
    ...optional(flag, 'process_ok'),
    list('mcq_options', text('element', 'OPTIONAL'), 'OPTIONAL'),
    ...optional(text, 'correct_answer_letter', 'raw_llama_output'),
    ...(actions.length === 0 ? [] : [group('candidate_actions', optional(text, ...actions), 'OPTIONAL')]),
  ];
}

type Row = Readonly<Record<string, unknown>>;

export class SparkWriter {
  readonly #writer: RowGroupWriter<Row>;
  readonly #actions: readonly string[];

  /** `actions`: the names there are to choose from. */
  constructor(file: WholeFile, actions: readonly string[]) {
    this.#actions = actions;
    this.#writer = new RowGroupWriter(file, columnsOf(actions));
  }

  /** `question` with its right letter, which every row has. Throws `invalid_file` for text that UTF-8 cannot hold. */
  add(trajectory: Trajectory, question: AskedQuestion): void {
    const { questionId, id, steps, answerText } = trajectory;
    requireUtf8(id, { steps, answerText, question });
    const same = {
      qid: String(questionId),
      sample_id: BigInt(/:(\d+)$/.exec(id)?.[1] ?? 0),
      question: question.question,
      mcq_options: question.options,
      correct_answer_letter: question.answer,
    };
    for (const step of steps) {
      const said = step.index === steps.length - 1 ? answerText : '';
      this.#writer.add({ ...same, ...this.#ofStep(step), raw_llama_output: said }, textLength(step) + said.length);
    }
  }

  finish(): void {
    this.#writer.finish();
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
}
