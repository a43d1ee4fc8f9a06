/**
 * A training method as the rest of the program sees it: a name, what it can be told, and an objective made of that.
 * Adding one is adding its file and a line to methods.ts; configuration, stages, command line and `verify resume` take
 * it from there.
 */
import type { z } from 'zod';
import type { Adapter, AdapterOptions, Critic, Model } from '../engine/types.js';
import { SparkError } from '../errors.js';
import type { Reward } from '../reward.js';
import type { Sample } from '../trajectory/sample.js';
import type { SelectionRule, Step, Trajectory } from '../trajectory/trajectory.js';
import type { TrainContext } from './trainer.js';

/** What a step is worth; null where the judge left out what that stands on. */
export type StepReward = (step: Step) => Reward | null;

/** What the optimizer moves, by name: the adapter, and whatever the method needs beside it. */
export type Trainables = Readonly<Record<string, Adapter | Critic>>;

export interface TrainResult {
  /** Optimizer steps */
  readonly steps: number;
  /** Trajectories learned from */
  readonly samples: number;
  readonly [metric: string]: number;
}

/** A stage of this method when nobody says otherwise. */
export interface StageDefaults {
  readonly name: string;
  /** Rollouts of this rule are learned from. */
  readonly selection: SelectionRule;
  /** `base`, the name of a trained stage, or the path of an adapter. */
  readonly init: string;
}

export interface Objective {
  stage(rho: number): StageDefaults;
  /** What is learned from a trajectory; null: nothing. */
  sample(trajectory: Trajectory, reward: StepReward): Sample | null;
  /** What a trajectory has to be for that, to follow "none of 280 trajectories". */
  readonly wants: string;
  /** The settings that decide what is learned. */
  readonly decisive: object;
  trainables(model: Model, adapter: Adapter, options: AdapterOptions): Promise<Trainables>;
  /** Trains them. An interrupted training saves where it stood and throws `interrupted`. */
  train(trainables: Trainables, samples: readonly Sample[], context: TrainContext): Promise<TrainResult>;
}

export interface Method<Name extends string = string, Settings extends object = object> {
  readonly name: Name;
  /** Its section of the configuration, with defaults. */
  readonly settings: z.ZodType<Settings>;
  /** `settings` is that section, or what becomes one; throws a ZodError where it does not. */
  with(settings: unknown): Objective;
}

export function defineMethod<Name extends string, Settings extends object>(
  name: Name,
  settings: z.ZodType<Settings>,
  objective: (settings: Settings) => Objective,
): Method<Name, Settings> {
  return { name, settings, with: (given) => objective(settings.parse(given)) };
}

/** Samples of all that can be learned from. Throws `no_data` when that is nothing. */
export async function collectSamples(
  objective: Objective,
  trajectories: Iterable<Trajectory> | AsyncIterable<Trajectory>,
  reward: StepReward,
): Promise<Sample[]> {
  const samples: Sample[] = [];
  let count = 0;
  for await (const trajectory of trajectories) {
    count += 1;
    const sample = objective.sample(trajectory, reward);
    if (sample !== null) samples.push(sample);
  }
  if (samples.length > 0) return samples;
  throw new SparkError('no_data', `nothing to learn from: ${objective.wants}, and none of ${count} trajectories is so`);
}
