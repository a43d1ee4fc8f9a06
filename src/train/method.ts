/**
 * The contract of a training method: a name, a section of the configuration, and an objective made from that section. A
 * new method is a file and a line in methods.ts; configuration, stages, command line and `verify resume` follow from
 * it.
 */
import type { z } from 'zod';
import type { Adapter, AdapterOptions, Critic, Model } from '../engine/types.js';
import { SparkError } from '../errors.js';
import { checkedReward, type Reward } from '../reward.js';
import type { JudgedActions } from '../trajectory/decision.js';
import type { Sample } from '../trajectory/sample.js';
import type { SelectionRule, Step, Trajectory } from '../trajectory/trajectory.js';
import type { TrainContext } from './trainer.js';

/** The reward of a step; null when the judge left out something that it depends on. */
export type StepReward = (step: Step) => Reward | null;

/** What is trained, by name: the adapter, and whatever else the method trains. */
export type Trainables = Readonly<Record<string, Adapter | Critic>>;

export interface TrainResult {
  /** Optimizer steps */
  readonly steps: number;
  /** Trajectories learned from */
  readonly samples: number;
  readonly [metric: string]: number;
}

/** The defaults of a training stage of this method. */
export interface StageDefaults {
  readonly name: string;
  /** The selection of the rollout set that is learned from. */
  readonly selection: SelectionRule;
  /** `base`, the name of a trained stage, or the path of an adapter. */
  readonly init: string;
}

export interface Objective {
  stage(rho: number): StageDefaults;
  /**
   * The sample that a trajectory gives; null when nothing is learned from it. `judged`: the actions whose scores it may learn
   * from, or have measured; absent: it gets the actions taken alone.
   */
  sample(trajectory: Trajectory, reward: StepReward, judged?: JudgedActions): Sample | null;
  /** For the message when no trajectory gives a sample: what a trajectory has to be, as in `SFT wants …`. */
  readonly wants: string;
  /** The settings that the result depends on. */
  readonly decisive: object;
  /** Files and folders that the result depends on, by their content; absent: none. */
  readonly files?: readonly string[];
  trainables(model: Model, adapter: Adapter, options: AdapterOptions): Promise<Trainables>;
  /** Trains the trainables. An interrupted training saves a checkpoint and throws `interrupted`. */
  train(trainables: Trainables, samples: readonly Sample[], context: TrainContext): Promise<TrainResult>;
}

export interface Method<Name extends string = string, Settings extends object = object> {
  readonly name: Name;
  /** Its section of the configuration, with defaults. */
  readonly settings: z.ZodType<Settings>;
  /** Makes the objective from that section, which is parsed first; throws a ZodError when it is not valid. */
  with(settings: unknown): Objective;
}

export function defineMethod<Name extends string, Settings extends object>(
  name: Name,
  settings: z.ZodType<Settings>,
  objective: (settings: Settings) => Objective,
): Method<Name, Settings> {
  return { name, settings, with: (given) => objective(settings.parse(given)) };
}

/** The samples of all trajectories that give one. Throws `no_data` when none does. */
export async function collectSamples(
  objective: Objective,
  trajectories: Iterable<Trajectory> | AsyncIterable<Trajectory>,
  reward: StepReward,
  judged?: JudgedActions,
): Promise<Sample[]> {
  const samples: Sample[] = [];
  let count = 0;
  for await (const trajectory of trajectories) {
    count += 1;
    const sample = objective.sample(trajectory, checkedReward(trajectory, reward), judged);
    if (sample !== null) samples.push(sample);
  }
  if (samples.length > 0) return samples;
  throw new SparkError(
    'no_data',
    `nothing to learn from: ${objective.wants}, and none of ${count} trajectories is so; generate more`,
  );
}
