/**
 * Has requests judged in batches: sends what is not known yet, waits for the batches under way, those of an earlier process
 * included, and keeps what they bring. Every step stands in the ledger before the next one, so the same call goes on
 * after any end, and sends nothing twice. Requests that failed for a fault that passes go into a next batch.
 */
import { randomUUID } from 'node:crypto';
import { pause } from '../abortable.js';
import { SparkError, type SparkErrorCode, toSparkError } from '../errors.js';
import type { Log } from '../log.js';
import type { MadeApiJudge } from './apiJudge.js';
import { nothingSaid, notTaken, otherJudge, REFUSALS, unanswered } from './batchFailures.js';
import {
  type BatchRequest,
  kindOf,
  type Ledger,
  type OpenBatch,
  readLedger,
  requestLike,
  writeLedger,
} from './batchLedger.js';
import { lineOf, parseResult, type ResultLine, readAnswer } from './batchLines.js';
import { type Batch, BatchServer, hasEnded } from './batchServer.js';
import type { Reservation } from './budget.js';
import { type CachedJudge, requestKey } from './cache.js';
import { mostOf } from './chatCall.js';
import { type JudgeRequest, NO_VERDICT } from './judge.js';
import { batchPrice } from './prices.js';

/** OpenAI's limit for the file of a batch is 200 MB. */
const MOST_BYTES = 200_000_000;
/** Milliseconds between two looks at the batches under way, growing from the first to the last. */
const LOOKS = { first: 5_000, last: 120_000 };
/** Looks in a row for which the server may be away: at least an hour. */
const PATIENCE = 40;

/** Requests refused in a row before the first batch. */
const MOST_FIRST = 3;

/** Failures that another batch may not meet. */
const PASSING: ReadonlySet<SparkErrorCode> = new Set<SparkErrorCode>(['judge_unreachable', 'judge_batch_expired']);

export interface BatchRunnerOptions {
  readonly api: MadeApiJudge;
  readonly cache: CachedJudge;
  readonly ledgerFile: string;
  /** Requests of one batch at most. */
  readonly batchRequests: number;
  /** False: nothing is sent any more, but what is under way is waited for. */
  readonly submit: boolean;
  readonly log: Pick<Log, 'info' | 'warn' | 'progress'>;
  readonly looks?: { readonly first: number; readonly last: number };
}

export class BatchRunner {
  /** Requests whose verdicts this object has counted. */
  readonly answered = new Set<string>();
  readonly #options: BatchRunnerOptions;
  readonly #server: BatchServer;
  #ledger: Ledger;
  /** Of the requests under way, by key. */
  readonly #reservations = new Map<string, Reservation>();
  #wanted = new Map<string, JudgeRequest>();
  /** Why the server takes no further batch until one has ended; null when it takes them. */
  #full: SparkError | null = null;
  #away = 0;
  #firstFailures = 0;

  constructor(options: BatchRunnerOptions) {
    this.#options = options;
    const { api, ledgerFile } = options;
    this.#server = new BatchServer(api.settings);
    const stored = readLedger(ledgerFile);
    const { model, endpoint } = api.settings;
    const fresh = { judge: api.judge.id, baseUrl: endpoint.baseUrl, model, dialect: null };
    if (stored !== null && stored.judge !== api.judge.id && stored.open.length > 0)
      throw otherJudge(stored, ledgerFile);
    this.#ledger = stored?.judge === api.judge.id ? stored : { ...fresh, open: [], ended: [], tries: {}, failures: {} };
  }

  /** Why the request has no verdict; null when that is not known. */
  failureOf(key: string): SparkError | null {
    const failure = this.#ledger.failures[key];
    return failure === undefined ? null : new SparkError(failure.code as SparkErrorCode, failure.message);
  }

