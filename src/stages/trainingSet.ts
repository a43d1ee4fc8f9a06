/** Reads what a training stage learns from, in one pass over its rollout set, with one trajectory in memory at a time. */
import { existsSync } from 'node:fs';
import { SparkError } from '../errors.js';
import { generatorHash } from '../inference/llamaCpp.js';
import type { Probe } from '../parity/logprobs.js';
import { ShortestProbes } from '../parity/sequences.js';
import type { Run } from '../run/run.js';
import { collectSamples, type Objective } from '../train/method.js';
import { nameOfSet } from '../trajectory/rolloutSet.js';
import type { Sample } from '../trajectory/sample.js';
import { readTrajectories } from '../trajectory/store.js';
import type { SelectionRule, Trajectory } from '../trajectory/trajectory.js';

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
}

export async function readTrainingSet(
  run: Run,
  { selection, tau, rho, categories }: TrainingSetSpec,
  objective: Objective,
): Promise<TrainingSet> {
  const { folder, config, log, signal, parts } = run;
  const file = folder.trajectoriesFile(nameOfSet({ selection, tau }));
  if (!existsSync(file)) {
    throw new SparkError(
      'no_data',
      `expected rollouts at ${file}, got none; make some with: spark-rl generate --run ${folder.root} --selection ${selection} --tau ${tau}`,
    );
  }
  const own = await generatorHash(config.model.path, undefined, signal);
  const probes = new ShortestProbes(config.parity.tokens);
  let trajectories = 0;
  const others = new Map<string, number>();
  const look = (trajectory: Trajectory) => {
    const { generator } = trajectory;
    trajectories += 1;
    if (!generator.startsWith(own)) others.set(generator, (others.get(generator) ?? 0) + 1);
    probes.offer(trajectory);
  };
  const judged = { actions: parts.actions().map(({ name }) => name), rho, tau };
  const wanted = categories === undefined ? () => true : ({ category }: Trajectory) => categories.includes(category);
  const stored = chosen(readTrajectories(file, log), wanted);
  const samples = await collectSamples(objective, looking(stored, look), parts.reward(rho), judged);
  return { samples, probes: probes.take(), trajectories, others };
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
