/**
 * Reads Parquet, and writes it with MMLU-Pro's own columns and types, so that files can be exchanged with Hugging Face.
 */
import { parquetMetadata, parquetReadObjects, parquetSchema, type SchemaElement } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { SparkError } from '../errors.js';
import type { RawRow } from '../jsonl/foreign.js';
import { isFree, type Question, questionSchema } from './question.js';

const MAGIC = 'PAR1';
/** MMLU-Pro's. */
const COLUMNS = (Object.keys(questionSchema.shape) as (keyof Question)[]).filter((name) => name !== 'verifier');

/** Which columns of a file are read, and which of those may be missing. */
export interface ColumnsRead {
  readonly required: readonly string[];
  readonly optional: readonly string[];
}

/**
 * Rows as plain objects. Values of int64 columns are read as BigInt and become
 * numbers when they fit exactly. Throws `invalid_file` for what is damaged or lacks a required column, `unsupported_file`
 * for what is encrypted.
 */
export async function parquetRows(bytes: Uint8Array, source: string, columns: ColumnsRead): Promise<RawRow[]> {
  if (ascii(bytes.subarray(0, 4)) === 'PARE') {
    throw new SparkError(
      'unsupported_file',
      `${source}: expected plain Parquet, got an encrypted one; decrypt it first`,
    );
  }
  if (bytes.length < 12 || ascii(bytes.subarray(-4)) !== MAGIC) {
    throw new SparkError(
      'invalid_file',
      `${source}: expected a Parquet file to end with PAR1, got ${bytes.length} bytes that do not: the file is ` +
        'truncated; fetch it again',
    );
  }
  const rows = await decodeRows(bytes, source, columns);
  return rows.map((row, index) => ({ where: `row ${index + 1}`, value: plain(row) }));
}

async function decodeRows(
  bytes: Uint8Array,
  source: string,
  { required, optional }: ColumnsRead,
): Promise<Record<string, unknown>[]> {
  try {
    // A copy of its own: the slice of a small file's Buffer would be a view into the pool of all of them.
    const file = new Uint8Array(bytes).buffer;
    const metadata = parquetMetadata(file);
    const present = new Set(parquetSchema(metadata).children.map(({ element }) => element.name));
    const missing = required.filter((column) => !present.has(column));
    if (missing.length > 0) {
      throw new SparkError(
        'invalid_file',
        `${source}: expected the columns ${required.join(', ')}, got none named ${missing.join(', ')}; rename or add them`,
      );
    }
    const columns = [...required, ...optional.filter((column) => present.has(column))];
    return await parquetReadObjects({ file, metadata, columns, compressors });
  } catch (error) {
    if (error instanceof SparkError) throw error;
    throw new SparkError(
      'invalid_file',
      `${source}: expected a readable Parquet file, got damaged contents (${(error as Error).message}); fetch it again`,
      { cause: error },
    );
  }
}

function plain(row: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(row).map(([key, value]) => [key, safeNumber(value)]));
}

/** A BigInt past 2⁵³ stays a BigInt, which the schema refuses; rounding it would go unnoticed. */
function safeNumber(value: unknown): unknown {
  if (typeof value !== 'bigint') return value;
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

const required = { repetition_type: 'REQUIRED' } as const;
const int64 = { ...required, type: 'INT64' } as const;
const text = { ...required, type: 'BYTE_ARRAY', converted_type: 'UTF8' } as const;
const optional = { repetition_type: 'OPTIONAL' } as const;

/** Column types as TIGER-Lab publishes them: int64 for numbers, a list of strings for options. */
const SCHEMA: readonly SchemaElement[] = [
  { name: 'question_id', ...int64 },
  { name: 'question', ...text },
  { name: 'options', ...required, converted_type: 'LIST', num_children: 1 },
  { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
  { name: 'element', ...text },
  { name: 'answer', ...text },
  { name: 'answer_index', ...int64 },
  { name: 'cot_content', ...text },
  { name: 'category', ...text },
  { name: 'src', ...text },
];

/** With questions without options `answer_index` may be null, and there is a column more, `verifier`, as JSON. */
export function questionsToParquet(questions: readonly Question[]): Uint8Array {
  const own = questions.some(isFree);
  const columns = own ? [...COLUMNS, 'verifier' as const] : COLUMNS;
  const columnData = columns.map((name) => ({ name, data: questions.map((question) => columnValue(question[name])) }));
  const elements = SCHEMA.map((element) =>
    own && element.name === 'answer_index' ? { ...element, ...optional } : element,
  );
  const verifier: SchemaElement[] = own ? [{ name: 'verifier', ...text, ...optional }] : [];
  const schema: SchemaElement[] = [{ name: 'root', num_children: columns.length }, ...elements, ...verifier];
  return new Uint8Array(parquetWriteBuffer({ columnData, schema }));
}

/** The writer wants BigInt for int64 columns. */
function columnValue(value: Question[keyof Question]): unknown {
  if (typeof value === 'number') return BigInt(value);
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? JSON.stringify(value) : value;
}

function ascii(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}
