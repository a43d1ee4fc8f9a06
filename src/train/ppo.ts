/**
 * Offline step-wise PPO (arXiv 2507.11371; the losses are those of docs/algorithm.md). The algorithm:
 *
 *   for each iteration
 *     compute lp_old and V_old of every stored trajectory, once, with our own engine
 *     A_t = R_t − V_old(s_t)
 *     for each epoch, for each batch
 *       actor:  L_clip + β L_kl    critic:  (V(s_t) − R_t)²    (with criticTrunk: actor, one pass for both)
 *       stop the epoch when its mean KL to the reference passes the target
 *
 * lp_ref is of the actor before its first update, so it equals the lp_old of the first iteration.
 */
import { z } from 'zod';
import { signalOf } from '../abortable.js';
import type { Adapter, AdapterOptions, Critic, Model } from '../engine/types.js';
import { throwIfAborted, toSparkError } from '../errors.js';
import { mixSeeds, seededOrder } from '../random.js';
import { microBatches, pack, unpackSteps, unpackTokens } from '../trajectory/pack.js';
import { ppoSample, type Sample } from '../trajectory/sample.js';
import type { Trajectory } from '../trajectory/trajectory.js';
import { Checkpoints } from './checkpoint.js';
import { defineMethod } from './method.js';
import { fitMicroBatch } from './microBatch.js';
import { optimizerSettings, positive } from './optimizer.js';
import { PolicySums, type StepReport } from './policySums.js';
import { advance, klPassed, type Position, record, startPosition } from './ppoPosition.js';
import { learningRateAt } from './schedule.js';
import type { TrainContext } from './trainer.js';

export const ppoSettings = z.strictObject({
  ...optimizerSettings,
  learningRate: optimizerSettings.learningRate.default(1e-4),
  criticLearningRate: z.number().positive().default(3e-4),
  /** Rounds over the stored rollouts; each starts by computing lp_old and V_old. */
  iterations: positive.default(2),
  /** Passes over the rollouts in an iteration. */
  epochs: positive.default(2),
  /** ε */
  clip: z.number().positive().max(1).default(0.2),
  /** β */
  klCoefficient: z.number().min(0).default(0.1),
  targetKl: z.number().positive().default(0.2),
  ratio: z.enum(['token', 'step']).default('token'),
  /** Scale advantages to mean 0, deviation 1. */
  whiten: z.boolean().default(false),
  /** What the actor starts from: `base`, a trained stage of the run, or the path of an adapter. */
  init: z.string().default('sft'),
  /** Trajectories to learn from: all (`none`), those whose every step is coherent (`ok`), those with a right answer. */
  filter: z.enum(['none', 'ok', 'correct']).default('none'),
  /** Width of the critic head's hidden layer; null: C. */
  criticHidden: positive.nullable().default(null),
  /** Which trunk the value head reads: one with a LoRA of its `own`, or the `actor`'s, with one pass for both. */
  criticTrunk: z.enum(['own', 'actor']).default('own'),
  /** c_v: the actor's trunk learns L_actor + c_v L_v. Used only with criticTrunk: actor. */
  valueCoefficient: z.number().min(0).default(0.1),
});

export type PpoSettings = z.infer<typeof ppoSettings>;

export const ppo = defineMethod('ppo', ppoSettings, (settings) => ({
  stage: (rho) => ({ name: rho === 0 ? 'ppo' : 'spark', selection: 'min-score', init: settings.init }),
  sample: (trajectory, reward) => (wanted(trajectory, settings.filter) ? ppoSample(trajectory, reward) : null),
  wants: `PPO wants steps with a judge's verdict (ppo.filter: ${settings.filter})`,
  decisive: decisive(settings),
  async trainables(model, actor, options) {
    return { actor, critic: await createCritic(model, actor, settings, options) };
  },
  train: ({ actor, critic }, samples, context) =>
    trainPpo({ actor: actor as Adapter, critic: critic as Critic, samples, settings, context }),
}));

/** Whether the filter lets a trajectory through (docs/algorithm.md, Training sets). */
function wanted({ steps, correct }: Trajectory, filter: PpoSettings['filter']): boolean {
  if (filter === 'ok') return steps.every((step) => step.processOk === true);
  return filter === 'none' || correct;
}

/** The settings that the result depends on; with two trunks that is not the value coefficient. */
function decisive({ criticTrunk, valueCoefficient, ...others }: PpoSettings): object {
  return criticTrunk === 'own' ? others : { ...others, criticTrunk, valueCoefficient };
}

