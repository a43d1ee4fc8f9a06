/**
 * A training under watch (evaluate/watch.ts): what is seen goes into the log at once and into the stage's result at the end. A
 * sign whose rule is `stop` interrupts the training as Ctrl-C would, so that its checkpoint is kept, and ends it as an error.
 */
import type { Config } from '../config/index.js';
import { SparkError, toSparkError } from '../errors.js';
import type { Thresholds } from '../evaluate/signLimits.js';
import type { TrainingRow } from '../evaluate/trainingHistory.js';
import { type SeenSign, TrainingWatch } from '../evaluate/watch.js';
import type { Log } from '../log.js';
import type { Run } from '../run/run.js';
import type { TrainResult } from '../train/method.js';

export function thresholdsOf({ ppo, watch }: Config): Thresholds {
  return { targetKl: ppo.targetKl, ...watch.limits };
}

export class StageWatch {
  readonly #run: Run;
  readonly #stage: string;
  readonly #watch: TrainingWatch;
  readonly #stop = new AbortController();
  /** Fires with the run's own signal, and when a rule stops the training. */
  readonly signal: AbortSignal;
  #step = 0;

  constructor(run: Run, stage: string) {
    this.#run = run;
    this.#stage = stage;
    this.#watch = new TrainingWatch(thresholdsOf(run.config));
    this.signal = AbortSignal.any([run.signal, this.#stop.signal]);
  }

  /** What was seen, without the signs that are switched off. */
  get signs(): readonly SeenSign[] {
    return this.#watch.seen.filter(({ code }) => this.#ruleOf(code) !== 'off');
  }

  /**
   * Learns what the rows of a training that goes on show, which was said when they were written. Throws `failure_sign` where a
   * rule stopped it, or would have: going on is a decision, not a second try.
   */
  recall(kept: readonly TrainingRow[]): void {
    for (const row of kept) this.#watch.add(row);
    this.#requireNoStop();
  }

  /** Looks at a row that was written. */
  look(row: TrainingRow): void {
    if (typeof row.step === 'number') this.#step = row.step;
    for (const { code, message, step } of this.#watch.add(row)) {
      const rule = this.#ruleOf(code);
      if (rule === 'off') continue;
      this.#run.log.warn(`${this.#stage} after step ${step}: [${code}] ${message}`);
      if (rule === 'stop') this.#stop.abort();
    }
  }

  /** The run's log, whose progress line names the signs that stand. */
  get log(): Log {
    const { log } = this.#run;
    const standing = () => this.#watch.standing.filter((code) => this.#ruleOf(code) !== 'off');
    return {
      info: (message) => log.info(message),
      warn: (message) => log.warn(message),
      progress: (message) => log.progress([message, ...standing().map((code) => `! ${code}`)].join('  ')),
    };
  }

  /** The training's result; throws `failure_sign` in place of `interrupted` where a rule stopped it. */
  async over(training: () => Promise<TrainResult>): Promise<TrainResult> {
    try {
      const result = await training();
      // A sign of the last row.
      this.#requireNoStop();
      return result;
    } catch (error) {
      const failure = toSparkError(error);
      if (failure.code === 'interrupted' && !this.#run.signal.aborted) this.#requireNoStop();
      // The engine has refused the step; with this row the report knows of it, too. The next try writes the step anew.
      const { code, message } = failure;
      const row = { stage: this.#stage, event: code, beforeStep: this.#step + 1, message };
      if (code === 'not_finite') this.#run.folder.metrics.append(row);
      throw error;
    }
  }

  #requireNoStop(): void {
    const sign = this.#watch.seen.find(({ code }) => this.#ruleOf(code) === 'stop');
    if (sign === undefined) return;
    const { code, step, message } = sign;
    throw new SparkError(
      'failure_sign',
      `${this.#stage} is stopped by watch.rules.${code}, seen after step ${step}: ${message}. Its checkpoint is kept: the same ` +
        `command with --set watch.rules.${code}=warn goes on from there; for other settings remove ` +
        `${this.#run.folder.checkpointFolder(this.#stage)}, and it is trained afresh`,
    );
  }

  #ruleOf(code: SeenSign['code']) {
    return this.#run.config.watch.rules[code];
  }
}
