/** What a command works with: a configuration, its run folder, and the parts that the configuration names. */
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import type { Config } from '../config.js';
import { fileSha256 } from '../inference/fileHash.js';
import type { Log } from '../log.js';
import { isCheckout, packagePath, packageVersion } from '../package.js';
import { readSealed, writeSealed } from '../sealed.js';
import { RunFolder } from './runFolder.js';
import { lockRun, type RunLock } from './runLock.js';
import { checkStageFiles, type StageRecord } from './stageRecord.js';

export interface OpenOptions {
  /** Remove what the run holds, once no other process is at work in it. */
  readonly fresh?: boolean;
}

export class Session {
  readonly config: Config;
  readonly run: RunFolder;
  readonly log: Log;
  readonly signal: AbortSignal;
  readonly #lock: RunLock | null;

  private constructor(config: Config, run: RunFolder, log: Log, signal: AbortSignal, lock: RunLock | null) {
    this.config = config;
    this.run = run;
    this.log = log;
    this.signal = signal;
    this.#lock = lock;
  }

  /**
   * Opens the run folder for writing, makes it when it is not there, and writes what the run is made with into it. Throws
   * `run_locked` while another process writes; `close` gives it free.
   */
  static async open(config: Config, log: Log, signal: AbortSignal, options: OpenOptions = {}): Promise<Session> {
    const made = RunFolder.open(config.name);
    const lock = lockRun(made.root, log);
    try {
      if (options.fresh) made.clear();
      const run = options.fresh ? RunFolder.open(config.name) : made;
      await run.writeConfig(config, {
        version: packageVersion(),
        commit: sourceCommit(),
        node: process.version,
        modelSha256: await fileSha256(config.model.path),
        written: new Date().toISOString(),
      });
      return new Session(config, run, log, signal, lock);
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  /** A run that is there, to read from: nothing is written, and another process may be at work in it. */
  static reading(config: Config, log: Log, signal: AbortSignal): Session {
    return new Session(config, RunFolder.existing(config.name), log, signal, null);
  }

  close(): void {
    this.run.metrics.close();
    this.#lock?.release();
  }

  /** The same run under other settings: one run can hold rollouts of several policies. */
  with(patch: { readonly rollout: Partial<Config['rollout']> }): Session {
    const config = { ...this.config, rollout: { ...this.config.rollout, ...patch.rollout } };
    return new Session(config, this.run, this.log, this.signal, this.#lock);
  }

  get #stagesFile(): string {
    return path.join(this.run.root, 'stages.json');
  }

  /** Finished training stages by name. */
  stages(): Readonly<Record<string, StageRecord>> {
    const remedy = 'remove it: every stage then trains again when it is asked for, beside the adapters that are there';
    return readSealed<StagesFile>(this.#stagesFile, { remedy })?.stages ?? {};
  }

  /** Adapter of a finished stage as it was saved, or null. Stored relative to the run, so that a run can be moved. */
  async stageAdapter(name: string): Promise<string | null> {
    const record = this.stages()[name];
    if (record === undefined) return null;
    await checkStageFiles(this.run.root, name, record);
    return path.join(this.run.root, record.adapter);
  }

  async recordStage(name: string, record: StageRecord): Promise<void> {
    const file: StagesFile = { stages: { ...this.stages(), [name]: record } };
    await writeSealed(this.#stagesFile, file);
  }
}

/** A level of its own, since a stage may have any name. */
interface StagesFile {
  readonly stages: Readonly<Record<string, StageRecord>>;
}

/** Opens the run for writing, does the work, and gives the run free whatever came of it. */
export async function withSession<T>(
  config: Config,
  { log, signal }: { readonly log: Log; readonly signal: AbortSignal },
  work: (session: Session) => Promise<T>,
  options: OpenOptions = {},
): Promise<T> {
  const session = await Session.open(config, log, signal, options);
  try {
    return await work(session);
  } finally {
    session.close();
  }
}

/** Commit of the checkout this package runs from; null where it is an installed package. */
function sourceCommit(): string | null {
  // A package lies inside somebody else's repository.
  if (!isCheckout()) return null;
  try {
    const options = { cwd: packagePath('.'), stdio: ['ignore', 'pipe', 'ignore'] as ('ignore' | 'pipe')[] };
    return execFileSync('git', ['rev-parse', 'HEAD'], options).toString().trim();
  } catch {
    return null;
  }
}
