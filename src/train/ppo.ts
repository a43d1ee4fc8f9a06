/**
 * Offline step-wise PPO (arXiv 2507.11371; losses exactly as SPEC.md, Losses). Reads top to bottom as the algorithm:
 *
 *   for each iteration
 *     take lp_old and V_old of every stored trajectory, once, from our own engine
 *     A_t = R_t − V_old(s_t)
 *     for each epoch, for each batch
 *       actor:  L_clip + β L_kl    critic:  (V(s_t) − R_t)²
 *       stop the epoch when its mean KL to the reference passes the target
 *
 * lp_ref is the actor before its first update, so the first lp_old is it.
 */
import type { Config } from '../config.js';
import type { Adapter, Critic } from '../engine/types.js';
import { SparkError, throwIfAborted } from '../errors.js';
import { mixSeeds, seededOrder } from '../random.js';
import { stepReward } from '../reward.js';
import { microBatches, pack, unpackSteps, unpackTokens } from '../trajectory/pack.js';
import { ppoSample, type Sample } from '../trajectory/sample.js';
import type { Trajectory } from '../trajectory/trajectory.js';
import { Checkpoints, fingerprint } from './checkpoint.js';
import { PolicySums, type StepReport } from './policySums.js';
import { learningRateAt } from './schedule.js';
import { callOptions, saveOnInterrupt, type TrainContext } from './trainer.js';

export interface PpoResult {
  readonly steps: number;
  readonly samples: number;
  readonly epochsStopped: number;
  readonly finalKl: number;
  readonly finalValueLoss: number;
}

/** What the current iteration holds on to, one array per sample. */
interface Buffers {
  readonly oldLogprobs: readonly Float32Array[]; // (N) each
  readonly refLogprobs: readonly Float32Array[]; // (N) each
  readonly values: readonly Float32Array[]; // (T) each
}

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
}

/** SPEC.md, Training sets: all steps with a verdict, or only those of coherent or of right trajectories. */
export function ppoTrajectories(trajectories: readonly Trajectory[], filter: Config['ppo']['filter']): Trajectory[] {
  if (filter === 'ok') return trajectories.filter((t) => t.steps.every((step) => step.processOk === true));
  if (filter === 'correct') return trajectories.filter((t) => t.correct);
  return [...trajectories];
}

export async function trainPpo(
  actor: Adapter,
  critic: Critic,
  trajectories: readonly Trajectory[],
  rho: number,
  settings: Config['ppo'],
  context: TrainContext,
): Promise<PpoResult> {
  const samples = ppoTrajectories(trajectories, settings.filter)
    .map((trajectory) => ppoSample(trajectory, rho))
    .filter((sample) => sample !== null);
  if (samples.length === 0) {
    throw new SparkError(
      'no_data',
      `no step to learn from: PPO wants steps with a judge's verdict, and none of ${trajectories.length} trajectories ` +
        `has one (filter: ${settings.filter}); generate rollouts with a judge first`,
    );
  }
  logRewards(trajectories, rho, context);
  const checkpoints =
    context.checkpointFolder === null
      ? null
      : new Checkpoints(context.checkpointFolder, fingerprint(samples, { settings, rho, seed: context.seed }));
  const trainables = { actor, critic };
  const saved = await checkpoints?.load<Position>(trainables);
  const at: Position = saved?.position ?? start();
  let buffers = saved === null || saved === undefined ? null : (saved.arrays as unknown as Buffers);
  const state = () => ({
    position: at,
    arrays: (buffers ?? {}) as Record<string, readonly Float32Array[]>,
    trainables,
  });

  const batchesPerEpoch = Math.ceil(samples.length / settings.batchTrajectories);
  const totalSteps = settings.iterations * settings.epochs * batchesPerEpoch;
  try {
    for (; at.iteration < settings.iterations; Object.assign(at, { iteration: at.iteration + 1, epoch: 0 })) {
      const midIteration = buffers !== null && (at.epoch > 0 || at.batch > 0);
      if (!midIteration) buffers = await takeBuffers(actor, critic, samples, buffers, settings, context);
      const advantages = advantagesOf(samples, buffers!.values, settings.whiten);
      for (
        ;
        at.epoch < settings.epochs;
        Object.assign(at, { epoch: at.epoch + 1, batch: 0, epochKl: 0, epochTokens: 0 })
      ) {
        const order = seededOrder(samples.length, mixSeeds(context.seed, at.iteration, at.epoch));
        while (at.batch < batchesPerEpoch) {
          throwIfAborted(context.signal);
          const first = at.batch * settings.batchTrajectories;
          const indexes = order.slice(first, first + settings.batchTrajectories);
          const planned = (at.iteration * settings.epochs + at.epoch) * batchesPerEpoch + at.batch;
          const rateShare = learningRateAt(planned, totalSteps, 1, settings.warmup);
          const report = await ppoStep(
            actor,
            critic,
            samples,
            indexes,
            buffers!,
            advantages,
            rateShare,
            settings,
            context,
          );
          record(at, report, context, rateShare * settings.learningRate);
          if (klPassed(at, settings.targetKl, context)) at.batch = batchesPerEpoch;
          if (checkpoints !== null && at.steps % context.checkpointEvery === 0) {
            await checkpoints.save(state(), `step-${at.steps}`);
          }
        }
      }
    }
  } catch (error) {
    throw await saveOnInterrupt(error, checkpoints, state(), `step-${at.steps}`);
  }
  const { steps, epochsStopped, finalKl, finalValueLoss } = at;
  return { steps, samples: samples.length, epochsStopped, finalKl, finalValueLoss };
}

