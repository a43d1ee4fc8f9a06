/** A run: a configuration, its folder with a lock, its questions, its parts, and the records of its stages. */
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { type Config, type ConfigPatch, resolveConfig } from '../config/index.js';
import { isRecord } from '../config/record.js';
import { SparkError, shown, toSparkError } from '../errors.js';
import { modelSha256 } from '../inference/ggufParts.js';
import { type Log, silentLog } from '../log.js';
import { checkKeys, type KeysOf } from '../options.js';
import { isCheckout, packagePath, packageVersion } from '../package.js';
import type { McpTools } from '../tools/mcp/mcp.js';
import type { TrainedBest } from './best.js';
import { bestName, RunFolder, runRoot, type StoredConfig, stageOfBest } from './folder.js';
import { changes, inWords } from './freshness.js';
import { lockRun, type RunLock } from './lock.js';
import { openConfiguredMcp, readMcp, storeListings } from './mcp.js';
import { refuseOpenBatches } from './openBatches.js';
import { Parts } from './parts.js';
import { RunQuestions } from './questions.js';
import { StageRecords } from './records.js';
import { checkParts, type LoadedParts, loadParts, type UserParts } from './userParts.js';

export interface RunOptions {
  /** Your own parts, in place of those that the configuration names. */
  readonly parts?: UserParts;
  /** Path of the run's folder; default `runs/<config.name>`. */
  readonly folder?: string;
  readonly log?: Log;
  readonly signal?: AbortSignal;
  /** Remove everything in the run first. */
  readonly fresh?: boolean;
  /** Sections of the configuration that hold for this opening alone: an existing run keeps its own. */
  readonly forNow?: readonly (keyof Config)[];
}

type ReadOptions = Pick<RunOptions, 'parts' | 'log' | 'signal'>;

const READ_OPTIONS = { parts: true, log: true, signal: true } as const satisfies KeysOf<ReadOptions>;
const OPTIONS = { ...READ_OPTIONS, folder: true, fresh: true, forNow: true } as const satisfies KeysOf<RunOptions>;

interface Opened {
  readonly config: Config;
  readonly folder: RunFolder;
  readonly log: Log;
  readonly signal: AbortSignal;
  readonly parts: Parts;
  readonly partsHash: string | null;
  /** The tools of MCP servers, which the parts dispose of. */
  readonly mcp?: McpTools | null;
  readonly lock: RunLock | null;
  readonly forNow?: readonly (keyof Config)[];
  /** Id of the user's own verifier, null without one; undefined: the run is only read, and nothing is graded. */
  readonly verifier?: string | null;
}

export class Run {
  readonly config: Config;
  readonly folder: RunFolder;
  readonly log: Log;
  readonly signal: AbortSignal;
  readonly parts: Parts;
  /** sha256 of the module of parts that the configuration names; null without one. */
  readonly partsHash: string | null;
  readonly questions: RunQuestions;
  readonly records: StageRecords;
  readonly #lock: RunLock | null;
  readonly #mcp: McpTools | null;
  readonly #forNow: readonly (keyof Config)[];
  #stored = false;
  #closed = false;

  private constructor({ config, folder, log, signal, parts, partsHash, mcp, lock, verifier, forNow }: Opened) {
    this.config = config;
    this.folder = folder;
    this.log = log;
    this.signal = signal;
    this.parts = parts;
    this.partsHash = partsHash;
    this.questions = new RunQuestions(config, verifier);
    this.records = new StageRecords(folder.stagesFile);
    this.#lock = lock;
    this.#mcp = mcp ?? null;
    this.#forNow = forNow ?? [];
  }

