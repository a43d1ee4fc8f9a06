/**
 * The layout of a run's folder, which no other file knows:
 *
 *   config.json                    resolved configuration, versions, commit, sha256 of the model
 *   stages.json                    every stage: what it depends on, its result, the hashes of its files
 *   trajectories/<set>.jsonl       append-only, one trajectory a line; beside it <set>.skips.jsonl
 *   judge-cache/                   the judge's verdicts
 *   adapters/<stage>-<step>.gguf   and the PEFT folder beside it; never overwritten
 *   adapters/<stage>-best/         step-<step>.gguf, the best on validation questions (`eval.every`)
 *   states/<stage>/                adapter, critic and moments of a training that another goes on from (ablate online)
 *   checkpoints/<stage>/           where an interrupted training goes on
 *   eval/<stage>.jsonl             answers to the test questions
 *   validation/<stage>.jsonl       answers to the validation questions; beside it <stage>.policy.jsonl, what the policy would
 *                                  choose in the states of rollouts on them
 *   judged/<judge>.jsonl           what another judge says of the run's rollouts (ablate judge); beside it
 *                                  <judge>.batches.json, what was sent to it in batches
 *   tensorboard/<stage>/           the curves of metrics.jsonl in TensorBoard's format
 *   mcp-tools.json                 what the servers of `tools.mcp` listed when the run began
 *   recordings.jsonl               what tools on the web and of MCP servers answered (`tools.record`)
 *   metrics.jsonl  parity.json  ladder.json  report.html
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import type { Config } from '../config/index.js';
import { dropDeadDrafts } from '../drafts.js';
import { SparkError, writeError } from '../errors.js';
import { readSealed, writeSealed } from '../sealed.js';
import { LOCK_FILE } from './lock.js';
import { MetricsFile } from './metricsFile.js';
import { dropNativeDrafts } from './nativeDrafts.js';

/** Increased whenever this program can no longer continue folders of the version before. */
const LAYOUT = 2;

/** What a run writes into its folder, in this layout and the one before. Nothing else there is ours to remove. */
const FILES = ['config.json', 'stages.json', 'metrics.jsonl', 'parity.json', 'ladder.json', 'report.html'];
const FOLDERS = ['trajectories', 'judge-cache', 'adapters', 'checkpoints', 'eval'];
const OF_LAYOUT_1 = ['trajectories.jsonl', 'trajectories.skips.jsonl', 'rollouts.json'];
/** Made when they are first needed. */
const LATER = ['mcp-tools.json', 'recordings.jsonl', 'judged', 'validation', 'tensorboard', 'states'];
const OWN = [...FILES, ...FOLDERS, ...LATER, ...OF_LAYOUT_1];

/** In a folder of runs of one configuration, one for each seed (run/sweepFolder.ts). */
export const SWEEP_FILE = 'sweep.json';

/** What config.json says beside the configuration: which version wrote it, and when. */
export interface RunFacts {
  readonly layout: number;
  readonly [name: string]: unknown;
}

export type StoredConfig = Config & { readonly run?: RunFacts };

export class RunFolder {
  readonly root: string;
  readonly metrics: MetricsFile;
  /** Whether `open` made the folder, so that it may be removed when it stays empty. */
  #isNew = false;

  private constructor(root: string) {
    this.root = root;
    this.metrics = new MetricsFile(path.join(root, 'metrics.jsonl'));
  }

  /**
   * Opens a run's folder, creating it when it does not exist. Throws `unsupported_file` for a folder whose config.json
   * is not a run's.
   */
  static open(root: string, { fresh = false } = {}): RunFolder {
    const folder = new RunFolder(root);
    folder.checkOurs(); // with `fresh`, too
    // Throws for a folder of another version, before anything is written into it; with `fresh` it will be emptied
    // anyway.
    if (!fresh) folder.readConfig();
    folder.#isNew = makeFolder(root);
    return folder;
  }

  /** The configuration stored in a run, or null; creates nothing. */
  static peek(root: string): StoredConfig | null {
    return new RunFolder(root).readConfig();
  }

  /** A run that need not be there yet: to look at what it may have. Creates nothing. */
  static planned(root: string): RunFolder {
    const folder = new RunFolder(root);
    folder.readConfig();
    return folder;
  }

  /** Opens a run that must exist. */
  static existing(root: string): RunFolder {
    if (RunFolder.peek(root) !== null) return new RunFolder(root);
    throw new SparkError(
      'no_data',
      `no run at ${root}: expected a config.json there; start one with spark-rl generate`,
    );
  }

  /** Opens a run that must exist, also one that can only be removed: of another layout, or damaged. */
  static ofAnyLayout(root: string): RunFolder {
    const folder = new RunFolder(root);
    folder.checkOurs();
    return folder;
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
  /** Results of the parity check before training, kept by files and tokens. */
  get parityFile() {
    return path.join(this.root, 'parity.json');
  }
  /** What the servers of `tools.mcp` listed. */
  get mcpFile() {
    return path.join(this.root, 'mcp-tools.json');
  }
  /** What tools on the web and of MCP servers answered. */
  get recordingsFile() {
    return path.join(this.root, 'recordings.jsonl');
  }
  get ladderFile() {
    return path.join(this.root, 'ladder.json');
  }

  /** `set`: the name of the rollout set (`nameOfSet`). */
  trajectoriesFile(set: string) {
    return path.join(this.root, 'trajectories', `${set}.jsonl`);
  }

  /** The files of all rollout sets of the run. */
  trajectoryFiles(): string[] {
    return this.#jsonlOf('trajectories');
  }

  /** The files of all evaluations on test questions. */
  evalFiles(): string[] {
    return this.#jsonlOf('eval');
  }

  #jsonlOf(name: string): string[] {
    const folder = path.join(this.root, name);
    if (!existsSync(folder)) return [];
    const names = readdirSync(folder).filter((one) => one.endsWith('.jsonl') && !one.endsWith('.skips.jsonl'));
    return names.sort().map((one) => path.join(folder, one));
  }

