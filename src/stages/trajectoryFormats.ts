/** The formats in which trajectories leave and enter: one table, for the command, its help and what each loses. */
import { SparkError } from '../errors.js';
import { chatRow } from '../rollout/hfChat.js';
import type { ActionInfo } from '../tools/tool.js';
import { TrajectoryParquetWriter } from '../trajectory/parquet/write.js';
import { SparkWriter } from '../trajectory/sparkExport.js';
import type { Trajectory } from '../trajectory/trajectory.js';
import type { AskedQuestion } from '../trajectory/view.js';
import type { WholeFile } from '../wholeFile.js';

export interface ExportContext {
  /** Name of the set or evaluation. */
  readonly set: string;
  readonly actions: readonly ActionInfo[];
}

export interface TrajectoryWriter {
  /** False: the format has no place for this one. `question` null: it could not be found. */
  add(trajectory: Trajectory, question: AskedQuestion | null): boolean;
  finish(): void;
}

export interface TrajectoryFormat {
  /** For --help. */
  readonly describe: string;
  /** What does not come back from it; null: nothing is lost. */
  readonly loses: string | null;
  /** Whether it shows the question, which is to be found then. */
  readonly asks: boolean;
  open(file: WholeFile, context: ExportContext): TrajectoryWriter;
}

export const FORMATS = {
  spark: {
    describe: 'as the paper’s authors publish theirs: Parquet, one step a row',
    loses: 'scores of the actions not taken, token ids, category, tool errors, the end; trajectories without a step',
    asks: true,
    open(file, { actions }) {
      const writer = new SparkWriter(
        file,
        actions.map(({ name }) => name),
      );
      return {
        add(trajectory, question) {
          if (trajectory.steps.length === 0) return false;
          if (question?.answer == null) throw noQuestion(trajectory, 'the right letter of its question');
          writer.add(trajectory, question);
          return true;
        },
        finish: () => writer.finish(),
      };
    },
  },
  'hf-chat': {
    describe: 'Hugging Face’s chats with tool calls: JSONL with messages and tools',
    loses: 'all scores, token ids, tool errors, the end, who made it; an answer’s words beside its letter',
    asks: true,
    open: (file, { actions }) => ({
      add(trajectory, question) {
        if (trajectory.steps.length === 0 && trajectory.answerText === '') return false;
        if (question === null) throw noQuestion(trajectory, 'its question');
        file.write(`${JSON.stringify(chatRow(trajectory, question, actions))}\n`);
        return true;
      },
      finish() {},
    }),
  },
  parquet: {
    describe: 'Parquet with every field of a trajectory',
    loses: null,
    asks: false,
    open(file, { set }) {
      const writer = new TrajectoryParquetWriter(file, set);
      return {
        add(trajectory) {
          writer.add(trajectory);
          return true;
        },
        finish: () => writer.finish(),
      };
    },
  },
} as const satisfies Record<string, TrajectoryFormat>;

export type FormatName = keyof typeof FORMATS;
export const FORMAT_NAMES = Object.keys(FORMATS) as FormatName[];

function noQuestion({ id, questionId }: Trajectory, what: string): SparkError {
  return new SparkError(
    'no_data',
    `${id}: expected ${what}, which the format shows, got none: question ${questionId} is not among those of the run, as it was ` +
      'asked; name its file with --questions, or take --format parquet',
  );
}
