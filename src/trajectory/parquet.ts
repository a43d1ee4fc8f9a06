/**
 * Trajectories as Parquet, for Hugging Face: flat columns, what nests as JSON text. Tokens and segments go along, so a
 * file can be trained on after the round trip.
 */
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { SparkError, toSparkError } from '../errors.js';
import { trajectorySchema } from './schema.js';
import type { Trajectory } from './trajectory.js';

type ColumnType = 'STRING' | 'INT64' | 'BOOLEAN' | 'JSON';

const COLUMNS: Readonly<Record<keyof Trajectory, ColumnType>> = {
  id: 'STRING',
  questionId: 'INT64',
  category: 'STRING',
  policy: 'STRING',
  generator: 'STRING',
  judge: 'STRING',
  seed: 'INT64',
  steps: 'JSON',
  answerText: 'STRING',
  answer: 'STRING',
  correct: 'BOOLEAN',
  end: 'STRING',
  tokens: 'JSON',
  segments: 'JSON',
};
const NAMES = Object.keys(COLUMNS) as (keyof Trajectory)[];
const NULLABLE: ReadonlySet<string> = new Set(['judge', 'answer']);

export async function exportTrajectories(trajectories: readonly Trajectory[], file: string): Promise<void> {
  const columnData = NAMES.map((name) => ({
    name,
    data: trajectories.map((trajectory) => toColumn(COLUMNS[name], trajectory[name])),
    type: COLUMNS[name] === 'JSON' ? ('STRING' as const) : (COLUMNS[name] as 'STRING' | 'INT64' | 'BOOLEAN'),
    nullable: NULLABLE.has(name),
  }));
  const temporary = `${file}.${process.pid}.tmp`;
  try {
    await writeFile(temporary, new Uint8Array(parquetWriteBuffer({ columnData })));
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw toSparkError(error, 'io_error');
  }
}

export async function importTrajectories(file: string): Promise<Trajectory[]> {
  let rows: Record<string, unknown>[];
  try {
    const bytes = await readFile(file);
    rows = await parquetReadObjects({ file: new Uint8Array(bytes).buffer, compressors });
  } catch (error) {
    throw new SparkError(
      'invalid_file',
      `expected a readable Parquet file of trajectories at ${file}: ${(error as Error).message}`,
      { cause: error },
    );
  }
  return rows.map((row, index) => fromRow(row, index + 1, file));
}

function toColumn(type: ColumnType, value: Trajectory[keyof Trajectory]): unknown {
  if (type === 'JSON') return JSON.stringify(value);
  // int64 columns are written from BigInt.
  return type === 'INT64' ? BigInt(value as number) : value;
}

function fromRow(row: Record<string, unknown>, number: number, file: string): Trajectory {
  let value: unknown;
  try {
    value = Object.fromEntries(NAMES.map((name) => [name, fromColumn(COLUMNS[name], row[name])]));
  } catch (error) {
    throw invalidRow(file, number, (error as Error).message);
  }
  const parsed = trajectorySchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  throw invalidRow(file, number, `${issue.path.join('.')}: ${issue.message}`);
}

function fromColumn(type: ColumnType, value: unknown): unknown {
  if (type === 'JSON') return typeof value === 'string' ? JSON.parse(value) : value;
  if (typeof value === 'bigint') return Number(value);
  return value ?? null;
}

function invalidRow(file: string, number: number, reason: string): SparkError {
  return new SparkError('invalid_file', `${file}, row ${number} is not a trajectory of this program (${reason})`);
}
