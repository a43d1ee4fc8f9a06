/** Reads JSONL that others wrote; a byte-order mark, CRLF, blank lines and a missing last newline are accepted. */
import { SparkError, type SparkErrorCode } from '../errors.js';

/** A row before it is checked. `where` is its place for messages: `row 3`, or `row 3 (line 5)` after blank lines. */
export interface RawRow {
  readonly where: string;
  readonly value: unknown;
}

/** One parsed object per line. For a line that is not a JSON object it throws `code`, naming row and line. */
export function jsonlRows(bytes: Uint8Array, source: string, code: SparkErrorCode = 'invalid_question'): RawRow[] {
  const text = decode(bytes, source);
  refuseForeign(text, source);
  const rows: RawRow[] = [];
  // U+2028 and U+2029 are allowed inside JSON strings, so only \n and \r\n end a line.
  text.split('\n').forEach((raw, index) => {
    const line = raw.trim();
    if (line === '') return;
    const number = rows.length + 1;
    const where = number === index + 1 ? `row ${number}` : `row ${number} (line ${index + 1})`;
    rows.push({ where, value: parseLine(line, `${source}: ${where}`, code) });
  });
  return rows;
}

function parseLine(line: string, where: string, code: SparkErrorCode): unknown {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw new SparkError(
      code,
      `${where}: expected one JSON object on the line, got ${excerpt(line)} (${(error as Error).message})`,
      { cause: error },
    );
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new SparkError(code, `${where}: expected a JSON object, got ${excerpt(line)}`);
  }
  return value;
}

/** Decodes UTF-8 strictly: with a lenient decoder we would train on mangled text without noticing. */
function decode(bytes: Uint8Array, source: string): string {
  const [first, second] = bytes;
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)) {
    throw new SparkError('unsupported_file', `${source}: expected UTF-8, got UTF-16; save the file as UTF-8`);
  }
  if (first === 0x1f && second === 0x8b) {
    throw new SparkError('unsupported_file', `${source}: expected JSONL or Parquet, got gzip; unpack it with gunzip`);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    const start = excerpt(new TextDecoder('latin1').decode(bytes.subarray(0, 16)));
    throw new SparkError(
      'invalid_file',
      `${source}: expected Parquet (which starts with PAR1) or UTF-8 JSONL, got bytes that are neither: ${start}`,
      { cause: error },
    );
  }
}

/** Recognizes common mistakes by the start of the file, for a better message than one about row 1. */
export function refuseForeign(text: string, source: string): void {
  const start = text.trimStart();
  if (start === '' || start.startsWith('{')) return;
  if (start.startsWith('[')) {
    throw new SparkError(
      'unsupported_file',
      `${source}: expected one JSON object a line, got a JSON array; convert it with: jq -c '.[]'`,
    );
  }
  if (start.startsWith('version https://git-lfs')) {
    throw new SparkError('invalid_file', `${source}: got a Git LFS pointer, not the data; fetch it with: git lfs pull`);
  }
  throw new SparkError(
    'invalid_file',
    `${source}: expected Parquet (which starts with PAR1) or JSONL (one JSON object a line), got ${excerpt(start)}`,
  );
}

function excerpt(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 59)}…` : text);
}
