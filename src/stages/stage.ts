/**
 * A stage of a run: its name, what its result depends on, and how it is made. `perform` decides for every stage whether
 * the work has to be done.
 */
import { existsSync } from 'node:fs';
import path from 'node:path';
import type { Config } from '../config/index.js';
import { SparkError, throwIfAborted } from '../errors.js';
import { fileSha256 } from '../inference/fileHash.js';
import { type Change, changes, type Facts } from '../run/freshness.js';
import type { Finished } from '../run/records.js';
import type { Run } from '../run/run.js';
import type { GenerationPrice } from './price.js';

export interface Outcome<Result> {
  /** Plain data, which is kept in stages.json. */
  readonly result: Result;
  /** Paths of the files that the result needs. */
  readonly files: readonly string[];
  /** Paths of copies, which the user may delete. */
  readonly copies?: readonly string[];
  /** False when something was left out that another try may add. */
  readonly complete: boolean;
  /** Pieces of work that this try has done, as `Pace` counts them; 0 or absent: its time tells nothing. */
  readonly units?: number;
}

export interface Stage<Result> {
  /** Unique in a run: `train sft`. */
  readonly name: string;
  dependsOn(run: Run): Promise<Facts>;
  /**
   * Called before `execute`. `changed` lists the facts that have changed since the stage's files in the folder were
   * made; null when nothing is recorded about them. Removes files that are of no use any more, or throws when they are
   * too valuable to be removed.
   */
  prepare(run: Run, changed: readonly Change[] | null): Promise<void>;
  /** Goes on where an earlier try was interrupted. */
  execute(run: Run): Promise<Outcome<Result>>;
  /**
   * For a stage that asks the judge: what is left to ask; null where the configuration says that it does not. `root`: the
   * run's folder, which need not exist. `goesOn`: false where what an earlier try left behind depends on something else now.
   */
  price?(config: Config, root: string, goesOn: boolean): Promise<GenerationPrice | null>;
  /** Keeps weights and moments beside its adapter, for a later training to go on from. */
  readonly leavesState?: boolean;
  /** Once the result stands in stages.json: removes what was only needed to get there. */
  settle?(run: Run): void;
  /** For the message: what to do about a file that is not what was saved. Absent: the stage makes the file again. */
  remedyFor?(run: Run, file: string): string;
}

/** Throws `invalid_argument` for what is no run. `what`: the function that takes it. */
export function requireRun(run: Run, what: string): void {
  if (typeof (run as Partial<Run> | undefined)?.requireWritable === 'function') return;
  throw new SparkError('invalid_argument', `${what}: run: expected a run, as Run.open gives; pass one`);
}

/**
 * The stage's result: the stored one when it is complete, intact and its facts are the same, else a new one. Throws
 * `disposed` for a run that was closed and `invalid_argument` for one opened with `Run.read`.
 */
export async function perform<Result>(run: Run, stage: Stage<Result>): Promise<Result> {
  requireRun(run, 'perform');
  if (typeof (stage as Partial<Stage<Result>> | undefined)?.execute !== 'function')
    throw new SparkError('invalid_argument', 'perform: stage: expected a stage such as trainStage(spec); pass one');
  throwIfAborted(run.signal);
  run.requireWritable();
  const facts = await stage.dependsOn(run);
  const { finished, begun } = run.records.get(stage.name);
  const fresh = finished?.complete === true && changes(finished.dependsOn, facts).length === 0;
  if (fresh && (await isIntact(run, stage, finished))) {
    run.log.info(`${stage.name}: done already`);
    stage.settle?.(run);
    return finished.result as Result;
  }
  const before = begun ?? finished?.dependsOn ?? null;
  await stage.prepare(run, before === null ? null : changes(before, facts));
  await run.storeConfig();
  await run.records.begin(stage.name, facts);
  const started = performance.now();
  const { result, files, copies = [], complete, units = 0 } = await stage.execute(run);
  const pace = units > 0 ? { seconds: (performance.now() - started) / 1000, units } : finished?.pace;
  await run.records.finish(stage.name, {
    dependsOn: facts,
    files: await hashesOf(run, files),
    copies: await hashesOf(run, copies),
    result,
    complete,
    ...(pace === undefined ? {} : { pace }),
  });
  stage.settle?.(run);
  return result;
}

async function hashesOf(run: Run, files: readonly string[]): Promise<Record<string, string>> {
  const hashes: Record<string, string> = {};
  for (const file of files) hashes[path.relative(run.folder.root, file)] = await fileSha256(file);
  return hashes;
}

/** Whether the files exist and are what was saved. Throws `invalid_file` when one is not and the stage has a remedy. */
export async function isIntact<Result>(
  run: Run,
  stage: Pick<Stage<Result>, 'name' | 'remedyFor'>,
  { files, copies }: Finished,
): Promise<boolean> {
  let intact = true;
  for (const [name, expected] of Object.entries({ ...files, ...copies })) {
    const file = path.join(run.folder.root, name);
    if (!existsSync(file)) {
      intact &&= name in copies;
      continue;
    }
    const got = await fileSha256(file);
    if (got === expected) continue;
    intact = false;
    if (stage.remedyFor === undefined) continue;
    throw new SparkError(
      'invalid_file',
      `${file} is not what was saved: expected sha256 ${expected}, got ${got}; ${stage.remedyFor(run, file)}`,
    );
  }
  return intact;
}