  evalFile(stage: string, part: 'test' | 'validation' = 'test') {
    return path.join(this.root, part === 'test' ? 'eval' : 'validation', `${stage}.jsonl`);
  }

  policyFile(stage: string) {
    return path.join(this.root, 'validation', `${stage}.policy.jsonl`);
  }

  /** `<stage>-<step>.gguf`: every save has its own name, because llama.cpp caches adapters by path. */
  adapterFile(stage: string, step: number) {
    return path.join(this.root, 'adapters', `${stage}-${step}.gguf`);
  }

  /** Of adapters that a training measures on validation questions. */
  bestFolder(stage: string) {
    return path.join(this.root, 'adapters', bestName(stage));
  }

  /** `judge`: the name it has in `ablate.judges`. */
  judgedFile(judge: string) {
    return path.join(this.root, 'judged', `${judge}.jsonl`);
  }

  batchesFile(judge: string) {
    return path.join(this.root, 'judged', `${judge}${BATCHES}`);
  }

  /** The files of all judges to which something was sent in batches, by their names. */
  batchesFiles(): ReadonlyMap<string, string> {
    const folder = path.join(this.root, 'judged');
    const names = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith(BATCHES)) : [];
    return new Map(names.sort().map((name) => [name.slice(0, -BATCHES.length), path.join(folder, name)]));
  }

  tensorboardFolder(stage: string) {
    return path.join(this.root, 'tensorboard', stage);
  }

  /** What a later training goes on from. */
  stateFolder(stage: string) {
    return path.join(this.root, 'states', stage);
  }

  checkpointFolder(stage: string) {
    return path.join(this.root, 'checkpoints', stage);
  }

  /** Removes drafts of processes that were killed; the caller holds the run's lock. */
  dropDrafts(): void {
    dropDeadDrafts(this.root);
    for (const name of ['adapters', 'checkpoints', 'states']) dropNativeDrafts(path.join(this.root, name));
  }

  /** Removes what the run wrote, except its lock, which the caller must hold. Files that are not the run's stay. */
  clear(): void {
    this.#removeOwn();
  }

  /** Removes the folder when `open` made it and nothing was written into it. */
  removeUnused(): void {
    if (this.#isNew && existsSync(this.root) && readdirSync(this.root).length === 0) rmdirSync(this.root);
  }

  /** Removes the run with its lock, which the caller must hold. Returns the names of other files, which stay. */
  remove(): string[] {
    this.#removeOwn();
    try {
      rmSync(path.join(this.root, LOCK_FILE), { force: true });
      const left = readdirSync(this.root);
      if (left.length === 0) rmdirSync(this.root);
      return left;
    } catch (error) {
      throw writeError(error, this.root);
    }
  }

  #removeOwn(): void {
    dropDeadDrafts(this.root);
    try {
      for (const name of OWN) rmSync(path.join(this.root, name), { recursive: true, force: true });
    } catch (error) {
      throw writeError(error, this.root);
    }
  }

  /** Throws `unsupported_file` for a sweep, and when there is a config.json of something else, such as a model's. */
  checkOurs(): void {
    if (existsSync(path.join(this.root, SWEEP_FILE))) {
      throw new SparkError(
        'unsupported_file',
        `${this.root} is a sweep, a folder with a run for each seed: name one of them (--run ${path.join(this.root, 'seed-1')}), ` +
          'or go on with the sweep by --seeds',
      );
    }
    if (!existsSync(this.configFile) || this.#isOurs()) return;
    throw new SparkError(
      'unsupported_file',
      `${this.root} is no run: expected a run's config.json there, got another file of that name; nothing was changed. ` +
        'Give another --run',
    );
  }

  /** By what config.json says; when it cannot be read, by the folders that every run has. */
  #isOurs(): boolean {
    try {
      const { run } = JSON.parse(readFileSync(this.configFile, 'utf8')) as { readonly run?: unknown };
      return typeof run === 'object' && run !== null;
    } catch {
      return ['adapters', 'checkpoints', 'judge-cache'].every((name) => existsSync(path.join(this.root, name)));
    }
  }

  /** Makes the folders, too: a folder with a config.json is a whole run. */
  async writeConfig(config: Config, facts: Readonly<Record<string, unknown>>): Promise<void> {
    for (const name of FOLDERS) makeFolder(path.join(this.root, name));
    await writeSealed(this.configFile, { ...config, run: { layout: LAYOUT, ...facts } });
  }

  /** The configuration this run was made with, or null. Throws `unsupported_file` for a run of another version. */
  readConfig(): StoredConfig | null {
    this.checkOurs();
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

/** The name by which a stage's best adapter is asked for: `spark-best`. */
export function bestName(stage: string): string {
  return `${stage}${BEST}`;
}

/** The stage whose best adapter the name asks for; null where it asks for none. */
export function stageOfBest(name: string): string | null {
  return name.endsWith(BEST) && name.length > BEST.length ? name.slice(0, -BEST.length) : null;
}

const BEST = '-best';
const BATCHES = '.batches.json';

/** Returns false when it was there. */
function makeFolder(folder: string): boolean {
  try {
    return mkdirSync(folder, { recursive: true }) !== undefined;
  } catch (error) {
    throw writeError(error, folder);
  }
}

/** `runs/<name>`, or the path itself when it has a slash. */
export function runRoot(name: string, base = 'runs'): string {
  return name.includes(path.sep) ? path.resolve(name) : path.resolve(base, name);
}
