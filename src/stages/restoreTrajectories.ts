/**
 * The stage that brings exported trajectories (Parquet) into a run as the rollout set that they were, to the last field. It
 * has the name of the stage that would generate that set: one set has one origin (importRollouts.ts).
 */
import path from 'node:path';
import { SparkError, throwIfAborted } from '../errors.js';
import { fileSha256 } from '../inference/fileHash.js';
import type { Run } from '../run/run.js';
import { readTrajectoryParquet, setOfParquet } from '../trajectory/parquet/read.js';
import { nameOfSet, partOf, type RolloutSet, ruleOf } from '../trajectory/rolloutSet.js';
import { SeenIds } from '../trajectory/seenIds.js';
import { parquetFiles } from '../trajectory/sparkFile.js';
import { TrajectoryStore } from '../trajectory/store.js';
import type { Trajectory } from '../trajectory/trajectory.js';
import { refuseMixture } from './importRollouts.js';
import type { Outcome, Stage } from './stage.js';

export interface RestoreSummary {
  /** Relative to the run folder */
  readonly file: string;
  readonly set: string;
  readonly trajectories: number;
  readonly steps: number;
}

/**
 * Of Parquet files, or folders of them, of one set. Throws `no_data` where they hold nothing, `invalid_file` for what is no
 * trajectory or of another set.
 */
export async function restoreStage(given: readonly string[]): Promise<Stage<RestoreSummary>> {
  const files = parquetFiles(given);
  const set = await setOf(files);
  const name = nameOfSet(set);
  return {
    name: `generate ${name}`,
    async dependsOn({ signal }) {
      const hashes: string[] = [];
      for (const file of files) hashes.push(await fileSha256(file, signal));
      return { set: name, restored: hashes.sort() };
    },
    async prepare(run, changed) {
      refuseMixture(run.folder.trajectoriesFile(name), changed);
    },
    execute: (run) => restore(run, files, set),
  };
}

/** By the first trajectory; whether its questions are those of validation only the file itself says. */
async function setOf(files: readonly string[]): Promise<RolloutSet> {
  for (const file of files) {
    for await (const trajectory of readTrajectoryParquet(file)) {
      return { ...ruleIn(trajectory), questions: partOf((await setOfParquet(file)) ?? '') };
    }
  }
  throw new SparkError('no_data', `${files.join(', ')}: expected trajectories, got none`);
}

/** The stage whose adapter wrote it stands in the id alone. */
function ruleIn({ id, selection, tau }: Trajectory): RolloutSet {
  const by = /-by-([^:]+):\d+$/.exec(id)?.[1];
  return { selection, tau, ...(by === undefined ? {} : { by }) };
}

async function restore(run: Run, files: readonly string[], set: RolloutSet): Promise<Outcome<RestoreSummary>> {
  const { folder, log, signal } = run;
  const name = nameOfSet(set);
  const file = folder.trajectoriesFile(name);
  let steps = 0;
  const count = (trajectory: Trajectory) => {
    steps += trajectory.steps.length;
  };
  const store = await TrajectoryStore.open(file, { log, onStored: count });
  const seen = new SeenIds();
  try {
    for (const source of files) {
      for await (const trajectory of readTrajectoryParquet(source)) {
        throwIfAborted(signal);
        if (ruleOf(ruleIn(trajectory)) !== ruleOf(set)) throw otherSet(source, trajectory, name);
        const isStored = store.has(trajectory.id);
        if (!seen.add(trajectory.id) && isStored) throw inTwoFiles(source, trajectory);
        // Of a try before this one.
        if (isStored) continue;
        store.append(trajectory);
        count(trajectory);
        if (store.size % 100 === 0) log.progress(`import ${name} ${store.size}`);
      }
    }
  } finally {
    store.close();
  }
  const result = { file: path.relative(folder.root, file), set: name, trajectories: store.size, steps };
  return { result, files: [file], complete: true };
}

function otherSet(file: string, trajectory: Trajectory, name: string): SparkError {
  return new SparkError(
    'invalid_file',
    `${file}: expected trajectories of ${name} alone, got ${trajectory.id} of ${nameOfSet(ruleIn(trajectory))}; import the sets apart`,
  );
}

function inTwoFiles(file: string, { id }: Trajectory): SparkError {
  return new SparkError(
    'invalid_file',
    `${file}: expected every trajectory once, got ${id}, which another file has, too`,
  );
}

export function restoreText({ set, trajectories, steps }: RestoreSummary): string {
  return `${set}: ${trajectories} trajectories with ${steps} steps, every field as it was`;
}
