/** `stages.json`: what every stage of a run depended on, its result, and the hashes of its files. */
import { SparkError } from '../errors.js';
import { readSealed, writeSealed } from '../sealed.js';
import type { Facts } from './freshness.js';

/** What the last try that had something to do took, for estimates. */
export interface Pace {
  readonly seconds: number;
  /** Pieces of work done in them: questions answered, or optimizer steps. */
  readonly units: number;
}

export interface Finished {
  readonly dependsOn: Facts;
  /** sha256 by path relative to the run, of the files that the result needs. */
  readonly files: Readonly<Record<string, string>>;
  /** The same for copies, which the user may delete. */
  readonly copies: Readonly<Record<string, string>>;
  readonly result: unknown;
  /** False when something was left out that another try may add. */
  readonly complete: boolean;
  /** Absent when nothing was left to do, or in runs of a version that did not measure it. */
  readonly pace?: Pace;
}

export interface StageRecord {
  readonly finished: Finished | null;
  /** The facts of unfinished work, whose partial files may exist; null without any. */
  readonly begun: Facts | null;
}

const NOTHING: StageRecord = { finished: null, begun: null };

export class StageRecords {
  readonly #file: string;
  #closed = false;

  constructor(file: string) {
    this.#file = file;
  }

  /** All records by stage, in the order in which the stages began. */
  all(): Readonly<Record<string, StageRecord>> {
    const remedy =
      'remove it: every stage is then done again when it is asked for, beside the adapters that are there, and rollouts are ' +
      'gone on with, so give generate the settings they were made under';
    return readSealed<{ stages: Record<string, StageRecord> }>(this.#file, { remedy })?.stages ?? {};
  }

  get(stage: string): StageRecord {
    return this.all()[stage] ?? NOTHING;
  }

  async begin(stage: string, dependsOn: Facts): Promise<void> {
    await this.#write(stage, { finished: this.get(stage).finished, begun: dependsOn });
  }

  async finish(stage: string, finished: Finished): Promise<void> {
    await this.#write(stage, { finished, begun: null });
  }

  /** Later writes throw `disposed`; the records can still be read. */
  close(): void {
    this.#closed = true;
  }

  async #write(stage: string, record: StageRecord): Promise<void> {
    if (this.#closed)
      throw new SparkError('disposed', `${this.#file}: its run was closed; open it again with Run.open`);
    await writeSealed(this.#file, { stages: { ...this.all(), [stage]: record } });
  }
}
