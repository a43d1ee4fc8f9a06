/**
 * A training as a run of an MLflow experiment. Rows wait in memory and go out in the background, many in one request. The
 * server is asked once for what it has of a run that goes on, and gets what it lacks: the same after a kill, whose last steps
 * are done again with the same bits, and after an outage.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { TrainingRow } from '../evaluate/trainingHistory.js';
import type { Log } from '../log.js';
import { MlflowClient, type MlflowEndpoint, MlflowFailure, PATIENCE, type Patience } from './mlflowClient.js';
import { type Outcome, Points, type Tracker } from './tracker.js';

export interface MlflowOptions {
  readonly endpoint: MlflowEndpoint;
  readonly experiment: string;
  readonly runName: string;
  readonly stage: string;
  /** Settings of the training, shown as the run's parameters. */
  readonly params: Readonly<Record<string, unknown>>;
  readonly log: Log;
  /** Writes a row that is to be among `kept` when the training goes on: which run is its own. */
  readonly remember: (row: TrainingRow) => void;
  readonly times?: Partial<Times>;
}

export interface Times extends Patience {
  /** Milliseconds in which rows gather before they are sent. */
  readonly gatherMs: number;
  /** … after which a server that did not reply is asked again */
  readonly againMs: number;
  /** … that the end of a training waits for what is on its way */
  readonly closeMs: number;
}

export const TIMES: Times = { ...PATIENCE, gatherMs: 1000, againMs: 60_000, closeMs: 10_000 };

interface Metric {
  readonly key: string;
  /** JSON has no NaN; MLflow reads the words. */
  readonly value: number | string;
  /** Milliseconds since 1970 */
  readonly timestamp: number;
  readonly step: number;
}

/** MLflow's own limits. */
const BATCH = 1000;
const MOST_PARAMS = 100;
/** More than any training between two outages; what is beyond is lost to MLflow, and said so. */
const MOST_WAITING = 200_000;
const STATUS: Readonly<Record<Outcome, string>> = { finished: 'FINISHED', failed: 'FAILED', interrupted: 'KILLED' };

export class MlflowTracker implements Tracker {
  readonly #options: MlflowOptions;
  readonly #times: Times;
  readonly #client: MlflowClient;
  /** Ends waits when the training ends, and everything when its time is up. */
  readonly #closing = new AbortController();
  readonly #over = new AbortController();
  readonly #points = new Points();
  #waiting: Metric[] = [];
  #lost = 0;
  #runId: string | null = null;
  /** Of the server: the last step it has of each metric; null before it was asked. */
  #has: ReadonlyMap<string, number> | null = null;
  /** Whether the run was created here and its parameters are still to be sent. */
  #bare = false;
  /** Whether the last attempt failed. */
  #down = false;
  #warned = false;
  #off = false;
  #work: Promise<void> | null = null;

  constructor(options: MlflowOptions) {
    this.#options = options;
    this.#times = { ...TIMES, ...options.times };
    this.#client = new MlflowClient(options.endpoint, this.#times, this.#over.signal);
  }

  begin(kept: readonly TrainingRow[]): void {
    const own = kept.findLast((row) => row.event === 'mlflow' && row.url === this.#options.endpoint.url);
    this.#runId = own === undefined ? null : String(own.runId);
    for (const row of kept) this.add(row);
    this.#wake();
  }

  add(row: TrainingRow): void {
    if (this.#off) return;
    const { step, points } = this.#points.of(row);
    const timestamp = Date.now();
    for (const { tag: key, value } of points) {
      if (this.#waiting.length >= MOST_WAITING) this.#lost += 1;
      else this.#waiting.push({ key, value: Number.isFinite(value) ? value : String(value), timestamp, step });
    }
    this.#wake();
  }

  async close(outcome: Outcome): Promise<void> {
    this.#closing.abort();
    // A server that has not replied before is not waited for.
    const timer = setTimeout(() => this.#over.abort(), this.#times.closeMs / (this.#down ? 10 : 1));
    try {
      await this.#work;
      if (this.#off) return;
      await this.#attempt(async () => {
        await this.#send();
        await this.#client.post('runs/update', { run_id: this.#runId, status: STATUS[outcome], end_time: Date.now() });
      });
      if (this.#waiting.length + this.#lost > 0) {
        const count = this.#waiting.length + this.#lost;
        this.#options.log.info(`${this.#where} does not have ${count} numbers; metrics.jsonl has them`);
      }
    } finally {
      clearTimeout(timer);
      this.#over.abort();
    }
  }

  get #where(): string {
    return `${this.#options.stage}: MLflow at ${this.#client.endpoint.url}`;
  }

  #wake(): void {
    if (this.#work !== null || this.#off || this.#closing.signal.aborted) return;
    this.#work = this.#sendOften().finally(() => {
      this.#work = null;
    });
  }

