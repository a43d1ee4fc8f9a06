/**
 * Offline step-wise PPO (arXiv 2507.11371; losses exactly as SPEC.md, Losses). Reads top to bottom as the algorithm:
 *
 *   for each iteration
 *     take lp_old and V_old of every stored trajectory, once, from our own engine
 *     A_t = R_t − V_old(s_t)
 *     for each epoch, for each batch
 *       actor:  L_clip + β L_kl    critic:  (V(s_t) − R_t)²    over one trunk (criticTrunk: actor): one pass for both
 *       stop the epoch when its mean KL to the reference passes the target
 *
 * lp_ref is the actor before its first update, so the first lp_old is it.
 */
import type { Config } from '../config.js';
import type { Adapter, Critic, Model } from '../engine/types.js';
import { SparkError, throwIfAborted, toSparkError } from '../errors.js';
import { mixSeeds, seededOrder } from '../random.js';
import { stepReward } from '../reward.js';
import { microBatches, pack, unpackSteps, unpackTokens } from '../trajectory/pack.js';
import { ppoSample, type Sample } from '../trajectory/sample.js';
import type { Trajectory } from '../trajectory/trajectory.js';
import { type Checkpoints, fingerprint } from './checkpoint.js';
import { fitMicroBatch } from './microBatch.js';
import { PolicySums, type StepReport } from './policySums.js';
import { learningRateAt } from './schedule.js';
import { callOptions, openCheckpoints, type TrainContext } from './trainer.js';

export interface PpoResult {
  readonly steps: number;
  readonly samples: number;
  /** Epochs cut short by the target KL. */
  readonly epochsStopped: number;
  /** Mean k3 and L_v of the last step. */
  readonly finalKl: number;
  readonly finalValueLoss: number;
}

export interface PpoInput {
  readonly actor: Adapter;
  readonly critic: Critic;
  readonly trajectories: readonly Trajectory[];
  /** ρ of the reward; 0 for PPO without diversity */
  readonly rho: number;
  readonly settings: Config['ppo'];
  readonly context: TrainContext;
}

