/**
 * Supervised fine-tuning on trajectories whose answer is right and whose every step is coherent (SPEC.md, Training
 * sets): L = −(1/N_a) Σ lp_j over the tokens the policy wrote.
 */
import type { Config } from '../config.js';
import type { Adapter } from '../engine/types.js';
import { SparkError, throwIfAborted, toSparkError } from '../errors.js';
import { mixSeeds, seededOrder } from '../random.js';
import { microBatches, pack } from '../trajectory/pack.js';
import { type Sample, sftSample } from '../trajectory/sample.js';
import type { Trajectory } from '../trajectory/trajectory.js';
import { fingerprint } from './checkpoint.js';
import { fitMicroBatch } from './microBatch.js';
import { learningRateAt } from './schedule.js';
import { callOptions, openCheckpoints, type TrainContext } from './trainer.js';

/** Right answer, every step coherent. A missing verdict is not a good one. */
export function sftTrajectories(trajectories: readonly Trajectory[]): Trajectory[] {
  return trajectories.filter(
    (t) => t.correct && t.steps.length > 0 && t.steps.every((step) => step.processOk === true),
  );
}

export interface SftResult {
  readonly steps: number;
  readonly samples: number;
  readonly finalLoss: number;
}

export async function trainSft(
  adapter: Adapter,
  trajectories: readonly Trajectory[],
  settings: Config['sft'],
  context: TrainContext,
): Promise<SftResult> {
  const samples = sftTrajectories(trajectories)
    .map(sftSample)
    .filter((sample) => sample.lossTokens > 0);
  if (samples.length === 0) {
    throw new SparkError(
      'no_data',
      `no trajectory to learn from: SFT wants a right answer and every step coherent, and none of ${trajectories.length} is; ` +
        'generate more, or check the judge and the generator',
    );
  }
  const checkpoints = openCheckpoints(context, fingerprint(samples, { settings, seed: context.seed }));
  const stepsPerEpoch = Math.ceil(samples.length / settings.batchTrajectories);
  const totalSteps = settings.epochs * stepsPerEpoch;
  const saved = await checkpoints?.load<{ step: number; loss: number; passTokens: number }>({ actor: adapter });
  await context.begin?.(saved?.position.step ?? 0);
  const passTokens =
    saved?.position.passTokens ?? (await fitMicroBatch([adapter], samples, settings.microBatchTokens, context));
  let step = saved?.position.step ?? 0;
  let loss = saved?.position.loss ?? Number.NaN;
  const state = () => ({ position: { step, loss, passTokens }, arrays: {}, trainables: { actor: adapter } });

  try {
    while (step < totalSteps) {
      throwIfAborted(context.signal);
      const epoch = Math.floor(step / stepsPerEpoch);
      const order = seededOrder(samples.length, mixSeeds(context.seed, epoch));
      const first = (step % stepsPerEpoch) * settings.batchTrajectories;
      const batch = order.slice(first, first + settings.batchTrajectories).map((index) => samples[index]!);
      const learningRate = learningRateAt(step, totalSteps, settings.learningRate, settings.warmup);
      const done = await sftStep(adapter, batch, learningRate, { ...settings, microBatchTokens: passTokens }, context);
      loss = done.loss;
      step += 1;
      context.metrics({
        stage: context.stage,
        epoch,
        step,
        learningRate,
        loss,
        tokens: done.tokens,
        gradNorm: done.gradNorm,
      });
      context.log.progress(`${context.stage} step ${step}/${totalSteps}  loss ${loss.toFixed(3)}`);
      // The last step's too: what is done with the adapter afterwards can fail, and must not cost the training.
      if (checkpoints !== null && (step % context.checkpointEvery === 0 || step === totalSteps)) {
        await checkpoints.save(state(), `step-${step}`);
      }
    }
  } catch (error) {
    const failure = toSparkError(error);
    // Weights are always those of a finished optimizer step, so what an interruption leaves can be kept.
    if (failure.code === 'interrupted') await checkpoints?.save(state(), `step-${step}`);
    throw failure;
  }
  return { steps: step, samples: samples.length, finalLoss: loss };
}

/** One optimizer step: gradients summed over micro-batches, divided by the N_a of the whole batch. */
async function sftStep(
  adapter: Adapter,
  batch: readonly Sample[],
  learningRate: number,
  settings: Config['sft'],
  context: TrainContext,
): Promise<{ loss: number; tokens: number; gradNorm: number }> {
  const normalizer = batch.reduce((sum, sample) => sum + sample.lossTokens, 0);
  await adapter.zeroGrad();
  let lossSum = 0;
  for (const run of microBatches(batch, settings.microBatchTokens)) {
    const metrics = await adapter.accumulateSft(pack(run), { normalizer, ...callOptions(context) });
    lossSum += metrics.lossSum;
  }
  const { gradNorm } = await adapter.optimizerStep({
    learningRate,
    weightDecay: settings.weightDecay,
    maxGradNorm: settings.maxGradNorm,
  });
  return { loss: lossSum / normalizer, tokens: normalizer, gradNorm };
}
