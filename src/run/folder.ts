/**
 * A run is a folder anyone can read. This file knows its layout and nothing else does:
 *
 *   config.json                    resolved configuration, versions, commit, sha256 of the model
 *   stages.json                    every stage: what it depends on, its result, the hashes of its files
 *   trajectories/<set>.jsonl       append-only, one trajectory a line; beside it <set>.skips.jsonl
 *   judge-cache/                   verdicts by content
 *   adapters/<stage>-<step>.gguf   and the PEFT folder beside it; never overwritten
 *   checkpoints/<stage>/           of a training under way
 *   eval/<stage>.jsonl             answers to the test questions
 *   metrics.jsonl  parity.json  ladder.json  report.html
 */
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import type { Config } from '../config/index.js';
import { SparkError, writeError } from '../errors.js';
import { readSealed, writeSealed } from '../sealed.js';
import { LOCK_FILE } from './lock.js';
import { MetricsFile } from './metricsFile.js';

/** Counts up when a folder of the version before can no longer be taken up. */
const LAYOUT = 2;

/** What config.json says beside the configuration: who wrote it, and when. */
export interface RunFacts {
  readonly layout: number;
  readonly [name: string]: unknown;
}

export type StoredConfig = Config & { readonly run?: RunFacts };

export class RunFolder {
  readonly root: string;
  readonly metrics: MetricsFile;

  private constructor(root: string) {
    this.root = root;
    this.metrics = new MetricsFile(path.join(root, 'metrics.jsonl'));
  }

  /** Opens a run's folder, making it when it is not there. */
  static open(root: string, { fresh = false } = {}): RunFolder {
    const folder = new RunFolder(root);
    // Refuses what another version has made before anything is written into it; all of it may be removed, though.
    if (!fresh && existsSync(folder.configFile)) folder.readConfig();
    folder.make();
    return folder;
  }

  /** The configuration stored in a run, or null; makes nothing. */
  static peek(root: string): StoredConfig | null {
    return new RunFolder(root).readConfig();
  }

  /** Opens a run that must already be there. */
  static existing(root: string): RunFolder {
    if (RunFolder.peek(root) !== null) return new RunFolder(root);
    throw new SparkError(
      'no_data',
      `no run at ${root}: expected a config.json there; start one with spark-rl generate`,
    );
  }

  get configFile() {
    return path.join(this.root, 'config.json');
  }
  get stagesFile() {
    return path.join(this.root, 'stages.json');
  }
  get judgeCacheFolder() {
    return path.join(this.root, 'judge-cache');
  }
  get reportFile() {
    return path.join(this.root, 'report.html');
  }
  /** What was measured of our log-probs against llama.cpp's, by files and tokens. */
  get parityFile() {
    return path.join(this.root, 'parity.json');
  }
  get ladderFile() {
    return path.join(this.root, 'ladder.json');
  }

  /** `set`: nameOfSet of the rollouts. */
  trajectoriesFile(set: string) {
    return path.join(this.root, 'trajectories', `${set}.jsonl`);
  }

  /** Of every set there is. */
  trajectoryFiles(): string[] {
    const folder = path.join(this.root, 'trajectories');
    if (!existsSync(folder)) return [];
    const names = readdirSync(folder).filter((name) => name.endsWith('.jsonl') && !name.endsWith('.skips.jsonl'));
    return names.sort().map((name) => path.join(folder, name));
  }

  evalFile(stage: string) {
    return path.join(this.root, 'eval', `${stage}.jsonl`);
  }

  /** `<stage>-<step>.gguf`: llama.cpp keeps an adapter by its path, so every save has a name of its own. */
  adapterFile(stage: string, step: number) {
    return path.join(this.root, 'adapters', `${stage}-${step}.gguf`);
  }

  checkpointFolder(stage: string) {
    return path.join(this.root, 'checkpoints', stage);
  }

  make(): void {
    try {
      for (const name of ['', 'trajectories', 'judge-cache', 'adapters', 'checkpoints', 'eval']) {
        mkdirSync(path.join(this.root, name), { recursive: true });
      }
    } catch (error) {
      throw writeError(error, this.root);
    }
  }

  /** Removes all that the run holds. Only for who holds its lock, which stays. */
  clear(): void {
    try {
      for (const name of readdirSync(this.root)) {
        if (name !== LOCK_FILE) rmSync(path.join(this.root, name), { recursive: true, force: true });
      }
    } catch (error) {
      throw writeError(error, this.root);
    }
    this.make();
  }

  async writeConfig(config: Config, facts: Readonly<Record<string, unknown>>): Promise<void> {
    await writeSealed(this.configFile, { ...config, run: { layout: LAYOUT, ...facts } });
  }

  /** The configuration this run was made with, or null. Throws `unsupported_file` for a run of another version. */
  readConfig(): StoredConfig | null {
    const stored = readSealed<StoredConfig>(this.configFile, {
      remedy:
        'edited by hand? take the "sha256" out as well, or pass settings as flags; else remove the file, and the next ' +
        'command that writes into the run makes it anew of its own flags, so give it all of the run’s settings again',
      editable: true,
    });
    const layout = stored === null ? LAYOUT : (stored.run?.layout ?? 1);
    if (layout === LAYOUT) return stored;
    throw new SparkError(
      'unsupported_file',
      `${this.root} is a run of ${layout < LAYOUT ? 'an older' : 'a newer'} spark-rl (layout ${layout}, expected ${LAYOUT}): ` +
        'give another --run and let this one be as it is, or remove the folder (quickstart --fresh does); its adapters and ' +
        'its report stay usable',
    );
  }
}

/** `runs/<name>`, or the path itself when it has a slash. */
export function runRoot(name: string, base = 'runs'): string {
  return name.includes(path.sep) ? path.resolve(name) : path.resolve(base, name);
}