  /** Until nothing waits, or the training ends. */
  async #sendOften(): Promise<void> {
    const { signal } = this.#closing;
    let wait = this.#times.gatherMs;
    do {
      await pause(wait, undefined, { signal, ref: false }).catch(() => {});
      if (signal.aborted || this.#off) return;
      const sent = await this.#attempt(() => this.#send());
      wait = sent ? this.#times.gatherMs : this.#times.againMs;
    } while (this.#waiting.length > 0);
  }

  /** Whether it succeeded. A failure is a warning, the first time. */
  async #attempt(work: () => Promise<void>): Promise<boolean> {
    try {
      await work();
      this.#down = false;
      return true;
    } catch (error) {
      const failure = error instanceof MlflowFailure ? error : strange(error);
      this.#down = true;
      this.#off ||= !failure.passing;
      if (!this.#warned) {
        const then = this.#off
          ? 'it is left alone from here on; look at tracking.mlflow and MLFLOW_TRACKING_*'
          : 'it is asked again from time to time';
        this.#options.log.warn(
          `${this.#where} does not take the metrics: ${failure.message}; the training goes on, metrics.jsonl has every ` +
            `number, and ${then}`,
        );
      }
      this.#warned = true;
      return false;
    }
  }

  async #send(): Promise<void> {
    const has = this.#has ?? (await this.#open());
    this.#has = has;
    if (this.#bare) await this.#describe();
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.slice(0, BATCH);
      const metrics = batch.filter(({ key, step }) => step > (has.get(key) ?? -1));
      if (metrics.length > 0) await this.#client.post('runs/log-batch', { run_id: this.#runId, metrics });
      this.#waiting = this.#waiting.slice(batch.length);
    }
  }

  /** Finds this training's run, or creates it; returns the last step of each of its metrics. */
  async #open(): Promise<ReadonlyMap<string, number>> {
    const has = this.#runId === null ? null : await this.#find(this.#runId);
    if (has !== null) return has;
    this.#runId = await this.#create();
    this.#bare = true;
    const { url } = this.#client.endpoint;
    const { stage, experiment, remember } = this.#options;
    if (!this.#over.signal.aborted) remember({ stage, event: 'mlflow', url, experiment, runId: this.#runId });
    return new Map();
  }

  /** Null where the server does not have that run any more. */
  async #find(runId: string): Promise<ReadonlyMap<string, number> | null> {
    try {
      const { run } = (await this.#client.get('runs/get', { run_id: runId })) as unknown as RunReply;
      if (run.info.lifecycle_stage === 'deleted') return null;
      await this.#client.post('runs/update', { run_id: runId, status: 'RUNNING' });
      return new Map((run.data?.metrics ?? []).map(({ key, step }) => [key, Number(step)]));
    } catch (error) {
      if ((error as MlflowFailure).code === 'RESOURCE_DOES_NOT_EXIST') return null;
      throw error;
    }
  }

  async #create(): Promise<string> {
    const { runName, stage } = this.#options;
    const created = (await this.#client.post('runs/create', {
      experiment_id: await this.#experiment(),
      run_name: runName,
      start_time: Date.now(),
      tags: [
        { key: 'mlflow.source.name', value: 'spark-rl' },
        { key: 'stage', value: stage },
      ],
    })) as unknown as RunReply;
    return created.run.info.run_id;
  }

  async #describe(): Promise<void> {
    const params = Object.entries(this.#options.params).map(([key, value]) => ({
      key,
      value: String(value).slice(0, 500),
    }));
    await this.#client.post('runs/log-batch', { run_id: this.#runId, params: params.slice(0, MOST_PARAMS) });
    this.#bare = false;
  }

  async #experiment(): Promise<string> {
    const name = this.#options.experiment;
    const find = async () => {
      const query = { experiment_name: name };
      const { experiment } = (await this.#client.get('experiments/get-by-name', query)) as unknown as ExperimentReply;
      return experiment.experiment_id;
    };
    try {
      return await find();
    } catch (error) {
      if ((error as MlflowFailure).code !== 'RESOURCE_DOES_NOT_EXIST') throw error;
    }
    try {
      return String((await this.#client.post('experiments/create', { name })).experiment_id);
    } catch (error) {
      // Another training has created it in between.
      if ((error as MlflowFailure).code !== 'RESOURCE_ALREADY_EXISTS') throw error;
      return find();
    }
  }
}

/** A reply that has not what it should, or a run's folder that cannot be written to. */
function strange(error: unknown): MlflowFailure {
  return new MlflowFailure(`a reply of another shape than MLflow's (${String(error)})`, 0, null, error);
}

interface RunReply {
  readonly run: {
    readonly info: { readonly run_id: string; readonly lifecycle_stage?: string };
    readonly data?: { readonly metrics?: readonly { readonly key: string; readonly step: number | string }[] };
  };
}

interface ExperimentReply {
  readonly experiment: { readonly experiment_id: string };
}
