/** Parquet in and out, in MMLU-Pro's own columns and types, so that a file goes to Hugging Face and back unchanged. */
import { type AsyncBuffer, parquetMetadata, parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { SparkError } from '../errors.js';
import { type Question, questionSchema } from './question.js';
import type { RawRow } from './rawRow.js';

const MAGIC = 'PAR1';
const COLUMNS = Object.keys(questionSchema.shape);

export function isParquet(bytes: Uint8Array): boolean {
  return ascii(bytes.subarray(0, 4)) === MAGIC || ascii(bytes.subarray(0, 4)) === 'PARE';
}

/** Rows as plain objects. int64 columns come as BigInt and become numbers where that loses nothing. */
export async function parquetRows(bytes: Uint8Array, source: string): Promise<RawRow[]> {
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
  const rows = await decodeRows(bytes, source);
  return rows.map((row, index) => ({ where: `row ${index + 1}`, value: plain(row) }));
}

async function decodeRows(bytes: Uint8Array, source: string): Promise<Record<string, unknown>[]> {
  try {
    const file = bytes.slice().buffer;
    const metadata = parquetMetadata(file);
    const present = new Set(metadata.schema.slice(1).map((element) => element.name));
    const missing = COLUMNS.filter((column) => !present.has(column));
    if (missing.length > 0) {
      throw new SparkError(
        'invalid_file',
        `${source}: expected the columns ${COLUMNS.join(', ')}, got none named ${missing.join(', ')}`,
      );
    }
    return await parquetReadObjects({ file: file as AsyncBuffer, metadata, columns: COLUMNS, compressors });
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

/** A BigInt past 2⁵³ stays one: the schema then refuses it, and nothing is rounded silently. */
function safeNumber(value: unknown): unknown {
  if (typeof value !== 'bigint') return value;
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/** Column types as TIGER-Lab publishes them: int64 for numbers, a list of strings for options. */
export function questionsToParquet(questions: readonly Question[]): Uint8Array {
  const text = (name: keyof Question) => ({
    name,
    data: questions.map((question) => question[name] as string),
    type: 'STRING' as const,
    nullable: false,
  });
  const int64 = (name: 'question_id' | 'answer_index') => ({
    name,
    data: questions.map((question) => BigInt(question[name])),
    type: 'INT64' as const,
    nullable: false,
  });
  const list = { name: 'options', data: questions.map((question) => question.options) };
  const buffer = parquetWriteBuffer({
    columnData: [
      int64('question_id'),
      text('question'),
      list,
      text('answer'),
      int64('answer_index'),
      text('cot_content'),
      text('category'),
      text('src'),
    ],
    schema: [
      { name: 'root', num_children: 8 },
      { name: 'question_id', type: 'INT64', repetition_type: 'REQUIRED' },
      { name: 'question', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'REQUIRED' },
      { name: 'options', converted_type: 'LIST', repetition_type: 'REQUIRED', num_children: 1 },
      { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
      { name: 'element', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'REQUIRED' },
      { name: 'answer', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'REQUIRED' },
      { name: 'answer_index', type: 'INT64', repetition_type: 'REQUIRED' },
      { name: 'cot_content', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'REQUIRED' },
      { name: 'category', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'REQUIRED' },
      { name: 'src', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'REQUIRED' },
    ],
  });
  return new Uint8Array(buffer);
}

function ascii(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}
