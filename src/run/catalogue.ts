/** Lists the runs in a folder, compares runs, and removes them. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { SparkError, toSparkError } from '../errors.js';
import type { Log } from '../log.js';
import { checkKeys, type KeysOf } from '../options.js';
import { bestText, type TrainedBest } from './best.js';
import { RunFolder, runRoot } from './folder.js';
import { lockRun, type RunLock } from './lock.js';
import { refuseOpenBatches } from './openBatches.js';
import { type StageRecord, StageRecords } from './records.js';
import { SweepFolder } from './sweepFolder.js';

export interface RunEntry {
  readonly name: string;
  readonly folder: string;
  readonly bytes: number;
  /** ISO date when a command last began its work in the run; null when that cannot be read */
  readonly written: string | null;
  /** Stages that are finished, in the order in which they began. */
  readonly finished: readonly string[];
  /** Stages that were begun and are not finished. */
  readonly unfinished: readonly string[];
  /** Best adapters of its trainings, which `<stage>-best` names: `spark-best: accuracy 84.0 % after 40 steps` */
  readonly best: readonly string[];
  /** Why the run cannot be read, or null. */
  readonly problem: string | null;
}

/**
 * Every folder in `base` that is a run, sorted by name. A sweep is listed with what its experiments have finished, and after
 * it its runs under the paths by which they are named: `runs/my/seed-1`.
 */
export function listRuns(base = 'runs'): RunEntry[] {
  if (!existsSync(base)) return [];
  const names = readdirSync(base, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && isRunOrSweep(path.join(base, entry.name)))
    .map((entry) => entry.name);
  return names.sort().flatMap((name) => {
    const folder = path.resolve(base, name);
    if (!SweepFolder.isSweep(folder)) return [describeRun(folder)];
    const runs = runsOf(folder).map((run) => ({
      ...describeRun(run),
      name: path.join(base, name, path.basename(run)),
    }));
    return [describeSweep(folder, runs), ...runs];
  });
}

function isRunOrSweep(folder: string): boolean {
  return SweepFolder.isSweep(folder) || existsSync(path.join(folder, 'config.json'));
}

/** The folders of a sweep's runs. */
function runsOf(folder: string): string[] {
  const sweep = SweepFolder.at(folder);
  return sweep.seeds().map((seed) => sweep.runFolder(seed));
}

/** A sweep as an entry: its experiments are what is finished in it. */
function describeSweep(folder: string, runs: readonly RunEntry[]): RunEntry {
  const problems = runs.filter(({ problem }) => problem !== null).length;
  return {
    name: path.basename(folder),
    folder,
    bytes: sizeOf(folder),
    written:
      runs
        .flatMap(({ written }) => written ?? [])
        .sort()
        .at(-1) ?? null,
    finished: SweepFolder.at(folder).results(),
    unfinished: [],
    best: [],
    problem: problems === 0 ? null : `${problems} of its ${runs.length} runs cannot be read`,
  };
}

function describeRun(folder: string): RunEntry {
  const common = { name: path.basename(folder), folder, bytes: sizeOf(folder) };
  try {
    const { config, stages } = readRun(folder);
    const written = config.run?.written;
    return {
      ...common,
      written: typeof written === 'string' ? written : null,
      finished: Object.keys(stages).filter((name) => stages[name]!.finished !== null),
      unfinished: Object.keys(stages).filter((name) => stages[name]!.finished === null),
      best: bestOf(stages),
      problem: null,
    };
  } catch (error) {
    const { code, message } = toSparkError(error);
    return { ...common, written: null, finished: [], unfinished: [], best: [], problem: `[${code}] ${message}` };
  }
}

function bestOf(stages: Readonly<Record<string, StageRecord>>): string[] {
  return Object.entries(stages).flatMap(([name, { finished }]) => {
    const { validation } = (finished?.result ?? {}) as { readonly validation?: TrainedBest };
    return validation === undefined ? [] : [bestText(name.slice(name.indexOf(' ') + 1), validation)];
  });
}

function readRun(folder: string) {
  const run = RunFolder.existing(folder);
  return { config: run.readConfig()!, stages: new StageRecords(run.stagesFile).all() };
}

/** One key with its value in each run; undefined for a run without it. */
export interface Difference {
  /** `rollout.tau` */
  readonly key: string;
  readonly values: readonly unknown[];
}

export interface RunComparison {
  readonly runs: readonly string[];
  /** Settings that are not the same in all runs. */
  readonly settings: readonly Difference[];
  /** All results of the stages, also equal ones. */
  readonly results: readonly Difference[];
}