  /** Ends when every request has a verdict in the cache or a failure. Throws `judge_*`, `interrupted`, `io_error`. */
  async judgeAll(requests: readonly JudgeRequest[], signal?: AbortSignal): Promise<void> {
    const { api, cache, submit, looks = LOOKS } = this.#options;
    await this.#resume(signal);
    this.#wanted = new Map();
    for (const request of requests) {
      const key = requestKey(api.judge, request);
      if (this.#ledger.failures[key] === undefined && cache.known(request) === undefined)
        this.#wanted.set(key, request);
    }
    for (let wait = looks.first; ; wait = Math.min(looks.last, wait * 1.5)) {
      if (submit) await this.#submit(signal);
      if (this.#ledger.open.length === 0) break;
      if (await this.#look(signal)) wait = looks.first / 1.5;
      else await pause(wait, signal);
    }
    this.#sayFailures();
  }

  /** Failures that may have passed are forgotten, and what another process was about to send is looked for. */
  async #resume(signal: AbortSignal | undefined): Promise<void> {
    const ledger = this.#ledger;
    const final = Object.entries(ledger.failures).filter(([, { code }]) => NO_VERDICT.has(code as SparkErrorCode));
    ledger.failures = Object.fromEntries(final);
    ledger.tries = {};
    if (ledger.open.length === 0) return;
    const open: OpenBatch[] = [];
    for (const batch of ledger.open) {
      batch.batchId = await this.#server.idOf(batch, signal);
      if (batch.batchId === null) continue;
      open.push(batch);
      for (const { key, bytes } of batch.requests) this.#reservations.set(key, this.#commit(bytes));
      this.#options.log.info(`batch ${batch.batchId} of ${batch.since.slice(0, 16)} is gone on with`);
    }
    ledger.open = open;
    await this.#save();
  }

  async #submit(signal: AbortSignal | undefined): Promise<void> {
    for (;;) {
      const under = new Set(this.#ledger.open.flatMap(({ requests }) => requests.map(({ key }) => key)));
      const todo = [...this.#wanted].filter(([key]) => !under.has(key));
      if (todo.length === 0) return;
      if (this.#full !== null) {
        if (this.#ledger.open.length === 0) throw this.#full;
        this.#options.log.progress('batches: the server takes no further one until one has ended');
        return;
      }
      if (this.#ledger.dialect === null) {
        await this.#askFirst(todo[0]!, signal);
        continue;
      }
      const part = this.#nextPart(todo);
      if (part.requests.length === 0) return;
      await this.#send(part, signal);
    }
  }

  /**
   * Asks one request directly, at the full price: a model that takes no request of this form, a wrong key or an empty
   * account shows at once and not after a day.
   */
  async #askFirst([key, request]: readonly [string, JudgeRequest], signal: AbortSignal | undefined): Promise<void> {
    const { api, cache } = this.#options;
    try {
      await cache.judge(request, signal === undefined ? {} : { signal });
      this.answered.add(key);
      if (cache.known(request) === undefined) this.#fail(key, nothingSaid());
    } catch (error) {
      const failure = toSparkError(error);
      // A server that answers nothing that is a completion will not in a batch.
      if (!NO_VERDICT.has(failure.code) || ++this.#firstFailures > MOST_FIRST) throw failure;
      this.#fail(key, failure);
    }
    this.#wanted.delete(key);
    this.#ledger.dialect = api.caller.dialect;
    await this.#save();
  }

  /** As much as one batch holds and the budget allows; nothing when a batch under way has to end first. */
  #nextPart(todo: readonly (readonly [string, JudgeRequest])[]): {
    requests: BatchRequest[];
    lines: string[];
    actions: string[];
  } {
    const { api, batchRequests } = this.#options;
    const { settings } = api;
    const actions = todo[0]![1].actions.map(({ name }) => name);
    const part = { requests: [] as BatchRequest[], lines: [] as string[], actions };
    let total = 0;
    for (const [key, request] of todo.slice(0, batchRequests)) {
      if (request.actions.map(({ name }) => name).join('\n') !== actions.join('\n')) break;
      const line = lineOf(key, request, { settings, dialect: this.#ledger.dialect! });
      const bytes = Buffer.byteLength(line);
      total += bytes;
      if (total > MOST_BYTES) break;
      let reservation: Reservation | null;
      try {
        reservation = api.judge.budget.tryReserve(mostOf(bytes, settings.maxTokens), this.#price());
      } catch (error) {
        // What is sent or about to be is not given up for what cannot be sent any more.
        if (part.requests.length + this.#ledger.open.length > 0) break;
        throw error;
      }
      if (reservation === null) break;
      this.#reservations.set(key, reservation);
      part.requests.push({ key, kind: kindOf(request), bytes });
      part.lines.push(line);
    }
    return part;
  }

  async #send(
    { requests, lines, actions }: { requests: BatchRequest[]; lines: string[]; actions: string[] },
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const { log } = this.#options;
    const mark = randomUUID();
    const since = new Date().toISOString();
    const batch: OpenBatch = { mark, since, fileId: null, batchId: null, actions, requests };
    this.#ledger.open.push(batch);
    await this.#save();
    try {
      batch.fileId = await this.#server.upload(lines, `spark-rl-${mark}.jsonl`, signal);
      await this.#save();
      batch.batchId = (await this.#server.create(batch.fileId, mark, signal)).id;
      await this.#save();
    } catch (error) {
      // Without a plain no of the server it may have been made: the next run looks for it.
      if (batch.fileId === null || REFUSALS.has(toSparkError(error).code)) {
        await this.#drop(batch);
        if (batch.fileId !== null) await this.#server.forget([batch.fileId], signal);
      }
      throw error;
    }
    log.info(
      `batch ${batch.batchId}: ${requests.length} requests sent; it may take a day. After an interruption the same command ` +
        'goes on with it',
    );
  }

  /** Looks at every batch under way; true when one has ended. */
  async #look(signal: AbortSignal | undefined): Promise<boolean> {
    let ended = false;
    let taken = false;
    let done = 0;
    let total = 0;
    for (const batch of [...this.#ledger.open]) {
      const state = await this.#stateOf(batch, signal);
      if (state === null) return ended;
      total += batch.requests.length;
      done += (state.request_counts?.completed ?? 0) + (state.request_counts?.failed ?? 0);
      if (!hasEnded(state)) continue;
      if (await this.#collect(batch, state, signal)) taken = true;
      ended = true;
    }
    if (taken) this.#full = null;
    this.#options.log.progress(`batches: ${done}/${total} requests done`);
    return ended;
  }

  /** Null while the server is away, which may be longer than one call is worth. */
  async #stateOf(batch: OpenBatch, signal: AbortSignal | undefined): Promise<Batch | null> {
    try {
      const state = await this.#server.get(batch.batchId!, signal);
      this.#away = 0;
      return state;
    } catch (error) {
      const { code, message } = toSparkError(error);
      if (code === 'judge_batch_failed') {
        const giveUp = `${message}; or remove ${this.#options.ledgerFile} to give it up and ask again`;
        throw new SparkError(code, giveUp, { cause: error });
      }
      if (code !== 'judge_unreachable' || ++this.#away >= PATIENCE) throw error;
      this.#options.log.warn(`${message}; looked for again`);
      return null;
    }
  }

  /** False for a batch that the server did not take. */
  async #collect(batch: OpenBatch, state: Batch, signal: AbortSignal | undefined): Promise<boolean> {
    if (state.status === 'failed') {
      await this.#refused(batch, state, signal);
      return false;
    }
    const files = [state.output_file_id, state.error_file_id].flatMap((id) => id || []);
    const lines: string[] = [];
    for (const id of files) lines.push(...(await this.#server.lines(id, signal)));
    const results = new Map<string, ResultLine>();
    let damaged = 0;
    for (const line of lines) {
      const result = parseResult(line);
      if (result === null) damaged++;
      else results.set(result.custom_id, result);
    }
    let verdicts = 0;
    let fatal: SparkError | null = null;
    for (const request of batch.requests) {
      const failure = this.#settle(request, { batch, state, result: results.get(request.key) });
      if (failure === null) verdicts++;
      else if (!NO_VERDICT.has(failure.code) && !PASSING.has(failure.code)) fatal ??= failure;
    }
    const { log } = this.#options;
    if (damaged > 0)
      log.warn(`batch ${batch.batchId}: ${damaged} lines of its results cannot be read; asked for again`);
    const { status } = state;
    this.#ledger.ended.push({ batchId: batch.batchId!, status, requests: batch.requests.length, verdicts });
    await this.#drop(batch);
    // Its verdicts are in the cache now.
    await this.#server.forget([batch.fileId!, ...files], signal);
    log.info(`batch ${batch.batchId} is ${status}: ${verdicts} verdicts of ${batch.requests.length} requests`);
    if (fatal !== null) throw fatal;
    return true;
  }

  /** Keeps a request's verdict, or says why there is none. */
  #settle(
    { key, kind }: BatchRequest,
    { batch, state, result }: { batch: OpenBatch; state: Batch; result: ResultLine | undefined },
  ): SparkError | null {
    const { api, cache } = this.#options;
    const { stats, budget } = api.judge;
    const reservation = this.#reservations.get(key);
    const request = requestLike(kind, batch.actions);
    const answer = result === undefined ? null : readAnswer(result, request, api.settings);
    if (answer?.usage) {
      reservation?.settle(answer.usage);
      stats.usage(answer.usage);
    } else if (answer?.answered) reservation?.lose();
    else reservation?.release();
    this.#reservations.delete(key);
    stats.costUsd = budget.spentUsd;
    // What was cancelled was not tried.
    if (state.status === 'cancelled' && !answer?.answered) return unanswered(state);
    stats.calls++;
    stats.unknownKeys += answer?.unknownKeys ?? 0;
    const failure = answer === null ? unanswered(state) : answer.failure;
    if (failure === null) {
      const verdict = answer!.verdict!;
      stats.verdict(verdict, request.steps.length > 0);
      this.answered.add(key);
      if (!cache.keep(key, verdict, request)) this.#fail(key, nothingSaid());
      this.#wanted.delete(key);
      return null;
    }
    stats.failure(failure);
    this.#retry(key, failure);
    return failure;
  }

  #retry(key: string, failure: SparkError): void {
    const { tries } = this.#ledger;
    tries[key] = (tries[key] ?? 0) + 1;
    if (PASSING.has(failure.code) && tries[key] <= this.#options.api.settings.maxRetries) return;
    if (NO_VERDICT.has(failure.code) || PASSING.has(failure.code)) this.#fail(key, failure);
    this.#wanted.delete(key);
  }

  #fail(key: string, { code, message }: SparkError): void {
    this.#ledger.failures[key] = { code, message };
  }

  /** A batch that the server did not take: its requests are free again. */
  async #refused(batch: OpenBatch, state: Batch, signal: AbortSignal | undefined): Promise<void> {
    await this.#drop(batch);
    await this.#server.forget([batch.fileId!], signal);
    const { failure, full } = notTaken(batch, state);
    if (!full) throw failure;
    // Thrown when there is no other batch whose end would make room.
    this.#full = failure;
  }

  async #drop(batch: OpenBatch): Promise<void> {
    this.#ledger.open = this.#ledger.open.filter((one) => one !== batch);
    for (const { key } of batch.requests) {
      this.#reservations.get(key)?.release();
      this.#reservations.delete(key);
    }
    await this.#save();
  }

  #commit(bytes: number): Reservation {
    const { settings, judge } = this.#options.api;
    return judge.budget.commit(mostOf(bytes, settings.maxTokens), this.#price());
  }

  #price() {
    return batchPrice(this.#options.api.judge.budget.price);
  }

  #sayFailures(): void {
    const codes = new Map<string, number>();
    for (const { code } of Object.values(this.#ledger.failures)) codes.set(code, (codes.get(code) ?? 0) + 1);
    if (codes.size === 0) return;
    const [first] = Object.values(this.#ledger.failures);
    const counted = [...codes].map(([code, count]) => `${count} ${code}`).join(', ');
    this.#options.log.warn(`requests without a verdict: ${counted}; the first: ${first!.message}`);
  }

  #save(): Promise<void> {
    return writeLedger(this.#options.ledgerFile, this.#ledger);
  }
}