export async function trainPpo(input: PpoInput): Promise<PpoResult> {
  const { settings, context } = input;
  const samples = ppoSamples(input);
  const learner = new Learner(input, samples);
  const saved = await learner.resume();
  await context.begin?.(saved?.steps ?? 0);
  const at = saved ?? startPosition(await learner.passTokens());
  if (at.steps === 0) logRewards(input);
  try {
    while (at.iteration < settings.iterations) {
      throwIfAborted(context.signal);
      if (at.epoch === 0 && at.batch === 0) await learner.takeBuffers(at.passTokens);
      const report = await learner.step(at);
      record(at, report, context);
      advance(at, settings, learner.batchesPerEpoch, klPassed(at, settings.targetKl, context));
      // The last step's too: what is done with the adapter afterwards can fail, and must not cost the training.
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

/** A fresh critic as the settings want it: a head over a LoRA of its own, or over the actor. */
export function createCritic(model: Model, actor: Adapter, config: Pick<Config, 'ppo' | 'lora'>, seed: number) {
  const { criticHidden, criticTrunk } = config.ppo;
  const hidden = criticHidden === null ? {} : { hidden: criticHidden };
  return model.createCritic({ ...config.lora, ...hidden, seed, trunk: criticTrunk === 'actor' ? actor : undefined });
}

/** The settings that decide what is learned: nothing depends on the value coefficient where trunks are two. */
export function decisive(settings: Config['ppo']): object {
  const { criticTrunk, valueCoefficient, ...others } = settings;
  return criticTrunk === 'own' ? others : { ...others, criticTrunk, valueCoefficient };
}

/** SPEC.md, Training sets: all steps with a verdict, or only those of coherent or of right trajectories. */
export function ppoTrajectories(trajectories: readonly Trajectory[], filter: Config['ppo']['filter']): Trajectory[] {
  if (filter === 'ok') return trajectories.filter((t) => t.steps.every((step) => step.processOk === true));
  if (filter === 'correct') return trajectories.filter((t) => t.correct);
  return [...trajectories];
}

function ppoSamples({ trajectories, settings, rho }: PpoInput): Sample[] {
  const samples = ppoTrajectories(trajectories, settings.filter)
    .map((trajectory) => ppoSample(trajectory, rho))
    .filter((sample) => sample !== null);
  if (samples.length > 0) return samples;
  throw new SparkError(
    'no_data',
    `no step to learn from: PPO wants steps with a judge's verdict, and none of ${trajectories.length} trajectories ` +
      `has one (filter: ${settings.filter}); generate rollouts with a judge first`,
  );
}

/** What an iteration holds on to, one array per sample. */
interface Buffers {
  readonly oldLogprobs: readonly Float32Array[]; // (N) each
  readonly refLogprobs: readonly Float32Array[]; // (N) each
  readonly values: readonly Float32Array[]; // (T) each
}

/** Actor, critic and the samples they learn from. */
class Learner {
  readonly batchesPerEpoch: number;
  readonly #input: PpoInput;
  readonly #samples: readonly Sample[];
  readonly #checkpoints: Checkpoints | null;
  #buffers: Buffers | null = null;

  constructor(input: PpoInput, samples: readonly Sample[]) {
    const { settings, rho, context } = input;
    this.#input = input;
    this.#samples = samples;
    this.#checkpoints = openCheckpoints(
      context,
      fingerprint(samples, { settings: decisive(settings), rho, seed: context.seed }),
    );
    this.batchesPerEpoch = Math.ceil(samples.length / settings.batchTrajectories);
  }

  /** What a pass may hold; a resumed stage keeps what it began with. */
  passTokens(): Promise<number> {
    const { actor, critic, settings, context } = this.#input;
    return fitMicroBatch([actor, critic], this.#samples, settings.microBatchTokens, context);
  }

  /** lp_old and V_old, once per iteration, from our own engine: the inference library's numerics differ. */
  async takeBuffers(passTokens: number): Promise<void> {
    const { actor, critic, context } = this.#input;
    const oldLogprobs: Float32Array[] = [];
    const values: Float32Array[] = [];
    for (const run of microBatches(this.#samples, passTokens)) {
      const old = await context.model.logprobsAndValues(pack(run), actor, critic, callOptions(context));
      oldLogprobs.push(...unpackTokens(run, old.logprobs));
      values.push(...unpackSteps(run, old.values));
      context.log.progress(`${context.stage} log-probs and values ${oldLogprobs.length}/${this.#samples.length}`);
    }
    this.#buffers = { oldLogprobs, values, refLogprobs: this.#buffers?.refLogprobs ?? oldLogprobs };
  }

  /** One optimizer step of actor and critic on one batch of trajectories. */
  async step(at: Position): Promise<StepReport> {
    const { actor, critic, settings, context } = this.#input;
    const rows = this.#batch(at);
    const tokens = rows.reduce((sum, row) => sum + row.lossTokens, 0); // N_a
    const steps = rows.reduce((sum, row) => sum + row.returns.length, 0); // T
    const { clip, klCoefficient, ratio, valueCoefficient, weightDecay, maxGradNorm } = settings;
    const policy = { normalizer: tokens, clip, klCoefficient, ratio, ...callOptions(context) };
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
    if (saved.arrays.refLogprobs !== undefined) this.#buffers = saved.arrays as unknown as Buffers;
    return saved.position;
  }

  async save(position: Position): Promise<void> {
    const { actor, critic } = this.#input;
    const arrays = { ...(this.#buffers ?? {}) };
    await this.#checkpoints?.save({ position, arrays, trainables: { actor, critic } }, `step-${position.steps}`);
  }

  #batch(at: Position) {
    const { batchTrajectories, whiten } = this.#input.settings;
    const buffers = this.#buffers!;
    const advantages = advantagesOf(this.#samples, buffers.values, whiten);
    const order = seededOrder(this.#samples.length, mixSeeds(this.#input.context.seed, at.iteration, at.epoch));
    return order.slice(at.batch * batchTrajectories, (at.batch + 1) * batchTrajectories).map((index) => ({
      ...this.#samples[index]!,
      columns: {
        oldLogprobs: buffers.oldLogprobs[index]!,
        refLogprobs: buffers.refLogprobs[index]!,
        advantages: advantages[index]!,
      },
    }));
  }

  /** The schedule runs over the steps planned: an epoch cut short does not stretch the later ones. */
  #rateShare(at: Position): number {
    const { iterations, epochs, warmup } = this.#input.settings;
    const planned = (at.iteration * epochs + at.epoch) * this.batchesPerEpoch + at.batch;
    return learningRateAt(planned, iterations * epochs * this.batchesPerEpoch, 1, warmup);
  }
}

/** A_t = R_t − V_old(s_t); whitened over all steps when asked. (T) per sample. */
function advantagesOf(samples: readonly Sample[], values: readonly Float32Array[], whiten: boolean): Float32Array[] {
  const advantages = samples.map((sample, index) => sample.returns.map((r, t) => r - values[index]![t]!));
  if (!whiten) return advantages;
  const all = advantages.flatMap((array) => [...array]);
  const mean = all.reduce((sum, a) => sum + a, 0) / all.length;
  const deviation = Math.sqrt(all.reduce((sum, a) => sum + (a - mean) ** 2, 0) / all.length);
  return advantages.map((array) => array.map((a) => (a - mean) / (deviation + 1e-8)));
}

/** The batch that comes next, and what has been counted so far. */
interface Position {
  iteration: number;
  epoch: number;
  batch: number;
  steps: number;
  epochsStopped: number;
  /** Σ k3 and tokens of the current epoch, for the target-KL stop */
  epochKl: number;
  epochTokens: number;
  finalKl: number;
  finalValueLoss: number;
  /** Most packed tokens of a pass */
  passTokens: number;
}

function startPosition(passTokens: number): Position {
  return {
    passTokens,
    iteration: 0,
    epoch: 0,
    batch: 0,
    steps: 0,
    epochsStopped: 0,
    epochKl: 0,
    epochTokens: 0,
    finalKl: 0,
    finalValueLoss: 0,
  };
}

/** To the next batch, and over into the next epoch and iteration. */
function advance(at: Position, settings: Config['ppo'], batchesPerEpoch: number, epochOver: boolean): void {
  at.batch += 1;
  if (!epochOver && at.batch < batchesPerEpoch) return;
  Object.assign(at, { batch: 0, epoch: at.epoch + 1, epochKl: 0, epochTokens: 0 });
  if (at.epoch === settings.epochs) Object.assign(at, { epoch: 0, iteration: at.iteration + 1 });
}

function record(at: Position, report: StepReport, context: TrainContext): void {
  at.steps += 1;
  at.epochKl += report.k3 * report.tokens;
  at.epochTokens += report.tokens;
  at.finalKl = report.k3;
  at.finalValueLoss = report.valueLoss;
  const { iteration, epoch, steps } = at;
  context.metrics({ stage: context.stage, iteration, epoch, step: steps, ...report });
  context.log.progress(
    `${context.stage} step ${steps}  policy ${report.policyLoss.toFixed(4)}  kl ${report.k3.toFixed(4)}  value ${report.valueLoss.toFixed(4)}`,
  );
}

/** Whether the mean k3 of this epoch is past the target; says so when it is. */
function klPassed(at: Position, targetKl: number, context: TrainContext): boolean {
  const epochKl = at.epochKl / at.epochTokens;
  if (epochKl <= targetKl) return false;
  at.epochsStopped += 1;
  const { iteration, epoch, batch } = at;
  context.metrics({ stage: context.stage, event: 'target_kl', afterStep: at.steps, iteration, epoch, batch, epochKl });
  context.log.warn(
    `${context.stage}: iteration ${iteration}, epoch ${epoch} stopped after batch ${batch}: mean KL ${epochKl.toFixed(3)} ` +
      `passed the target ${targetKl}; a lower learning rate or a higher klCoefficient keeps it longer`,
  );
  return true;
}

/** Both terms apart, always (SPEC.md, Reward). */
function logRewards({ trajectories, rho, context }: PpoInput): void {
  const rewards = trajectories.flatMap((t) => t.steps.map((step) => stepReward(step, rho)));
  const known = rewards.filter((reward) => reward !== null);
  const mean = (pick: (reward: (typeof known)[number]) => number) =>
    known.reduce((sum, reward) => sum + pick(reward), 0) / Math.max(1, known.length);
  context.metrics({
    stage: context.stage,
    event: 'rewards',
    rho,
    steps: known.length,
    stepsWithoutVerdict: rewards.length - known.length,
    rewardDiversity: mean((reward) => reward.diversity),
    rewardCoherence: mean((reward) => reward.coherence),
    reward: mean((reward) => reward.reward),
  });
}
