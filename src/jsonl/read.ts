/** Reads JSON lines that this program wrote. A last line without its newline was cut off by a kill, and is left out. */
import { createReadStream, readFileSync } from 'node:fs';
import type { z } from 'zod';
import { isNodeError, SparkError } from '../errors.js';

/** All complete lines of a small file; none when there is no file. */
export function linesOf(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').split('\n').slice(0, -1);
  } catch (error) {
    if (isNodeError(error) && error.code === 'ENOENT') return [];
    throw readFailure(error as Error, file);
  }
}

/**
 * Yields each line, parsed by the schema. A last line without its newline is left out, and `onTorn` is called.
 */
export async function* readJsonl<T>(file: string, schema: z.ZodType<T>, onTorn = () => {}): AsyncGenerator<T> {
  let number = 0;
  for await (const line of completeLines(file, onTorn)) yield parseLine(line, ++number, file, schema);
}

/** Split at \n alone: node:readline also splits at U+2028, which JSON text may hold. */
async function* completeLines(file: string, onTorn: () => void): AsyncGenerator<string> {
  let rest = '';
  try {
    for await (const chunk of createReadStream(file, { encoding: 'utf8' })) {
      const lines = (rest + (chunk as string)).split('\n');
      rest = lines.pop()!;
      yield* lines;
    }
    if (rest !== '') onTorn();
  } catch (error) {
    throw readFailure(error as Error, file);
  }
}

function parseLine<T>(line: string, number: number, file: string, schema: z.ZodType<T>): T {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw invalidLine(file, number, (error as Error).message);
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues
    .slice(0, 3)
    .map(({ path: at, message }) => `${at.join('.') || 'line'}: ${message}`);
  throw invalidLine(file, number, issues.join('; '));
}

function invalidLine(file: string, number: number, reason: string): SparkError {
  return new SparkError(
    'invalid_file',
    `${file}, line ${number} is not what this program writes (${reason}); remove that line, or start another run`,
  );
}

function readFailure(error: Error, file: string): SparkError {
  const missing = isNodeError(error) && error.code === 'ENOENT';
  return new SparkError(
    'io_error',
    missing ? `no file at ${file}; generate trajectories first` : `cannot read ${file}: ${error.message}`,
    { cause: error },
  );
}
