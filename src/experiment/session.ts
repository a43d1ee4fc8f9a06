/** What a command works with: a configuration, its run folder, and the parts that the configuration names. */
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import type { Config } from '../config.js';
import { fileSha256 } from '../inference/fileHash.js';
import type { Log } from '../log.js';
import { isCheckout, packagePath, packageVersion } from '../package.js';
import { RunFolder } from './runFolder.js';
import type { StageRecord } from './stageRecord.js';

export class Session {
  readonly config: Config;
  readonly run: RunFolder;
  readonly log: Log;
  readonly signal: AbortSignal;

  private constructor(config: Config, run: RunFolder, log: Log, signal: AbortSignal) {
    this.config = config;
    this.run = run;
    this.log = log;
    this.signal = signal;
  }

  /** Opens the run folder and writes what the run is made with into it. */
  static async open(config: Config, log: Log, signal: AbortSignal): Promise<Session> {
    const run = RunFolder.open(config.name);
    const session = new Session(config, run, log, signal);
    await run.writeConfig(config, {
      version: packageVersion(),
      commit: sourceCommit(),
      node: process.version,
      modelSha256: await fileSha256(config.model.path),
      written: new Date().toISOString(),
    });
    return session;
  }

  /** The same run under other settings: one run can hold rollouts of several policies. */
  with(patch: { readonly rollout: Partial<Config['rollout']> }): Session {
    const config = { ...this.config, rollout: { ...this.config.rollout, ...patch.rollout } };
    return new Session(config, this.run, this.log, this.signal);
  }

  get #stagesFile(): string {
    return path.join(this.run.root, 'stages.json');
  }

  /** Finished training stages by name. */
  stages(): Readonly<Record<string, StageRecord>> {
    return this.run.readJson<Record<string, StageRecord>>(this.#stagesFile) ?? {};
  }

  /** Adapter of a finished stage, or null. Stored relative to the run, so that a run can be moved. */
  stageAdapter(name: string): string | null {
    const record = this.stages()[name];
    return record === undefined ? null : path.join(this.run.root, record.adapter);
  }

  async recordStage(name: string, record: StageRecord): Promise<void> {
    await this.run.writeJson(this.#stagesFile, { ...this.stages(), [name]: record });
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
