/**
 * Reads the files in which the paper's authors publish their rollouts (Parquet, one step a row; docs/reproduce.md). A
 * file that is no such file is an error, which names the row. What is wrong with one rollout alone leaves out that
 * rollout, with a code and the row: nobody can mend a published file, and one row of it must not cost the others.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { isNodeError, SparkError, shown } from '../errors.js';
import type { RawRow } from '../jsonl/foreign.js';
import { isParquet } from '../questions/isParquet.js';
import { parquetRows } from '../questions/parquet.js';

const text = z
  .string()
  .nullable()
  .optional()
  .transform((value) => value ?? '');
const index = z.number().int().min(0);
/** pandas writes a missing number as NaN. */
const score = z
  .union([z.number(), z.nan()])
  .nullable()
  .transform((value) => (value === null || Number.isNaN(value) ? null : value));

const required = {
  qid: z.string().min(1),
  step_idx: index,
  sample_id: index,
  question: z.string().min(1),
  thought: text,
  action_taken: text,
  tool_name: text,
  action_query: text,
  observation: text,
  chosen_score: score,
  best_score: score,
  process_ok: z.boolean().nullable(),
  mcq_options: z.array(z.string()),
  correct_answer_letter: z.string(),
};
/** Used where they are there: what the model wrote, for the answer, and the names of the tools. */
const optional = {
  action_text: text,
  raw_llama_output: text,
  candidate_actions: z.record(z.string(), z.unknown()).nullish(),
};
const rowSchema = z.object({ ...required, ...optional });

/** One step of the authors' rollouts, in their own columns. */
export type SparkRow = z.infer<typeof rowSchema>;

/** A row, and its place for messages. */
export interface PlacedRow {
  readonly where: string;
  readonly row: SparkRow;
}

/** Every Parquet file among files and folders, those of a folder and of the folders in it by name; each once. */
export function parquetFiles(given: readonly string[]): string[] {
  const files = given.flatMap((one) => {
    const place = path.resolve(one);
    try {
      if (!statSync(place).isDirectory()) return [place];
      const names = readdirSync(place, { recursive: true, encoding: 'utf8' });
      const found = names.filter((name) => name.endsWith('.parquet')).sort();
      if (found.length > 0) return found.map((name) => path.join(place, name));
    } catch (error) {
      const why = isNodeError(error) && error.code === 'ENOENT' ? 'no such file or folder' : (error as Error).message;
      throw new SparkError('io_error', `cannot read rollouts from ${place}: ${why}`, { cause: error });
    }
    throw new SparkError('no_data', `${place}: expected .parquet files in this folder, got none; name another`);
  });
  return [...new Set(files)];
}

/** The rows of one file. Throws `io_error`, `invalid_file` (also for a wrong row, which it names), `unsupported_file`. */
export async function readSparkRows(file: string): Promise<PlacedRow[]> {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    throw new SparkError('io_error', `cannot read rollouts from ${file}: ${(error as Error).message}`, {
      cause: error,
    });
  }
  if (!isParquet(bytes)) {
    throw new SparkError('invalid_file', `${file}: expected a Parquet file, which begins with PAR1, got another`);
  }
  const columns = { required: Object.keys(required), optional: Object.keys(optional) };
  return (await parquetRows(bytes, file, columns)).map((raw) => checked(raw, file));
}

function checked({ where, value }: RawRow, file: string): PlacedRow {
  const place = `${file}: ${where}`;
  const parsed = rowSchema.safeParse(value);
  if (parsed.success) return { where: place, row: parsed.data };
  const problems = parsed.error.issues.slice(0, 4).map(({ path: at, message }) => {
    const got = at.reduce<unknown>((inner, key) => Object(inner)[key], value);
    return `${at.join('.')}: ${message}, got ${shown(got)}`;
  });
  throw new SparkError(
    'invalid_file',
    `${place}: ${problems.join('; ')}; this is not the authors' file: fetch it again`,
  );
}