/** lp_old and V_old, once per iteration, from our own engine: the inference library's numerics differ. */
async function takeBuffers(
  actor: Adapter,
  critic: Critic,
  samples: readonly Sample[],
  before: Buffers | null,
  settings: Config['ppo'],
  context: TrainContext,
): Promise<Buffers> {
  const oldLogprobs: Float32Array[] = [];
  const values: Float32Array[] = [];
  for (const run of microBatches(samples, settings.microBatchTokens)) {
    const batch = pack(run);
    oldLogprobs.push(...unpackTokens(run, await context.model.logprobs(batch, actor, callOptions(context))));
    values.push(...unpackSteps(run, await critic.values(batch, callOptions(context))));
    context.log.progress(`${context.stage} log-probs and values ${oldLogprobs.length}/${samples.length}`);
  }
  return { oldLogprobs, values, refLogprobs: before?.refLogprobs ?? oldLogprobs };
}

/** A_t = R_t − V_old(s_t); whitened over all steps when asked. */
function advantagesOf(samples: readonly Sample[], values: readonly Float32Array[], whiten: boolean): Float32Array[] {
  const advantages = samples.map((sample, index) => sample.returns.map((r, t) => r - values[index]![t]!));
  if (!whiten) return advantages;
  const all = advantages.flatMap((array) => [...array]);
  const mean = all.reduce((sum, a) => sum + a, 0) / all.length;
  const deviation = Math.sqrt(all.reduce((sum, a) => sum + (a - mean) ** 2, 0) / all.length);
  return advantages.map((array) => array.map((a) => (a - mean) / (deviation + 1e-8)));
}

/** One optimizer step of actor and critic on one batch of trajectories. */
async function ppoStep(
  actor: Adapter,
  critic: Critic,
  samples: readonly Sample[],
  indexes: readonly number[],
  buffers: Buffers,
  advantages: readonly Float32Array[],
  rateShare: number,
  settings: Config['ppo'],
  context: TrainContext,
): Promise<StepReport> {
  const rows = indexes.map((index) => ({
    ...samples[index]!,
    columns: {
      oldLogprobs: buffers.oldLogprobs[index]!,
      refLogprobs: buffers.refLogprobs[index]!,
      advantages: advantages[index]!,
    },
  }));
  const sums = new PolicySums();
  const tokens = rows.reduce((sum, row) => sum + row.lossTokens, 0); // N_a
  const steps = rows.reduce((sum, row) => sum + row.returns.length, 0); // T
  await actor.zeroGrad();
  await critic.zeroGrad();
  for (const run of microBatches(rows, settings.microBatchTokens)) {
    const columns = run.map((row) => row.columns);
    const batch = pack(run, columns);
    const { clip, klCoefficient, ratio } = settings;
    const options = { normalizer: tokens, clip, klCoefficient, ratio, ...callOptions(context) };
    sums.addPolicy(await actor.accumulatePolicy(batch, options));
    sums.addValue(await critic.accumulateValue(batch, { normalizer: steps, ...callOptions(context) }));
  }
  const { weightDecay, maxGradNorm } = settings;
  const shared = { weightDecay, maxGradNorm };
  const actorStep = await actor.optimizerStep({ learningRate: rateShare * settings.learningRate, ...shared });
  const criticStep = await critic.optimizerStep({ learningRate: rateShare * settings.criticLearningRate, ...shared });
  return sums.report(settings.klCoefficient, actorStep.gradNorm, criticStep.gradNorm);
}

function record(at: Position, report: StepReport, context: TrainContext, learningRate: number): void {
  at.steps += 1;
  at.batch += 1;
  at.epochKl += report.k3 * report.tokens;
  at.epochTokens += report.tokens;
  at.finalKl = report.k3;
  at.finalValueLoss = report.valueLoss;
  const { iteration, epoch, steps } = at;
  context.metrics({ stage: context.stage, iteration, epoch, step: steps, learningRate, ...report });
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
  context.metrics({ stage: context.stage, event: 'target_kl', iteration, epoch, batch, epochKl });
  context.log.warn(
    `${context.stage}: iteration ${iteration}, epoch ${epoch} stopped after ${batch} batches: mean KL ${epochKl.toFixed(3)} ` +
      `passed the target ${targetKl}; a lower learning rate or a higher klCoefficient keeps it longer`,
  );
  return true;
}

/** Both terms apart, always (SPEC.md, Reward). */
function logRewards(trajectories: readonly Trajectory[], rho: number, context: TrainContext): void {
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

function start(): Position {
  return {
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
