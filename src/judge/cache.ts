/**
 * Keeps verdicts under a hash of judge and request, so that the same request is never asked twice: in a run's own
 * `judge-cache/verdicts.jsonl` (verdictFile.ts), or in one folder for all runs (sharedVerdicts.ts).
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { abortable } from '../abortable.js';
import { throwIfAborted } from '../errors.js';
import { checkKeys, type KeysOf } from '../options.js';
import { isFree } from '../questions/question.js';
import type { Judge, JudgeRequest, JudgeVerdict } from './judge.js';
import { SharedVerdicts } from './sharedVerdicts.js';
import type { JudgeStats } from './stats.js';
import { VerdictFile } from './verdictFile.js';

const FILE = 'verdicts.jsonl';

export interface CacheOptions {
  /** Counts the hits; pass the judge's own. */
  readonly stats?: JudgeStats;
  /**
   * A folder for the verdicts of all runs, used by any number of processes at once. Verdicts then go there, and of the
   * file in the run's own folder those are taken that it has already. Default: the run's own file alone.
   */
  readonly shared?: string | null;
}

const OPTIONS = { stats: true, shared: true } as const satisfies KeysOf<CacheOptions>;

export interface CachedJudge extends Judge {
  /** Number of verdicts in the run's own file, those read from it included. */
  readonly size: number;
  /** Entries that could not be read. */
  readonly skippedLines: number;
  /** The verdict of a request if it is known, without asking; not counted. */
  known(request: JudgeRequest): JudgeVerdict | undefined;
  /** Keeps a verdict that was had in another way, under the request's key; false for one that says nothing. */
  keep(key: string, verdict: JudgeVerdict, request: Pick<JudgeRequest, 'thought'>): boolean;
  /** Closes the file. */
  close(): void;
}

/** A call in flight for which several callers may wait. It is aborted when the last of them was aborted. */
interface SharedCall {
  readonly result: Promise<Result>;
  readonly abort: AbortController;
  waiting: number;
}

interface Result {
  readonly verdict: JudgeVerdict;
  /** False: it came from another process by way of the cache. */
  readonly asked: boolean;
}

/** `judge`, asked only for verdicts that the cache does not have. `folder`: of the run's own file. */
export function withCache(judge: Judge, folder: string, options: CacheOptions = {}): CachedJudge {
  checkKeys(options, OPTIONS, 'withCache: options');
  const store = new Verdicts(judge.id, path.join(folder, FILE), options.shared ?? null);
  const inFlight = new Map<string, SharedCall>();

  const call = (key: string, request: JudgeRequest): SharedCall => {
    const abort = new AbortController();
    const { signal } = abort;
    const result = store.once(key, request, { signal, ask: () => judge.judge(request, { signal }) }).finally(() => {
      if (inFlight.get(key)?.abort === abort) inFlight.delete(key);
    });
    // Without this, a rejection after every caller was aborted would be unhandled.
    result.catch(() => {});
    const shared = { result, abort, waiting: 0 };
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
    get skippedLines() {
      return store.skippedLines;
    },
    known: (request) => store.get(requestKey(judge, request)),
    keep(key, verdict, request) {
      const worth = isWorthKeeping(verdict, request);
      if (worth && store.get(key) === undefined) store.add(key, verdict);
      return worth;
    },
    close: () => store.close(),
    async judge(request, { signal }) {
      throwIfAborted(signal);
      const key = requestKey(judge, request);
      const known = store.get(key);
      if (known !== undefined) return hit(known, request);
      const running = inFlight.get(key);
      const shared = running ?? call(key, request);
      shared.waiting++;
      try {
        const { verdict, asked } = await abortable(shared.result, signal);
        return running === undefined && asked ? verdict : hit(verdict, request);
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

/** The run's own file, and the folder of all runs where there is one. */
class Verdicts {
  readonly #judge: string;
  /** Not made where verdicts go to the shared folder. */
  readonly #own: VerdictFile | null;
  readonly #shared: SharedVerdicts | null;

  constructor(judge: string, file: string, shared: string | null) {
    this.#judge = judge;
    this.#shared = shared === null ? null : new SharedVerdicts(shared);
    this.#own = shared === null || existsSync(file) ? new VerdictFile(file) : null;
  }

  get size(): number {
    return this.#own?.size ?? 0;
  }

  get skippedLines(): number {
    return (this.#own?.skippedLines ?? 0) + (this.#shared?.skippedLines ?? 0);
  }

  get(key: string): JudgeVerdict | undefined {
    const own = this.#own?.get(key);
    if (this.#shared === null) return own;
    // What a run has of its own, from before it used the folder, serves the others from now on.
    if (own !== undefined) this.#shared.add(key, this.#judge, own);
    return own ?? this.#shared.get(key);
  }

  add(key: string, verdict: JudgeVerdict): void {
    if (this.#shared !== null) this.#shared.add(key, this.#judge, verdict);
    else this.#own?.add(key, this.#judge, verdict);
  }

  async once(
    key: string,
    request: JudgeRequest,
    { signal, ask }: { readonly signal: AbortSignal; readonly ask: () => Promise<JudgeVerdict> },
  ): Promise<Result> {
    const given = async () => {
      const verdict = await ask();
      return { verdict, keep: isWorthKeeping(verdict, request) };
    };
    if (this.#shared !== null) {
      return this.#shared.once(key, { judge: this.#judge, bytes: roomFor(request, this.#judge), signal, ask: given });
    }
    const { verdict, keep } = await given();
    if (keep) this.add(key, verdict);
    return { verdict, asked: true };
  }

  close(): void {
    this.#own?.close();
  }
}

/**
 * sha256 of the judge's id, which for questions without options may be another, and everything it is told; the order of
 * keys in objects does not matter.
 */
export function requestKey({ id, freeId = id }: Pick<Judge, 'id' | 'freeId'>, request: JudgeRequest): string {
  return createHash('sha256')
    .update(isFree(request.question) ? freeId : id)
    .update('\n')
    .update(canonicalJson(request))
    .digest('hex');
}

/** False for a verdict that says nothing: if it were kept, asking again would be pointless. */
function isWorthKeeping(verdict: JudgeVerdict, request: Pick<JudgeRequest, 'thought'>): boolean {
  if (request.thought === null) return verdict.processOk !== null;
  return Object.values(verdict.scores).some((score) => score !== null);
}

/** Bytes of a line at most: hashes and names of keys, a number for each action. */
function roomFor({ actions }: JudgeRequest, judge: string): number {
  const names = actions.map(({ name }) => JSON.stringify(name)).join('');
  return 512 + Buffer.byteLength(judge) + Buffer.byteLength(names) + 32 * actions.length;
}

function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) => {
    if (typeof inner !== 'object' || inner === null || Array.isArray(inner)) return inner;
    return Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}