/** A fresh critic: a value head over a trunk with a LoRA of its own, or over the actor's trunk. */
export function createCritic(model: Model, actor: Adapter, settings: PpoSettings, options: AdapterOptions) {
  const { criticHidden, criticTrunk } = settings;
  const hidden = criticHidden === null ? {} : { hidden: criticHidden };
  return model.createCritic({ ...options, ...hidden, trunk: criticTrunk === 'actor' ? actor : undefined });
}

export interface PpoResult {
  readonly steps: number;
  readonly samples: number;
  /** Epochs cut short by the target KL. */
  readonly epochsStopped: number;
  /** Mean k3 and L_v of the last step. */
  readonly finalKl: number;
  readonly finalValueLoss: number;
  readonly [metric: string]: number;
}

export interface PpoInput {
  readonly actor: Adapter;
  readonly critic: Critic;
  readonly samples: readonly Sample[];
  readonly settings: PpoSettings;
  readonly context: TrainContext;
}

export async function trainPpo(input: PpoInput): Promise<PpoResult> {
  const { settings, samples, context } = input;
  const learner = new Learner(input, await Checkpoints.open(context, samples, decisive(settings)));
  const saved = await learner.resume();
  await context.begin?.(saved?.steps ?? 0);
  const at = saved ?? startPosition(await learner.passTokens());
  if (at.steps === 0) logRewards(samples, context);
  try {
    while (at.iteration < settings.iterations) {
      throwIfAborted(context.signal);
      if (at.epoch === 0 && at.batch === 0) await learner.takeBuffers(at.passTokens);
      const report = await learner.step(at);
      record(at, report, context);
      advance(at, settings, learner.batchesPerEpoch, klPassed(at, settings.targetKl, context));
      // Also after the last step: saving the adapter can still fail, and then the training must not be lost.
      if (at.steps % context.checkpointEvery === 0 || at.iteration === settings.iterations) await learner.save(at);
    }
  } catch (error) {
    const failure = toSparkError(error);
    if (failure.code === 'interrupted') await learner.save(at);
    throw failure;
  }
  const { steps, epochsStopped, finalKl, finalValueLoss } = at;
  return { steps, samples: samples.length, epochsStopped, finalKl, finalValueLoss };
}

/** What is computed once and used during an iteration, one array for each sample. */
interface Buffers {
  readonly oldLogprobs: readonly Float32Array[]; // (N) each
  readonly refLogprobs: readonly Float32Array[]; // (N) each
  readonly values: readonly Float32Array[]; // (T) each
}

/** Actor and critic with the samples they learn from: buffers, optimizer steps and checkpoints. */
class Learner {
  readonly batchesPerEpoch: number;
  readonly #input: PpoInput;
  readonly #samples: readonly Sample[];
  readonly #checkpoints: Checkpoints | null;
  #buffers: Buffers | null = null;
  /** (T) A_t per sample, of this iteration */
  #advantages: readonly Float32Array[] = [];

  constructor(input: PpoInput, checkpoints: Checkpoints | null) {
    this.#input = input;
    this.#samples = input.samples;
    this.#checkpoints = checkpoints;
    this.batchesPerEpoch = Math.ceil(input.samples.length / input.settings.batchTrajectories);
  }

