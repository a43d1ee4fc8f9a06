/** Verdicts of one run in one file, one a line; a line that a kill cut off is left out. All of them are held in memory. */
import { z } from 'zod';
import { SparkError, toSparkError } from '../errors.js';
import { linesOf } from '../jsonl/read.js';
import { JsonlAppender } from '../jsonl/write.js';
import { scoresSchema } from '../trajectory/schema.js';
import type { JudgeVerdict } from './judge.js';

export const entrySchema = z.object({
  key: z.string().length(64),
  judge: z.string(),
  verdict: z.object({
    scores: scoresSchema,
    processOk: z.boolean().nullable(),
    processProbability: z.number().min(0).max(1).optional(),
  }),
});

export class VerdictFile {
  readonly #file: string;
  readonly #known = new Map<string, JudgeVerdict>();
  readonly #appender: JsonlAppender;
  readonly skippedLines: number;

  constructor(file: string) {
    this.#file = file;
    let skipped = 0;
    try {
      // Opened before it is read, because opening removes an incomplete last line.
      this.#appender = new JsonlAppender(file, false);
      for (const line of linesOf(file)) {
        if (line === '') continue;
        const entry = parseLine(line);
        if (entry === null) skipped++;
        else this.#known.set(entry.key, entry.verdict);
      }
    } catch (error) {
      throw cacheError(error, file);
    }
    this.skippedLines = skipped + (this.#appender.droppedBytes > 0 ? 1 : 0);
  }

  get size(): number {
    return this.#known.size;
  }

  get(key: string): JudgeVerdict | undefined {
    return this.#known.get(key);
  }

  /** Writes synchronously, so that a kill loses no verdict that was paid for. */
  add(key: string, judge: string, verdict: JudgeVerdict): void {
    this.#known.set(key, verdict);
    try {
      this.#appender.append({ key, judge, verdict });
    } catch (error) {
      throw cacheError(error, this.#file);
    }
  }

  close(): void {
    this.#appender.close();
  }
}

function parseLine(line: string): z.infer<typeof entrySchema> | null {
  try {
    const parsed = entrySchema.safeParse(JSON.parse(line));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}

export function cacheError(error: unknown, file: string): SparkError {
  const failure = toSparkError(error, 'io_error');
  return new SparkError(failure.code, `cannot use the judge cache ${file}: ${failure.message}`, { cause: error });
}
