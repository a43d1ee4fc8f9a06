/**
 * metrics.jsonl: one row a line. A training that was killed goes on from its last checkpoint, or from the start without
 * one, and does some steps again. Their old rows are removed first, so that the file has every step of a training once.
 */
import { z } from 'zod';
import { SparkError } from '../errors.js';
import { linesOf } from '../jsonl/read.js';
import { JsonlAppender } from '../jsonl/write.js';
import { writeWhole } from '../sealed.js';

export type MetricValue = number | string | boolean | null;
export type MetricRow = Readonly<Record<string, MetricValue>>;

const rowSchema = z.record(z.string(), z.union([z.number(), z.string(), z.boolean(), z.null()]));

export class MetricsFile {
  readonly file: string;
  #appender: JsonlAppender | null = null;
  #closed = false;

  constructor(file: string) {
    this.file = file;
  }

  /** Appends one row, synchronously, so that a kill loses none. Opening removes a last line that a kill has cut off. */
  append(row: MetricRow): void {
    this.#requireOpen();
    this.#appender ??= new JsonlAppender(this.file, false);
    this.#appender.append(JSON.parse(JSON.stringify(row, notFinite)));
  }

  /** Later writes throw `disposed`; what was written can still be read. */
  close(): void {
    this.#closed = true;
    this.#release();
  }

  read(): MetricRow[] {
    return this.#lines().map(({ row }) => row);
  }

  /**
   * Called before a stage trains on from optimizer step `step`: removes the rows that its unfinished training wrote
   * after that step. Rows of trainings that ended with a saved adapter stay.
   */
  async rewind(stage: string, step: number): Promise<void> {
    this.#requireOpen();
    this.#release();
    const lines = this.#lines();
    const finished = lines.findLastIndex(({ row }) => row.stage === stage && row.event === 'saved');
    const kept = lines.filter(({ row }, index) => index <= finished || row.stage !== stage || !isPast(row, step));
    if (kept.length < lines.length) await writeWhole(this.file, kept.map(({ text }) => `${text}\n`).join(''));
  }

  #requireOpen(): void {
    if (this.#closed) throw new SparkError('disposed', `${this.file}: its run was closed; open it again with Run.open`);
  }

  #release(): void {
    this.#appender?.close();
    this.#appender = null;
  }

  #lines(): { text: string; row: MetricRow }[] {
    return linesOf(this.file).map((text, index) => ({ text, row: parseRow(text, `${this.file}, line ${index + 1}`) }));
  }
}

/**
 * Whether a training that goes on from `step` writes this row again. Events between two steps have `afterStep` in place
 * of `step`, and `beforeStep` where the step that follows writes them again. Rows with none of these are written again when it starts from step 0, except the parity check, which comes
 * before.
 */
function isPast(row: MetricRow, step: number): boolean {
  const at = row.step ?? row.afterStep ?? row.beforeStep;
  return typeof at === 'number' ? at > step : step === 0 && row.event !== 'parity';
}

function parseRow(text: string, where: string): MetricRow {
  try {
    return rowSchema.parse(JSON.parse(text));
  } catch (error) {
    throw new SparkError(
      'invalid_file',
      `${where} is damaged: expected a row of metrics, got ${JSON.stringify(text.slice(0, 60))}; remove that line, or the ` +
        'file: only the curves of the report are lost',
      { cause: error },
    );
  }
}

// JSON has no NaN, and null would read as "missing", so such numbers are written as words.
function notFinite(_key: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value;
}
