/**
 * Keeps verdicts in a run's `judge-cache/verdicts.jsonl`, under a hash of judge and request, so that the same request
 * is never asked twice. One verdict a line; a line cut off by a kill is left out, and its verdict is asked for again.
 */
import { createHash } from 'node:crypto';
import path from 'node:path';
import { z } from 'zod';
import { abortable } from '../abortable.js';
import { SparkError, throwIfAborted, toSparkError } from '../errors.js';
import { linesOf } from '../jsonl/read.js';
import { JsonlAppender } from '../jsonl/write.js';
import { checkKeys } from '../options.js';
import { isFree } from '../questions/question.js';
import type { Judge, JudgeRequest, JudgeVerdict } from './judge.js';
import type { JudgeStats } from './stats.js';

const FILE = 'verdicts.jsonl';

const lineSchema = z.object({
  key: z.string().length(64),
  judge: z.string(),
  verdict: z.object({
    scores: z.record(z.string(), z.number().min(0).max(10).nullable()),
    processOk: z.boolean().nullable(),
    processProbability: z.number().min(0).max(1).optional(),
  }),
});

export interface CachedJudge extends Judge {
  /** Number of verdicts known, those read from the file included. */
  readonly size: number;
  /** Lines of the file that could not be read. */
  readonly skippedLines: number;
  /** Closes the file. */
  close(): void;
}

/** A call in flight for which several callers may wait. It is aborted when the last of them was aborted. */
interface SharedCall {
  readonly verdict: Promise<JudgeVerdict>;
  readonly abort: AbortController;
  waiting: number;
}

/** `judge`, asked only for verdicts that the file does not have. `stats` counts the hits; pass the judge's own. */
export function withCache(judge: Judge, folder: string, options: { readonly stats?: JudgeStats } = {}): CachedJudge {
  checkKeys(options, { stats: true }, 'withCache: options');
  const file = path.join(folder, FILE);
  const store = new VerdictFile(file);
  const inFlight = new Map<string, SharedCall>();

  const call = (key: string, request: JudgeRequest): SharedCall => {
    const abort = new AbortController();
    const verdict = judge
      .judge(request, { signal: abort.signal })
      .then((given) => {
        if (isWorthKeeping(given, request)) store.add(key, judge.id, given);
        return given;
      })
      .finally(() => {
        if (inFlight.get(key)?.abort === abort) inFlight.delete(key);
      });
    // Without this, a rejection after every caller was aborted would be unhandled.
    verdict.catch(() => {});
    const shared = { verdict, abort, waiting: 0 };
    inFlight.set(key, shared);
    return shared;
  };

  const hit = (verdict: JudgeVerdict, request: JudgeRequest): JudgeVerdict => {
    options.stats?.hit(verdict, request.steps.length > 0);
    return verdict;
  };

  return {
    id: judge.id,
    get size() {
      return store.size;
    },
    skippedLines: store.skippedLines,
    close: () => store.close(),
    async judge(request, { signal }) {
      throwIfAborted(signal);
      const key = requestKey(isFree(request.question) ? (judge.freeId ?? judge.id) : judge.id, request);
      const known = store.get(key);
      if (known !== undefined) return hit(known, request);
      const running = inFlight.get(key);
      const shared = running ?? call(key, request);
      shared.waiting++;
      try {
        const verdict = await abortable(shared.verdict, signal);
        return running === undefined ? verdict : hit(verdict, request);
      } finally {
        shared.waiting--;
        if (shared.waiting === 0 && signal?.aborted) {
          // Removed first, so that no later caller waits for a call that is being aborted.
          if (inFlight.get(key) === shared) inFlight.delete(key);
          shared.abort.abort(signal.reason);
        }
      }
    },
  };
}

/** sha256 of the judge's id and everything it is told; the order of keys in objects does not matter. */
export function requestKey(judgeId: string, request: JudgeRequest): string {
  return createHash('sha256').update(judgeId).update('\n').update(canonicalJson(request)).digest('hex');
}

/** False for a verdict that says nothing: if it were kept, asking again would be pointless. */
function isWorthKeeping(verdict: JudgeVerdict, request: JudgeRequest): boolean {
  if (request.thought === null) return verdict.processOk !== null;
  return Object.values(verdict.scores).some((score) => score !== null);
}

function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) => {
    if (typeof inner !== 'object' || inner === null || Array.isArray(inner)) return inner;
    return Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}

class VerdictFile {
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

function parseLine(line: string): { key: string; verdict: JudgeVerdict } | null {
  try {
    const parsed = lineSchema.safeParse(JSON.parse(line));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}

function cacheError(error: unknown, file: string): SparkError {
  const failure = toSparkError(error, 'io_error');
  return new SparkError(failure.code, `cannot use the judge cache ${file}: ${failure.message}`, { cause: error });
}
