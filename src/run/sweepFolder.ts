/**
 * A sweep: runs of one configuration that differ in their seed, and the results of experiments over them.
 *
 *   sweep.json             the configuration of its runs; the seed is the first run's
 *   seed-<k>/              the run with seed k, a folder like any other run's
 *   <experiment>.json      the result of an experiment over the seeds: ladder.json, ablate-rho.json
 *   <experiment>.html      its page
 *
 * One folder, so that a sweep is listed, moved and removed as one thing. A folder for each seed and not for each
 * experiment, so that what experiments have in common (rollouts, verdicts, the SFT adapter) is made once.
 */
import { existsSync, mkdirSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import type { Config } from '../config/index.js';
import { SparkError, writeError } from '../errors.js';
import { readSealed, writeSealed } from '../sealed.js';
import { RunFolder, SWEEP_FILE } from './folder.js';

const RUN = /^seed-(\d+)$/;
/** Results have names by which they are told from files that are not the sweep's, and are never removed. */
const RESULT = /^(ladder|ablate-[a-z]+)\.(json|html)$/;

export class SweepFolder {
  readonly root: string;

  private constructor(root: string) {
    this.root = root;
  }

  static isSweep(root: string): boolean {
    return existsSync(path.join(root, SWEEP_FILE));
  }

  /** Throws `run_exists` for a folder that is a run itself. Creates nothing. */
  static at(root: string): SweepFolder {
    if (SweepFolder.isSweep(root) || RunFolder.peek(root) === null) return new SweepFolder(root);
    throw new SparkError(
      'run_exists',
      `${root} is a run of its own, and a sweep has a run for each seed in its folder: give another --run`,
    );
  }

  /** The configuration stored in a sweep; null where there is none. */
  static config(root: string): Config | null {
    const remedy = 'remove it: the next command with --seeds makes it anew of its flags, so give all settings again';
    return readSealed<{ config: Config }>(path.join(root, SWEEP_FILE), { remedy })?.config ?? null;
  }

  async writeConfig(config: Config): Promise<void> {
    try {
      mkdirSync(this.root, { recursive: true });
    } catch (error) {
      throw writeError(error, this.root);
    }
    await writeSealed(path.join(this.root, SWEEP_FILE), { config });
  }

  runFolder(seed: number): string {
    return path.join(this.root, `seed-${seed}`);
  }

  /** Seeds that have a run, ascending. */
  seeds(): number[] {
    if (!existsSync(this.root)) return [];
    const found = readdirSync(this.root).flatMap((name) => RUN.exec(name)?.[1] ?? []);
    return found
      .map(Number)
      .filter((seed) => existsSync(path.join(this.runFolder(seed), 'config.json')))
      .sort((a, b) => a - b);
  }

  /** `experiment`: its name. Throws `invalid_argument` when it is neither `ladder` nor like `ablate-rho`. */
  resultFile(experiment: string): string {
    if (!RESULT.test(`${experiment}.json`)) {
      throw new SparkError(
        'invalid_argument',
        `experiment.name: expected ladder or a name such as ablate-mine, got ${experiment}`,
      );
    }
    return path.join(this.root, `${experiment}.json`);
  }

  pageFile(experiment: string): string {
    return path.join(this.root, `${experiment}.html`);
  }

  /** Names of the experiments that have a result. */
  results(): string[] {
    const names = existsSync(this.root) ? readdirSync(this.root) : [];
    return names.filter((name) => RESULT.test(name) && name.endsWith('.json')).map((name) => name.slice(0, -5));
  }

  /** Removes what is the sweep's own beside its runs, and the folder when it is empty. Returns what stays. */
  removeOwn(): string[] {
    try {
      for (const name of readdirSync(this.root)) {
        if (name === SWEEP_FILE || RESULT.test(name)) rmSync(path.join(this.root, name), { force: true });
      }
      const left = readdirSync(this.root);
      if (left.length === 0) rmdirSync(this.root);
      return left;
    } catch (error) {
      throw writeError(error, this.root);
    }
  }
}
