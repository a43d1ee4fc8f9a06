/** Reads what a training stage learns from, in one pass over its rollout set, with one trajectory in memory at a time. */
import { existsSync } from 'node:fs';
import { SparkError } from '../errors.js';
import { generatorHash } from '../inference/llamaCpp.js';
import type { Probe } from '../parity/logprobs.js';
import { ShortestProbes } from '../parity/sequences.js';
import type { Run } from '../run/run.js';
import { collectSamples, type Objective } from '../train/method.js';
import { nameOfSet, type RolloutSet } from '../trajectory/rolloutSet.js';
import type { Sample } from '../trajectory/sample.js';
import { readTrajectories } from '../trajectory/store.js';
import type { SelectionRule, Trajectory } from '../trajectory/trajectory.js';
import { rolloutAdapter } from './rolloutFacts.js';

export interface TrainingSet {
  readonly samples: readonly Sample[];
  /** Some of the tokens that the model wrote, for comparing the two engines. */
  readonly probes: readonly Probe[];
  readonly trajectories: number;
  /** How many trajectories each generator wrote that does not bear this model's hash, by its id. */
  readonly others: ReadonlyMap<string, number>;
}

export interface TrainingSetSpec {
  readonly selection: SelectionRule;
  readonly tau: number;
  readonly rho: number;
  /** Absent: all. */
  readonly categories?: readonly string[];
  /** The stage whose adapter wrote them; absent: the base model. */
  readonly by?: string;
}

export async function readTrainingSet(
  run: Run,
  { selection, tau, rho, categories, by }: TrainingSetSpec,
  objective: Objective,
): Promise<TrainingSet> {
  const { folder, config, log, signal, parts } = run;
  const set = { selection, tau, ...(by === undefined ? {} : { by }) };
  const file = folder.trajectoriesFile(nameOfSet(set));
  if (!existsSync(file)) {
    throw new SparkError(
      'no_data',
      `expected rollouts at ${file}, got none; make some with: spark-rl generate --run ${folder.root} --selection ${selection} --tau ${tau}${by === undefined ? '' : ` --by ${by}`}`,
    );
  }
  const own = await generatorHash(config.model.path, undefined, signal);
  const probes = new ShortestProbes(config.parity.tokens);
  let trajectories = 0;
  const others = new Map<string, number>();
  const writer = await writerOf(run, set);
  const look = (trajectory: Trajectory) => {
    const { generator } = trajectory;
    if (writer !== null && generator !== writer) throw stale(file, trajectory, writer);
    trajectories += 1;
    if (!generator.startsWith(own)) others.set(generator, (others.get(generator) ?? 0) + 1);
    probes.offer(trajectory);
  };
  const judged = { actions: parts.actions().map(({ name }) => name), rho, tau };
  const wanted = categories === undefined ? () => true : ({ category }: Trajectory) => categories.includes(category);
  const stored = chosen(readTrajectories(file, log), wanted);
  const samples = await collectSamples(objective, looking(stored, look), parts.reward(rho), judged);
  return { samples: samples.toSorted(byId), probes: probes.take(), trajectories, others };
}

/** Rollouts are stored as they end; which of two ended first must not decide what is learned. */
function byId(one: Sample, other: Sample): number {
  return one.id < other.id ? -1 : 1;
}

/** The `Generator.id` of the adapter that the set is by; null where the base model wrote it. */
async function writerOf(run: Run, set: RolloutSet): Promise<string | null> {
  const adapter = rolloutAdapter(run, set);
  return adapter === null ? null : generatorHash(run.config.model.path, adapter, run.signal);
}

function stale(file: string, { id, generator }: Trajectory, writer: string): SparkError {
  return new SparkError(
    'stale_rollouts',
    `${file}: ${id} was not written by the adapter it is to be learned by: expected generator ${writer}, got ${generator}. That ` +
      'adapter was trained anew since, or the lines are of another run: remove the file, and generate it again (a generator of ' +
      'your own says in its id which model and adapter it is)',
  );
}

async function* looking<T>(source: AsyncIterable<T>, look: (item: T) => void): AsyncGenerator<T> {
  for await (const item of source) {
    look(item);
    yield item;
  }
}

async function* chosen<T>(source: AsyncIterable<T>, wanted: (item: T) => boolean): AsyncGenerator<T> {
  for await (const item of source) if (wanted(item)) yield item;
}
