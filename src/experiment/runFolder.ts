/**
 * A run is a folder anyone can read (DESIGN.md, "A run is a folder"). This file knows its layout and nothing else does.
 */
import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Config } from '../config.js';
import { isNodeError, SparkError, toSparkError } from '../errors.js';
import { redactedJson } from '../secrets/redact.js';

export type MetricValue = number | string | boolean | null;
export type MetricRow = Readonly<Record<string, MetricValue>>;

export class RunFolder {
  readonly root: string;

  private constructor(root: string) {
    this.root = root;
  }

  /** Opens `runs/<name>` (or any path with a slash), making it when it is not there. */
  static open(name: string, base = 'runs'): RunFolder {
    const root = rootOf(name, base);
    try {
      for (const folder of ['', 'judge-cache', 'adapters', 'checkpoints', 'eval']) {
        mkdirSync(path.join(root, folder), { recursive: true });
      }
    } catch (error) {
      throw ioError(error, root);
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
  get metricsFile() {
    return path.join(this.root, 'metrics.jsonl');
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

  /** Appends one line to metrics.jsonl. Synchronous, so that a kill loses no finished row. */
  metrics(row: MetricRow): void {
    try {
      appendFileSync(this.metricsFile, `${redactedJson(row, { replacer: notFinite })}\n`);
    } catch (error) {
      throw ioError(error, this.metricsFile);
    }
  }

  readMetrics(): MetricRow[] {
    if (!existsSync(this.metricsFile)) return [];
    const lines = readFileSync(this.metricsFile, 'utf8').split('\n');
    const rows: MetricRow[] = [];
    for (const line of lines) {
      if (line === '') continue;
      try {
        rows.push(JSON.parse(line) as MetricRow);
      } catch {
        // A line torn by a kill: the row was never finished.
      }
    }
    return rows;
  }

  async writeConfig(config: Config, facts: Readonly<Record<string, unknown>>): Promise<void> {
    await this.writeJson(this.configFile, { ...config, run: facts });
  }

  /** The configuration this run was made with, or null. */
  readConfig(): (Config & { run?: Record<string, unknown> }) | null {
    return this.readJson(this.configFile);
  }

  async writeJson(file: string, value: unknown): Promise<void> {
    await writeWhole(file, `${redactedJson(value, { space: 2 })}\n`);
  }

  readJson<T>(file: string): T | null {
    if (!existsSync(file)) return null;
    try {
      return JSON.parse(readFileSync(file, 'utf8')) as T;
    } catch (error) {
      throw new SparkError('invalid_file', `${file} is not JSON; move it away and run again`, { cause: error });
    }
  }
}

function rootOf(name: string, base: string): string {
  return name.includes(path.sep) ? path.resolve(name) : path.resolve(base, name);
}

/** Temporary file, then rename: readers see the old content or the new, never half. */
export async function writeWhole(file: string, text: string): Promise<void> {
  const temporary = `${file}.${process.pid}.tmp`;
  try {
    mkdirSync(path.dirname(file), { recursive: true });
    await writeFile(temporary, text);
    await rename(temporary, file);
  } catch (error) {
    throw ioError(error, file);
  }
}

// JSON has no NaN; null would read as "missing", the word says what happened.
function notFinite(_key: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value;
}

function ioError(error: unknown, file: string): SparkError {
  if (isNodeError(error) && error.code === 'ENOSPC') return toSparkError(error);
  return new SparkError('io_error', `cannot write ${file}: ${(error as Error).message}`, { cause: error });
}