  /**
   * Opens the run folder for writing, creating it when it does not exist, and takes its lock, which `close` releases.
   * Throws `run_locked` while another process has the lock, `invalid_config`, `invalid_argument` (parts),
   * `unsupported_file` (a run of another version), `io_error`.
   */
  static async open(given: Config | ConfigPatch, options: RunOptions = {}): Promise<Run> {
    checkKeys(options, OPTIONS, 'Run.open: options');
    if (!isRecord(given)) {
      throw new SparkError(
        'invalid_argument',
        `Run.open: config: expected an object such as { name: 'my' }, got ${shown(given)}`,
      );
    }
    const config = resolveConfig(given as ConfigPatch);
    for (const section of options.forNow ?? []) {
      if (Object.hasOwn(config, section)) continue;
      throw new SparkError(
        'invalid_argument',
        `Run.open: options.forNow: expected sections of the configuration, got ${shown(section)}; they are ${Object.keys(config).join(', ')}`,
      );
    }
    const { log = silentLog, signal = new AbortController().signal } = options;
    const own = options.parts === undefined ? {} : checkParts(options.parts, 'options.parts');
    const { parts: loaded, hash, ownsTools: made } = await loadParts(config);
    const root = options.folder === undefined ? runRoot(config.name) : path.resolve(options.folder);
    const folder = RunFolder.open(root, options);
    const lock = lockRun(folder.root, log);
    try {
      folder.dropDrafts();
      if (options.fresh) {
        refuseOpenBatches(folder);
        folder.clear();
      }
      const user = { ...loaded, ...own };
      const mcp = await openConfiguredMcp(config, user, { file: folder.mcpFile, log, signal });
      const ownsTools = made && own.tools === undefined;
      const parts = new Parts({ config, ...placesOf(folder, true), user, mcp, ownsTools, log, signal });
      const verifier = user.verifier?.id ?? null;
      const { forNow = [] } = options;
      return new Run({ config, folder, log, signal, parts, partsHash: hash, mcp, lock, verifier, forNow });
    } catch (error) {
      lock.release();
      folder.removeUnused();
      throw error;
    }
  }

  /**
   * Opens an existing run for reading: writes nothing and takes no lock, so another process may be writing. A run made with parts
   * of your own is read with them, too: give them here, or have those that its configuration names loaded by `readWithParts`.
   */
  static read(root: string, options: ReadOptions = {}): Run {
    checkKeys(options, READ_OPTIONS, 'Run.read: options');
    const { parts, ...rest } = options;
    return Run.#read(root, rest, parts === undefined ? null : { parts: checkParts(parts, 'options.parts') });
  }

  /**
   * `read`, with the module of parts that the run's configuration names. One that does not load, as in a run that was copied from
   * another machine, is a warning; what it decides (rewards, actions) is then not known, and nothing takes its place.
   */
  static async readWithParts(root: string, options: Omit<ReadOptions, 'parts'> = {}): Promise<Run> {
    checkKeys(options, { log: true, signal: true }, 'Run.readWithParts: options');
    const run = Run.#read(root, options, null);
    if (run.config.parts === null) return run;
    try {
      return Run.#read(root, options, await loadParts(run.config));
    } catch (error) {
      run.log.warn(`${root} is read without its own parts: ${toSparkError(error).message}`);
      return run;
    }
  }

