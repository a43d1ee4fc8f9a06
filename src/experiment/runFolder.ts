/**
 * A run is a folder anyone can read (DESIGN.md, "A run is a folder"). This file knows its layout and nothing else does.
 */
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import type { Config } from '../config.js';
import { SparkError, writeError } from '../errors.js';
import { readSealed, writeSealed } from '../sealed.js';
import { MetricsFile } from './metricsFile.js';
import { LOCK_FILE } from './runLock.js';

export class RunFolder {
  readonly root: string;
  readonly metrics: MetricsFile;

  private constructor(root: string) {
    this.root = root;
    this.metrics = new MetricsFile(path.join(root, 'metrics.jsonl'));
  }

  /** Opens `runs/<name>` (or any path with a slash), making it when it is not there. */
  static open(name: string, base = 'runs'): RunFolder {
    const root = rootOf(name, base);
    try {
      for (const folder of ['', 'judge-cache', 'adapters', 'checkpoints', 'eval']) {
        mkdirSync(path.join(root, folder), { recursive: true });
      }
    } catch (error) {
      throw writeError(error, root);
    }
    return new RunFolder(root);
  }

  /** The configuration stored in a run, or null; makes nothing. */
  static peek(name: string, base = 'runs'): (Config & { run?: unknown }) | null {
    const root = rootOf(name, base);
    return existsSync(path.join(root, 'config.json')) ? new RunFolder(root).readConfig() : null;
  }

  /** Opens a run that must already be there. */
  static existing(name: string, base = 'runs'): RunFolder {
    const root = rootOf(name, base);
    if (!existsSync(path.join(root, 'config.json'))) {
      throw new SparkError(
        'no_data',
        `no run at ${root}: expected a config.json there; start one with spark-rl generate`,
      );
    }
    return new RunFolder(root);
  }

  get configFile() {
    return path.join(this.root, 'config.json');
  }
  get trajectoriesFile() {
    return path.join(this.root, 'trajectories.jsonl');
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

  /** Removes all that the run holds. Only for who holds its lock, which stays. */
  clear(): void {
    try {
      for (const name of readdirSync(this.root)) {
        if (name !== LOCK_FILE) rmSync(path.join(this.root, name), { recursive: true, force: true });
      }
    } catch (error) {
      throw writeError(error, this.root);
    }
  }

  async writeConfig(config: Config, facts: Readonly<Record<string, unknown>>): Promise<void> {
    await writeSealed(this.configFile, { ...config, run: facts });
  }

  /** The configuration this run was made with, or null. */
  readConfig(): (Config & { run?: Record<string, unknown> }) | null {
    return readSealed(this.configFile, {
      remedy:
        'edited by hand? take the "sha256" out as well, or pass settings as flags; else remove the file, and the next ' +
        'command that writes into the run makes it anew of its own flags, so give it all of the run’s settings again',
      editable: true,
    });
  }
}

function rootOf(name: string, base: string): string {
  return name.includes(path.sep) ? path.resolve(name) : path.resolve(base, name);
}
