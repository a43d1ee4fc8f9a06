/**
 * Reads questions from JSONL or Parquet, in MMLU-Pro's own columns or fewer (row.ts). The first bytes of a file tell its format, not its
 * name. Every row is checked; messages name a bad one by its number and its question_id.
 */
import { readFile } from 'node:fs/promises';
import { isNodeError, SparkError, toSparkError } from '../errors.js';
import type { RawRow } from '../jsonl/foreign.js';
import { jsonlRows } from '../jsonl/foreign.js';
import { checkKeys, type KeysOf } from '../options.js';
import { isParquet } from './isParquet.js';
import type { Question } from './question.js';
import { questionOf, rowSchema } from './row.js';
import type { VerifierSettings } from './verifierSettings.js';

/** How the rows of a file are read. */
export interface LoadOptions {
  /** Of questions without options whose row names none; null or absent: each has to. */
  readonly verifier?: VerifierSettings | null;
}

const OPTIONS = { verifier: true } as const satisfies KeysOf<LoadOptions>;

/**
 * Every question of the file, in its order. Throws `io_error` (cannot be read), `invalid_file` or `unsupported_file`
 * (neither JSONL nor Parquet), `no_data` (no row), `invalid_question` (a wrong row).
 */
export async function loadQuestions(path: string, options: LoadOptions = {}): Promise<Question[]> {
  checkKeys(options, OPTIONS, 'loadQuestions: options');
  const bytes = await readBytes(path);
  const rows = isParquet(bytes) ? await parquet(bytes, path) : jsonlRows(bytes, path);
  if (rows.length === 0) {
    throw new SparkError('no_data', `${path}: expected at least one question, got an empty file`);
  }
  return checkQuestions(rows, path, options.verifier ?? null);
}

const REQUIRED = ['question', 'answer'];
const COLUMNS_READ = {
  required: REQUIRED,
  optional: Object.keys(rowSchema.shape).filter((column) => !REQUIRED.includes(column)),
};

/** The reader of Parquet takes a tenth of a second to load, and most files are JSONL. */
async function parquet(bytes: Uint8Array, path: string): Promise<RawRow[]> {
  const { parquetRows } = await import('./parquet.js');
  return parquetRows(bytes, path, COLUMNS_READ);
}

/** Reads every row (row.ts), and refuses an id that occurs twice. */
export function checkQuestions(
  rows: readonly RawRow[],
  source: string,
  verifier: VerifierSettings | null = null,
): Question[] {
  const seen = new Map<number, string>();
  return rows.map(({ where, value }) => {
    const question = readRow(value, verifier, (problem) => {
      throw new SparkError('invalid_question', `${source}: ${where} (question_id ${rowId(value)}): ${problem}`);
    });
    const { question_id: id } = question;
    const before = seen.get(id);
    if (before !== undefined) {
      const named = at(value, ['question_id']) == null ? 'question' : 'question_id';
      const got = named === 'question' ? 'the same' : id;
      throw new SparkError(
        'invalid_question',
        `${source}: ${where} (question_id ${rowId(value)}): expected every ${named} once, got ${got} again after ${before}; remove one`,
      );
    }
    seen.set(id, where);
    return question;
  });
}

function readRow(value: unknown, verifier: VerifierSettings | null, fail: (problem: string) => never): Question {
  const parsed = rowSchema.safeParse(value);
  if (!parsed.success) {
    const problems = parsed.error.issues.map(
      ({ path, message }) => `${path.join('.') || 'row'}: ${message}, got ${show(at(value, path))}`,
    );
    return fail(`${problems.slice(0, 4).join('; ')}; correct the row or leave it out`);
  }
  try {
    return questionOf(parsed.data, verifier);
  } catch (error) {
    return fail((error as Error).message);
  }
}

async function readBytes(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    const hint = isNodeError(error) && error.code === 'EISDIR' ? 'expected a file, got a folder' : toMessage(error);
    throw new SparkError('io_error', `cannot read questions from ${path}: ${hint}`, { cause: error });
  }
}

function toMessage(error: unknown): string {
  return isNodeError(error) && error.code === 'ENOENT' ? 'no such file' : toSparkError(error).message;
}

function rowId(value: unknown): string {
  const id = at(value, ['question_id']);
  return id == null ? 'none' : show(id);
}

function at(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (inner, key) =>
      typeof inner === 'object' && inner !== null ? (inner as Record<PropertyKey, unknown>)[key] : inner,
    value,
  );
}

/** A value short enough for a message. */
function show(value: unknown): string {
  if (value === undefined) return 'nothing';
  const text = typeof value === 'bigint' ? String(value) : (JSON.stringify(value) ?? String(value));
  return text.length > 80 ? `${text.slice(0, 79)}…` : text;
}
