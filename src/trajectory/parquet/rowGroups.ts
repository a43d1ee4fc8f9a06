/** Writes rows to Parquet one after another, a row group at a time, so that memory does not grow with the file. */
import { ByteWriter, ParquetWriter } from 'hyparquet-writer';
import type { WholeFile } from '../../wholeFile.js';
import type { Column } from './elements.js';

/** A row group ends with so many rows, or so many tokens and characters: what is in memory at a time. */
const MOST_ROWS = 4096;
const MOST_WEIGHT = 1 << 24;

export interface RowGroupOptions {
  readonly kvMetadata?: { key: string; value: string }[];
  /** Rows of a row group. */
  readonly mostRows?: number | undefined;
}

/** `Row` has a value for every column. */
export class RowGroupWriter<Row extends object> {
  readonly #writer: ParquetWriter;
  readonly #names: readonly string[];
  readonly #mostRows: number;
  #rows: Row[] = [];
  #weight = 0;

  constructor(file: WholeFile, columns: readonly Column[], options: RowGroupOptions = {}) {
    const { mostRows = MOST_ROWS, ...said } = options;
    this.#mostRows = mostRows;
    this.#names = columns.map(([column]) => column!.name);
    this.#writer = new ParquetWriter({
      writer: new FileSink(file),
      schema: [{ name: 'schema', num_children: columns.length }, ...columns.flat()],
      createdBy: 'spark-rl',
      ...said,
      // Of use to who looks for single values, and all of them would be kept in memory until the end.
      statistics: false,
    });
  }

  /** `weight`: what the row holds, in tokens and characters. */
  add(row: Row, weight: number): void {
    this.#rows.push(row);
    this.#weight += weight;
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
    const columnData = this.#names.map((name) => ({
      name,
      data: rows.map((row) => row[name as keyof Row]),
      offsetIndex: false,
    }));
    this.#writer.write({ columnData, rowGroupSize: rows.length });
  }
}

/** Hands on to a file what a row group has written. */
class FileSink extends ByteWriter {
  readonly #file: WholeFile;

  constructor(file: WholeFile) {
    super(1 << 16);
    this.#file = file;
  }

  /** Called after every row group. */
  flush(): void {
    this.#file.write(new Uint8Array(this.buffer, 0, this.index));
    this.index = 0;
  }

  override finish(): void {
    this.flush();
  }
}
