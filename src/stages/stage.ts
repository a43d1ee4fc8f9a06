/**
 * A stage of a run: it says its name, what its result depends on and how it is made. Whether that has to be done is decided
 * here, once for all of them.
 */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { SparkError, throwIfAborted } from '../errors.js';
import { fileSha256 } from '../inference/fileHash.js';
import { changes, type Facts } from '../run/freshness.js';
import type { Finished } from '../run/records.js';
import type { Run } from '../run/run.js';

export interface Outcome<Result> {
  /** Plain data: it is kept in stages.json. */
  readonly result: Result;
  /** Paths of what was made; without these the result is not there. */
  readonly files: readonly string[];
  /** Copies of it that may be taken away. */
  readonly copies?: readonly string[];
  /** False: something was left out that another try may add. */
  readonly complete: boolean;
}

export interface Stage<Result> {
  /** Unique in a run: `train sft`. */
  readonly name: string;
  dependsOn(run: Run): Promise<Facts>;
  /**
   * Before it is made anew. `changed`: the facts that are not those of what lies in the folder; null: nothing is known of
   * that. Removes what is of no use any more, or throws where it is worth too much.
   */
  prepare(run: Run, changed: readonly string[] | null): Promise<void>;
  /** Goes on where an earlier try was interrupted. */
  execute(run: Run): Promise<Outcome<Result>>;
  /** Once the result stands in stages.json: drops what only the way there needed. */
  settle?(run: Run): void;
  /** How to be rid of a file that is not what was saved; absent: the stage makes it anew by itself. */
  remedyFor?(run: Run, file: string): string;
}

/** The stage's result: what is there when nothing it depends on has changed, else made now. */
export async function perform<Result>(run: Run, stage: Stage<Result>): Promise<Result> {
  throwIfAborted(run.signal);
  const facts = await stage.dependsOn(run);
  const { finished, begun } = run.records.get(stage.name);
  if (finished !== null && changes(finished.dependsOn, facts).length === 0) {
    if ((await isIntact(run, stage, finished)) && finished.complete) {
      run.log.info(`${stage.name}: done already`);
      stage.settle?.(run);
      return finished.result as Result;
    }
  }
  const before = begun ?? finished?.dependsOn ?? null;
  await stage.prepare(run, before === null ? null : changes(before, facts));
  await run.records.begin(stage.name, facts);
  const { result, files, copies = [], complete } = await stage.execute(run);
  await run.records.finish(stage.name, {
    dependsOn: facts,
    files: await hashesOf(run, files),
    copies: await hashesOf(run, copies),
    result,
    complete,
  });
  stage.settle?.(run);
  return result;
}

async function hashesOf(run: Run, files: readonly string[]): Promise<Record<string, string>> {
  const hashes: Record<string, string> = {};
  for (const file of files) hashes[path.relative(run.folder.root, file)] = await fileSha256(file);
  return hashes;
}

/** Whether its files are there, and what was saved. `invalid_file` where one is not and the stage has a remedy. */
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
