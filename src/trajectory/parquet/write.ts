/** Writes trajectories to Parquet one after another, a row group at a time, so that memory does not grow with the file. */
import { ParquetWriter } from 'hyparquet-writer';
import type { WholeFile } from '../../wholeFile.js';
import type { Trajectory } from '../trajectory.js';
import { COLUMN_NAMES, SCHEMA, toRow } from './columns.js';
import { FileSink } from './sink.js';

/** A row group ends with so many rows, or so many tokens and characters: what is in memory at a time. */
const MOST_ROWS = 4096;
const MOST_WEIGHT = 1 << 24;

/** Under this key the file says which set it holds. */
export const SET_KEY = 'spark-rl.set';

type Row = ReturnType<typeof toRow>;

export class TrajectoryParquetWriter {
  readonly #writer: ParquetWriter;
  #rows: Row[] = [];
  #weight = 0;

  readonly #mostRows: number;

  /** `set`: name of the rollout set or evaluation; `mostRows` of a row group. */
  constructor(file: WholeFile, set: string, mostRows = MOST_ROWS) {
    this.#mostRows = mostRows;
    const kvMetadata = [{ key: SET_KEY, value: set }];
    this.#writer = new ParquetWriter({
      writer: new FileSink(file),
      schema: SCHEMA,
      createdBy: 'spark-rl',
      kvMetadata,
      // Of use to who looks for single values, and all of them would be kept in memory until the end.
      statistics: false,
    });
  }

  add(trajectory: Trajectory): void {
    this.#rows.push(toRow(trajectory));
    this.#weight += weightOf(trajectory);
    if (this.#rows.length >= this.#mostRows || this.#weight >= MOST_WEIGHT) this.#flush();
  }

  /** Writes what is left, and the file's end. */
  finish(): void {
    if (this.#rows.length > 0) this.#flush();
    this.#writer.finish();
  }

  #flush(): void {
    const rows = this.#rows;
    this.#rows = [];
    this.#weight = 0;
    const columnData = COLUMN_NAMES.map((name) => ({
      name,
      data: rows.map((row) => row[name as keyof Row]),
      offsetIndex: false,
    }));
    this.#writer.write({ columnData, rowGroupSize: rows.length });
  }
}

/** What a row holds in memory grows with its tokens and texts. */
function weightOf({ tokens, steps, answerText }: Trajectory): number {
  let weight = tokens.length + answerText.length;
  for (const { thought, input, observation } of steps) {
    weight += thought.length + input.length + (observation?.length ?? 0);
  }
  return weight;
}
