/**
 * Reads questions from JSONL or Parquet in MMLU-Pro's own columns. The first bytes of a file tell its format, not its
 * name. Every row is checked; messages name a bad one by its number and its question_id.
 */
import { readFile } from 'node:fs/promises';
import { isNodeError, SparkError, toSparkError } from '../errors.js';
import type { RawRow } from '../jsonl/foreign.js';
import { jsonlRows } from '../jsonl/foreign.js';
import { isParquet, parquetRows } from './parquet.js';
import { LETTERS, type Question, questionSchema } from './question.js';

/**
 * Every question of the file, in its order. Throws `io_error` (cannot be read), `invalid_file` or `unsupported_file`
 * (neither JSONL nor Parquet), `no_data` (no row), `invalid_question` (a wrong row).
 */
export async function loadQuestions(path: string): Promise<Question[]> {
  const bytes = await readBytes(path);
  const rows = isParquet(bytes) ? await parquetRows(bytes, path) : jsonlRows(bytes, path);
  if (rows.length === 0) {
    throw new SparkError('no_data', `${path}: expected at least one question, got an empty file`);
  }
  return checkQuestions(rows, path);
}

/** Checks every row against the schema, then that letter and index agree and that no id occurs twice. */
export function checkQuestions(rows: readonly RawRow[], source: string): Question[] {
  const seen = new Map<number, string>();
  return rows.map(({ where, value }) => {
    const parsed = questionSchema.safeParse(value);
    const id = rowId(value);
    const fail = (problem: string): never => {
      throw new SparkError('invalid_question', `${source}: ${where} (question_id ${id}): ${problem}`);
    };
    if (!parsed.success) {
      const problems = parsed.error.issues.map(
        ({ path, message }) => `${path.join('.') || 'row'}: ${message}, got ${show(at(value, path))}`,
      );
      return fail(`${problems.slice(0, 4).join('; ')}; correct the row or leave it out`);
    }
    const question = parsed.data;
    const { answer, answer_index: index, options } = question;
    if (index >= options.length) {
      return fail(
        `answer_index: expected less than the ${options.length} options of this row, got ${index}; correct the row`,
      );
    }
    if (answer !== LETTERS[index]) {
      return fail(
        `answer: expected "${LETTERS[index]}", the letter of answer_index ${index}, got "${answer}"; correct one`,
      );
    }
    const before = seen.get(question.question_id);
    if (before !== undefined) {
      return fail(`expected every question_id once, got ${question.question_id} again after ${before}; remove one`);
    }
    seen.set(question.question_id, where);
    return question;
  });
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
  return id === undefined ? 'missing' : show(id);
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
