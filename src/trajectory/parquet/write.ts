/** Writes trajectories to Parquet, every field of them. */
import type { WholeFile } from '../../wholeFile.js';
import type { Step, Trajectory } from '../trajectory.js';
import { COLUMNS, toRow } from './columns.js';
import { RowGroupWriter } from './rowGroups.js';

/** Under this key the file says which set it holds. */
export const SET_KEY = 'spark-rl.set';

export class TrajectoryParquetWriter {
  readonly #writer: RowGroupWriter<ReturnType<typeof toRow>>;

  /** `set`: name of the rollout set or evaluation; `mostRows` of a row group. */
  constructor(file: WholeFile, set: string, mostRows?: number) {
    const kvMetadata = [{ key: SET_KEY, value: set }];
    this.#writer = new RowGroupWriter(file, Object.values(COLUMNS), { kvMetadata, mostRows });
  }

  add(trajectory: Trajectory): void {
    this.#writer.add(toRow(trajectory), weightOf(trajectory));
  }

  finish(): void {
    this.#writer.finish();
  }
}

/** What a row holds in memory grows with its tokens and texts. */
function weightOf({ tokens, steps, answerText }: Trajectory): number {
  return steps.reduce((sum, step) => sum + textLength(step), tokens.length + answerText.length);
}

/** Characters of a step. */
export function textLength({ thought, input, observation }: Step): number {
  return thought.length + input.length + (observation?.length ?? 0);
}