  /** `own`: the user's parts; null: those that the configuration names, if it names any, are not there. */
  static #read(root: string, options: Omit<ReadOptions, 'parts'>, own: Partial<LoadedParts> | null): Run {
    const { log = silentLog, signal = new AbortController().signal } = options;
    if (typeof root !== 'string') {
      throw new SparkError('invalid_argument', `Run.read: expected the folder of a run, got ${shown(root)}`);
    }
    const folder = RunFolder.existing(root);
    const { run: _facts, ...stored } = folder.readConfig()!;
    const config = resolveConfig(stored as ConfigPatch, { name: root });
    const mcp = readMcp(config, folder.mcpFile);
    const { parts: user = {}, ownsTools = false } = own ?? {};
    const lacksOwn = own === null && config.parts !== null;
    const parts = new Parts({ config, ...placesOf(folder, false), user, ownsTools, lacksOwn, mcp, log, signal });
    return new Run({ config, folder, log, signal, parts, partsHash: null, mcp, lock: null });
  }

  /**
   * Opens an existing run for reading under settings that need not be its own, to see what of it still holds; null when
   * there is no run.
   */
  static async inspect(config: Config, root: string, options: Pick<RunOptions, 'log' | 'signal'> = {}) {
    if (RunFolder.peek(root) === null) return null;
    const { log = silentLog, signal = new AbortController().signal } = options;
    const folder = RunFolder.existing(root);
    const { parts: user, hash, ownsTools } = await loadParts(config);
    const mcp = await openConfiguredMcp(config, user, { file: folder.mcpFile, log, signal });
    const parts = new Parts({ config, ...placesOf(folder, false), user, mcp, ownsTools, log, signal });
    const verifier = user.verifier?.id ?? null;
    return new Run({ config, folder, log, signal, parts, partsHash: hash, lock: null, verifier });
  }

  /**
   * Writes config.json, from which later commands on this run take their settings. `perform` calls this when a stage
   * begins its work: settings that were refused, or a mistyped --run, leave nothing behind.
   */
  async storeConfig(): Promise<void> {
    if (this.#stored) return;
    if (this.#mcp !== null) await storeListings(this.config, this.folder.mcpFile, this.#mcp);
    const before = this.folder.readConfig();
    await this.folder.writeConfig(before === null ? this.config : this.#keptBeside(before), {
      version: packageVersion(),
      commit: sourceCommit(),
      node: process.version,
      modelSha256: await modelSha256(this.config.model.path),
      written: new Date().toISOString(),
    });
    this.#stored = true;
  }

  /** What an existing run's configuration becomes; a word says what of it is another from now on. */
  #keptBeside(before: StoredConfig): Config {
    const { run: _facts, ...given } = before;
    const stored = resolveConfig(given as ConfigPatch);
    const ofRun = Object.fromEntries(this.#forNow.map((section) => [section, stored[section]]));
    const kept: Config = { ...this.config, ...ofRun };
    const changed = changes(stored, kept).filter(({ name }) => name !== 'name');
    if (changed.length > 0) this.log.info(`${this.folder.root}: for later commands, too: ${inWords(changed)}`);
    return kept;
  }

  /**
   * The adapter of a finished training, a GGUF file, or by `<stage>-best` the best that it has measured; null when there is
   * none.
   */
  adapterOf(stage: string): string | null {
    const base = stageOfBest(stage);
    const adapter = this.#trained(stage)?.adapter ?? (base === null ? null : this.#trained(base)?.validation?.adapter);
    // Stored relative to the run, so that a run can be moved.
    return adapter == null ? null : path.join(this.folder.root, adapter);
  }

  #trained(stage: string): Trained | null {
    return (this.records.get(trainName(stage)).finished?.result as Trained | undefined) ?? null;
  }

  /** Throws `disposed` after `close`, and `invalid_argument` in a run opened for reading. */
  requireWritable(): void {
    const { root } = this.folder;
    if (this.#closed) {
      throw new SparkError('disposed', `${root}: expected an open run, got one that was closed; open it with Run.open`);
    }
    if (this.#lock !== null) return;
    throw new SparkError(
      'invalid_argument',
      `${root}: expected a run opened for writing, got one opened for reading; open it with Run.open`,
    );
  }

  close(): void {
    this.#closed = true;
    this.records.close();
    this.parts.close();
    this.folder.metrics.close();
    this.#lock?.release();
    this.folder.removeUnused();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }
}

/** Where of the run's folder its parts keep something. `writes`: whether it has the lock. */
function placesOf({ judgeCacheFolder, recordingsFile }: RunFolder, writes: boolean) {
  return { judgeCacheFolder, recordings: { file: recordingsFile, writes } };
}

/** Of a training's result: the adapter, relative to the run folder, and the best one where it was measured. */
interface Trained {
  readonly adapter: string;
  readonly validation?: TrainedBest;
}

/** Name of the stage that trains the adapter `stage`. */
export function trainName(stage: string): string {
  return `train ${stage}`;
}

/** Opens the run for writing, does the work, and closes the run even when the work fails. */
export async function withRun<T>(
  config: Config | ConfigPatch,
  options: RunOptions,
  work: (run: Run) => Promise<T>,
): Promise<T> {
  if (typeof work !== 'function') {
    throw new SparkError(
      'invalid_argument',
      `withRun: expected the work as the third argument, after the configuration and options, got ${shown(work)}`,
    );
  }
  const run = await Run.open(config, options);
  try {
    return await work(run);
  } finally {
    run.close();
  }
}

/** Commit of the checkout this package runs from; null where it is an installed package. */
export function sourceCommit(): string | null {
  // An installed package may lie inside a repository of somebody else.
  if (!isCheckout()) return null;
  try {
    const options = { cwd: packagePath('.'), stdio: ['ignore', 'pipe', 'ignore'] as ('ignore' | 'pipe')[] };
    return execFileSync('git', ['rev-parse', 'HEAD'], options).toString().trim();
  } catch {
    return null;
  }
}

/** The error when a trained stage is needed that the run does not have. */
export function noStage(run: Run, stage: string): SparkError {
  const prefix = trainName('');
  const trained = Object.keys(run.records.all()).filter((name) => name.startsWith(prefix));
  const names = trained.map((name) => name.slice(prefix.length));
  const best = names.map(bestName).filter((name) => run.adapterOf(name) !== null);
  const there = trained.length === 0 ? 'no trained stage' : [...names, ...best].join(', ');
  return new SparkError(
    'no_data',
    `${run.folder.root} has no stage "${stage}"; it has ${there}; train it first: spark-rl train`,
  );
}
