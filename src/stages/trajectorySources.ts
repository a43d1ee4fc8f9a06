/** Where trajectories are read from: rollout sets and evaluations of a run, or files that were exported or taken elsewhere. */
import { closeSync, existsSync, openSync, readSync } from 'node:fs';
import path from 'node:path';
import { SparkError } from '../errors.js';
import type { Log } from '../log.js';
import { isParquet } from '../questions/isParquet.js';
import type { QuestionPart } from '../run/questions.js';
import { Run } from '../run/run.js';
import { readTrajectoryParquet, setOfParquet } from '../trajectory/parquet/read.js';
import { partOf } from '../trajectory/rolloutSet.js';
import { readTrajectories } from '../trajectory/store.js';
import type { Trajectory } from '../trajectory/trajectory.js';
import { evaluateName } from './evaluate.js';

export interface TrajectorySource {
  /** Of the rollout set or the stage; of a file its own name. */
  readonly name: string;
  readonly kind: 'set' | 'evaluation' | 'file';
  readonly file: string;
  /** τ for trajectories that have none; null: unknown. */
  readonly tau: number | null;
  /** The actions of the run; none are known of a file, and of a run whose own parts do not load. */
  readonly actionNames: readonly string[];
  /** The stage of the run that made it, and which of the run's questions it is about; null for a file. */
  readonly made: { readonly stage: string; readonly part: QuestionPart } | null;
  /** One by one, with one in memory at a time. */
  read(): AsyncGenerator<Trajectory>;
}

export interface SourceSpec {
  /** Folder of the run; absent: files alone. */
  readonly run?: string | undefined;
  /** Names of rollout sets; with neither sets nor stages, all sets of the run. */
  readonly sets?: readonly string[] | undefined;
  /** Stages whose answers to the test questions are meant. */
  readonly stages?: readonly string[] | undefined;
  /** JSONL as runs have it, or Parquet of `trajectories export`. */
  readonly files?: readonly string[] | undefined;
}

export interface OpenedSources {
  /** Opened for reading; null without one. */
  readonly run: Run | null;
  readonly sources: readonly TrajectorySource[];
}

/** Throws `no_data` where the run, a set, a stage or a file is not there, with the names that are. */
export async function openSources(
  { run: root, sets, stages, files = [] }: SourceSpec,
  options: { readonly log: Log; readonly signal: AbortSignal },
): Promise<OpenedSources> {
  if (root === undefined && (sets ?? stages) !== undefined) {
    throw new SparkError(
      'invalid_argument',
      'expected the run whose sets or stages are meant, got none; name it with --run',
    );
  }
  const run = root === undefined ? null : await Run.readWithParts(root, options);
  const ofRun = run === null ? [] : sourcesOf(run, sets, stages, options.log);
  return { run, sources: [...ofRun, ...files.map((file) => fileSource(file, options.log))] };
}

function sourcesOf(
  run: Run,
  sets: readonly string[] | undefined,
  stages: readonly string[] | undefined,
  log: Log,
): TrajectorySource[] {
  const { folder, config, parts } = run;
  const actionNames = parts.lost ? [] : parts.actions().map(({ name }) => name);
  const source = (
    kind: 'set' | 'evaluation',
    name: string,
    file: string,
    made: TrajectorySource['made'],
  ): TrajectorySource => {
    const read = () => readTrajectories(file, log);
    return { name, kind, file, made, tau: config.rollout.tau, actionNames, read };
  };
  const there = namesOf(folder.trajectoryFiles());
  const evaluated = namesOf(folder.evalFiles());
  for (const [what, wanted, names] of [
    ['rollout set', sets, there],
    ['evaluated stage', stages, evaluated],
  ] as const) {
    const missing = wanted?.find((name) => !names.includes(name));
    if (missing !== undefined) throw notThere(folder.root, what, missing, names);
  }
  const wanted = sets ?? (stages === undefined ? there : []);
  if (wanted.length + (stages ?? []).length === 0) throw notThere(folder.root, 'rollout set', null, evaluated);
  return [
    ...wanted.map((name) =>
      source('set', name, folder.trajectoriesFile(name), { stage: `generate ${name}`, part: partOf(name) }),
    ),
    ...(stages ?? []).map((name) =>
      source('evaluation', name, folder.evalFile(name), { stage: evaluateName(name), part: 'test' }),
    ),
  ];
}

function namesOf(files: readonly string[]): string[] {
  return files.map((file) => path.basename(file, '.jsonl'));
}

function notThere(root: string, what: string, name: string | null, there: readonly string[]): SparkError {
  const has = there.length === 0 ? 'none' : there.join(', ');
  const message =
    name === null
      ? `${root}: expected a rollout set, got none; make one with spark-rl generate` +
        (there.length === 0 ? '' : `, or look at an evaluation: --stage ${there.join(', --stage ')}`)
      : `${root}: expected the name of a ${what}, got ${name}; it has ${has}`;
  return new SparkError('no_data', message);
}

function fileSource(given: string, log: Log): TrajectorySource {
  const file = path.resolve(given);
  if (!existsSync(file)) throw new SparkError('no_data', `expected a file of trajectories at ${file}, got none`);
  const read = () => (isParquetFile(file) ? readTrajectoryParquet(file) : readTrajectories(file, log));
  return { name: path.basename(file), kind: 'file', file, tau: null, actionNames: [], made: null, read };
}

/** By its first bytes. Throws `io_error` for what cannot be read. */
function isParquetFile(file: string): boolean {
  const bytes = Buffer.alloc(4);
  try {
    const descriptor = openSync(file, 'r');
    try {
      readSync(descriptor, bytes, 0, 4, 0);
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    throw new SparkError('io_error', `cannot read trajectories from ${file}: ${(error as Error).message}`, {
      cause: error,
    });
  }
  return isParquet(bytes);
}

/** The name of the set that a source holds; a Parquet file says which, another file has its own name. */
export async function setNameOf({ kind, file, name }: TrajectorySource): Promise<string> {
  if (kind !== 'file') return name;
  const said = isParquetFile(file) ? await setOfParquet(file) : null;
  return said ?? path.basename(file, path.extname(file));
}