  /** Most packed tokens of a pass; computed only for a new training, as a resumed one keeps the number it began with. */
  passTokens(): Promise<number> {
    const { actor, critic, settings, context } = this.#input;
    return fitMicroBatch([actor, critic], this.#samples, settings.microBatchTokens, context);
  }

  /** lp_old and V_old, computed once an iteration by our engine, because the inference library rounds differently. */
  async takeBuffers(passTokens: number): Promise<void> {
    const { actor, critic, context } = this.#input;
    const oldLogprobs: Float32Array[] = [];
    const values: Float32Array[] = [];
    for (const run of microBatches(this.#samples, passTokens)) {
      const old = await context.model.logprobsAndValues(pack(run), actor, critic, signalOf(context));
      oldLogprobs.push(...unpackTokens(run, old.logprobs));
      values.push(...unpackSteps(run, old.values));
      context.log.progress(`${context.stage} log-probs and values ${oldLogprobs.length}/${this.#samples.length}`);
    }
    this.#keep({ oldLogprobs, values, refLogprobs: this.#buffers?.refLogprobs ?? oldLogprobs });
  }

  #keep(buffers: Buffers): void {
    this.#buffers = buffers;
    this.#advantages = advantagesOf(this.#samples, buffers.values, this.#input.settings.whiten);
  }

  /** One optimizer step of actor and critic on one batch of trajectories. */
  async step(at: Position): Promise<StepReport> {
    const { actor, critic, settings, context } = this.#input;
    const rows = this.#batch(at);
    const tokens = rows.reduce((sum, row) => sum + row.lossTokens, 0); // N_a
    const steps = rows.reduce((sum, row) => sum + row.returns.length, 0); // T
    const { clip, klCoefficient, ratio, valueCoefficient, weightDecay, maxGradNorm } = settings;
    const policy = { normalizer: tokens, clip, klCoefficient, ratio, ...signalOf(context) };
    const value = { critic, normalizer: steps, coefficient: valueCoefficient };
    const sums = new PolicySums();
    await actor.zeroGrad();
    await critic.zeroGrad();
    for (const run of microBatches(rows, at.passTokens)) {
      const batch = pack(
        run,
        run.map((row) => row.columns),
      );
      const metrics = await actor.accumulatePolicy(batch, { ...policy, value });
      sums.addPolicy(metrics);
      sums.addValue(metrics.value!);
    }
    const share = this.#rateShare(at);
    const rates = { actor: share * settings.learningRate, critic: share * settings.criticLearningRate };
    const actorStep = await actor.optimizerStep({ learningRate: rates.actor, weightDecay, maxGradNorm });
    const criticStep = await critic.optimizerStep({ learningRate: rates.critic, weightDecay, maxGradNorm });
    return sums.report(klCoefficient, rates.actor, actorStep.gradNorm, criticStep.gradNorm);
  }

  async resume(): Promise<Position | null> {
    const { actor, critic } = this.#input;
    const saved = await this.#checkpoints?.load<Position>({ actor, critic });
    if (!saved) return null;
    if (saved.arrays.refLogprobs !== undefined) this.#keep(saved.arrays as unknown as Buffers);
    return saved.position;
  }

  async save(position: Position): Promise<void> {
    const { actor, critic } = this.#input;
    const arrays = { ...(this.#buffers ?? {}) };
    await this.#checkpoints?.save({ position, arrays, trainables: { actor, critic } }, `step-${position.steps}`);
  }

  #batch(at: Position) {
    const { batchTrajectories } = this.#input.settings;
    const buffers = this.#buffers!;
    const order = seededOrder(this.#samples.length, mixSeeds(this.#input.context.seed, at.iteration, at.epoch));
    return order.slice(at.batch * batchTrajectories, (at.batch + 1) * batchTrajectories).map((index) => ({
      ...this.#samples[index]!,
      columns: {
        oldLogprobs: buffers.oldLogprobs[index]!,
        refLogprobs: buffers.refLogprobs[index]!,
        advantages: this.#advantages[index]!,
      },
    }));
  }

  /** Counts planned steps, so that the schedule of later epochs does not change when an epoch is cut short. */
  #rateShare(at: Position): number {
    const { iterations, epochs, warmup } = this.#input.settings;
    const planned = (at.iteration * epochs + at.epoch) * this.batchesPerEpoch + at.batch;
    return learningRateAt(planned, iterations * epochs * this.batchesPerEpoch, 1, warmup);
  }
}

/** (T) for each sample: A_t = R_t − V_old(s_t), whitened over all steps of all samples if `whiten`. */
function advantagesOf(samples: readonly Sample[], values: readonly Float32Array[], whiten: boolean): Float32Array[] {
  const advantages = samples.map((sample, index) => sample.returns.map((r, t) => r - values[index]![t]!));
  if (!whiten) return advantages;
  const all = advantages.flatMap((array) => [...array]);
  const mean = all.reduce((sum, a) => sum + a, 0) / all.length;
  const deviation = Math.sqrt(all.reduce((sum, a) => sum + (a - mean) ** 2, 0) / all.length);
  return advantages.map((array) => array.map((a) => (a - mean) / (deviation + 1e-8)));
}

/** Logs the mean reward of the steps that are learned from, and its two terms apart (docs/algorithm.md, Reward). */
function logRewards(samples: readonly Sample[], context: TrainContext): void {
  const rewards = samples.flatMap((sample) => sample.rewards);
  const mean = (pick: (reward: (typeof rewards)[number]) => number) =>
    rewards.reduce((sum, reward) => sum + pick(reward), 0) / Math.max(1, rewards.length);
  context.metrics({
    stage: context.stage,
    event: 'rewards',
    steps: rewards.length,
    stepsWithoutVerdict: samples.reduce((sum, { unrewarded }) => sum + unrewarded, 0),
    rewardDiversity: mean((reward) => reward.diversity),
    rewardCoherence: mean((reward) => reward.coherence),
    reward: mean((reward) => reward.reward),
  });
}
