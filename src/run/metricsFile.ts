/**
 * metrics.jsonl: one row a line. A stage that was killed goes on from its checkpoint, or from the start where it had none,
 * and does some steps again: their rows are taken out first, so that the file holds every step of a training once.
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

  constructor(file: string) {
    this.file = file;
  }

  /** Appends one row. Synchronous, so that a kill loses no finished row; a line that a kill has torn is cut off first. */
  append(row: MetricRow): void {
    this.#appender ??= new JsonlAppender(this.file, false);
    this.#appender.append(JSON.parse(JSON.stringify(row, notFinite)));
  }

  close(): void {
    this.#appender?.close();
    this.#appender = null;
  }

  read(): MetricRow[] {
    return this.#lines().map(({ row }) => row);
  }

  /**
   * For a stage that is about to train on after `step` optimizer steps: drops what its unfinished training wrote past
   * them. Trainings that ended with a saved adapter are history and stay.
   */
  async rewind(stage: string, step: number): Promise<void> {
    this.close();
    const lines = this.#lines();
    const finished = lines.findLastIndex(({ row }) => row.stage === stage && row.event === 'saved');
    const kept = lines.filter(({ row }, index) => index <= finished || row.stage !== stage || !isPast(row, step));
    if (kept.length < lines.length) await writeWhole(this.file, kept.map(({ text }) => `${text}\n`).join(''));
  }

  #lines(): { text: string; row: MetricRow }[] {
    return linesOf(this.file).map((text, index) => ({ text, row: parseRow(text, `${this.file}, line ${index + 1}`) }));
  }
}

/** `afterStep` is what an event between two steps has in the place of `step`. From 0 on all but the check before is told again. */
function isPast(row: MetricRow, step: number): boolean {
  const at = row.step ?? row.afterStep;
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

// JSON has no NaN; null would read as "missing", the word says what happened.
function notFinite(_key: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value;
}
