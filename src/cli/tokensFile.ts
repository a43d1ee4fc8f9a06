/** A JSON file with token ids: one list, or a list of lists. */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { SparkError } from '../errors.js';

const ids = z.array(z.number().int().min(0)).min(2);
const tokensSchema = z.union([ids, z.array(ids).min(1)]);

export async function readTokens(file: string): Promise<number[][]> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(await readFile(file, 'utf8'));
  } catch (error) {
    throw new SparkError(
      'invalid_file',
      `${file}: expected JSON with token ids, like [128000, 791, 4320]; ${(error as Error).message}`,
      {
        cause: error,
      },
    );
  }
  const tokens = tokensSchema.safeParse(parsed);
  if (!tokens.success) {
    throw new SparkError(
      'invalid_file',
      `${file}: expected a list of at least two token ids, or a list of such lists, like [128000, 791, 4320]`,
    );
  }
  return Array.isArray(tokens.data[0]) ? (tokens.data as number[][]) : [tokens.data as number[]];
}