/**
 * Lays settings and results of runs side by side: plain values, without lists of objects. A sweep stands for all its runs.
 */
export function compareRuns(given: readonly string[]): RunComparison {
  const chosen = given.flatMap((name) => {
    const root = runRoot(name);
    if (!SweepFolder.isSweep(root)) return [{ name, root }];
    return runsOf(root).map((run) => ({ name: path.join(name, path.basename(run)), root: run }));
  });
  const names = chosen.map(({ name }) => name);
  const runs = chosen.map(({ root }) => readRun(root));
  const settings = sideBySide(runs.map(({ config: { run: _facts, name: _name, ...config } }) => flat(config)));
  const results = sideBySide(runs.map(({ stages }) => flat(resultsOf(stages))));
  return { runs: names, settings: settings.filter(({ values }) => !allEqual(values)), results };
}

function resultsOf(stages: Readonly<Record<string, StageRecord>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(stages).map(([name, { finished }]) => [name, finished?.result]));
}

function sideBySide(rows: readonly ReadonlyMap<string, unknown>[]): Difference[] {
  const keys = new Set(rows.flatMap((row) => [...row.keys()]));
  return [...keys].map((key) => ({ key, values: rows.map((row) => row.get(key)) }));
}

function allEqual(values: readonly unknown[]): boolean {
  return values.every((value) => JSON.stringify(value) === JSON.stringify(values[0]));
}

/** `{ a: { b: 1 } }` becomes `a.b → 1`. A list of plain values is one value; lists of objects are left out. */
function flat(value: unknown, key = '', into = new Map<string, unknown>()): Map<string, unknown> {
  if (Array.isArray(value)) {
    if (value.every((one) => typeof one !== 'object')) into.set(key, value);
  } else if (typeof value === 'object' && value !== null) {
    for (const [name, inner] of Object.entries(value)) flat(inner, key === '' ? name : `${key}.${name}`, into);
  } else if (value !== undefined) {
    into.set(key, value);
  }
  return into;
}

export interface RemoveOptions {
  /** Also a run that has requests under way in a judge's batches; their answers are lost. Default false */
  readonly abandonBatches?: boolean;
}

const REMOVE = { abandonBatches: true } as const satisfies KeysOf<RemoveOptions>;

/**
 * Removes a run with all it holds. Throws `run_locked` while a process is at work in it, `judge_batch_open` while a judge's
 * server works for it, `no_data` where there is none.
 */
export function removeRun(name: string, log: Log, options: RemoveOptions = {}): RunEntry {
  checkKeys(options, REMOVE, 'removeRun: options');
  const folder = runRoot(name);
  if (SweepFolder.isSweep(folder)) return removeSweep(folder, log, options);
  // A folder that is not a run is never removed.
  if (!existsSync(path.join(folder, 'config.json'))) {
    throw new SparkError('no_data', `no run at ${folder}: expected a folder with a config.json; nothing was removed`);
  }
  const run = RunFolder.ofAnyLayout(folder);
  const entry = describeRun(folder);
  const lock = lockRun(folder, log);
  try {
    if (options.abandonBatches !== true) refuseOpenBatches(run);
    const left = run.remove();
    if (left.length > 0) log.warn(`${folder} stays: ${left.join(', ')} is not of the run`);
  } finally {
    lock.release();
  }
  return entry;
}

/** Removes all runs of a sweep, or none when a process is at work in one of them, and then what else is the sweep's. */
function removeSweep(folder: string, log: Log, { abandonBatches = false }: RemoveOptions): RunEntry {
  const roots = runsOf(folder);
  const entry = describeSweep(folder, roots.map(describeRun));
  const runs = roots.map(RunFolder.ofAnyLayout);
  const locks: RunLock[] = [];
  try {
    for (const root of roots) locks.push(lockRun(root, log));
    if (!abandonBatches) runs.forEach(refuseOpenBatches);
    for (const run of runs) {
      const left = run.remove();
      if (left.length > 0) log.warn(`${run.root} stays: ${left.join(', ')} is not of the run`);
    }
    const left = SweepFolder.at(folder).removeOwn();
    if (left.length > 0) log.warn(`${folder} stays: ${left.join(', ')} is not of the sweep`);
  } finally {
    for (const lock of locks) lock.release();
  }
  return entry;
}

function sizeOf(folder: string): number {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  return names.reduce((sum, name) => {
    const stat = statSync(path.join(folder, name), { throwIfNoEntry: false });
    return sum + (stat?.isFile() ? stat.size : 0);
  }, 0);
}
