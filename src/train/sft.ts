/**
 * Supervised fine-tuning on trajectories whose answer is right and whose every step is coherent (docs/algorithm.md,
 * Training sets): L = −(1/N_a) Σ lp_j over the tokens the model wrote.
 */
import { z } from 'zod';
import { signalOf } from '../abortable.js';
import type { Adapter } from '../engine/types.js';
import { throwIfAborted, toSparkError } from '../errors.js';
import { mixSeeds, seededOrder } from '../random.js';
import { withDecisions } from '../trajectory/decision.js';
import { commonPrefix, microBatches, pack } from '../trajectory/pack.js';
import { type Sample, sftSample } from '../trajectory/sample.js';
import { SELECTION_RULES, type Trajectory } from '../trajectory/trajectory.js';
import { Checkpoints, checkpointLabel } from './checkpoint.js';
import { defineMethod } from './method.js';
import { fitMicroBatch } from './microBatch.js';
import { optimizerSettings, positive } from './optimizer.js';
import { choosingSamples, PolicyMeasure } from './policyMeasure.js';
import { learningRateAt } from './schedule.js';
import type { TrainContext } from './trainer.js';
import { outOfPatience, type ValidationState, validated } from './validation.js';

export const sftSettings = z.strictObject({
  ...optimizerSettings,
  learningRate: optimizerSettings.learningRate.default(2e-4),
  epochs: positive.default(3),
  /** The selection of the rollout set to learn from. */
  selection: z.enum(SELECTION_RULES).default('max-score'),
});

export type SftSettings = z.infer<typeof sftSettings>;

export const sft = defineMethod('sft', sftSettings, (settings) => ({
  stage: () => ({ name: 'sft', selection: settings.selection, init: 'base' }),
  sample(trajectory, _reward, judged) {
    const sample = isGood(trajectory) ? sftSample(trajectory) : null;
    if (sample === null || sample.lossTokens === 0) return null;
    return judged === undefined ? sample : withDecisions(sample, trajectory, judged, false);
  },
  wants: 'SFT wants a right answer and every step judged coherent',
  decisive: settings,
  trainables: async (_model, actor) => ({ actor }),
  train: ({ actor }, samples, context) => trainSft({ actor: actor as Adapter, samples, settings, context }),
}));

/** True for a right answer with every step coherent; a missing verdict does not count as coherent. */
function isGood({ correct, steps }: Trajectory): boolean {
  return correct && steps.length > 0 && steps.every((step) => step.processOk === true);
}

export interface SftResult {
  readonly steps: number;
  readonly samples: number;
  readonly finalLoss: number;
  readonly [metric: string]: number;
}

export interface SftInput {
  readonly actor: Adapter;
  readonly samples: readonly Sample[];
  readonly settings: SftSettings;
  readonly context: TrainContext;
}

interface Position {
  readonly step: number;
  readonly loss: number;
  /** Most packed tokens of a pass */
  readonly passTokens: number;
  /** Epochs after which the policy was measured last; −1 before the first measure, at the start */
  readonly measured: number;
  /** Of measures on validation questions; null before the first, absent in a checkpoint of an older version */
  readonly validation?: ValidationState | null;
}

export async function trainSft({ actor, samples, settings, context }: SftInput): Promise<SftResult> {
  const checkpoints = await Checkpoints.open(context, samples, settings);
  const stepsPerEpoch = Math.ceil(samples.length / settings.batchTrajectories);
  const totalSteps = settings.epochs * stepsPerEpoch;
  const saved = (await checkpoints?.load<Position>({ actor }))?.position ?? null;
  await context.begin?.(saved?.step ?? 0);
  await context.validation?.resume(saved?.validation ?? null, saved?.step ?? 0);
  const prefix = commonPrefix(samples, context.model.info.prefixUnit);
  const passTokens = saved?.passTokens ?? (await fitMicroBatch([actor], samples, settings.microBatchTokens, context));
  let at: Position = saved ?? { step: 0, loss: Number.NaN, passTokens, measured: -1 };
  const choosing = choosingSamples(samples, context);
  const measure = choosing === null ? null : new PolicyMeasure(choosing, context);
  /** After every epoch, and before the first. */
  const measureIfDue = async () => {
    const epochsDone = Math.floor(at.step / stepsPerEpoch);
    if (epochsDone <= at.measured) return;
    const moment = at.step === 0 ? { beforeStep: 1 } : { afterStep: at.step };
    await measure?.read(actor, passTokens, epochsDone, moment, null);
    at = { ...at, measured: epochsDone };
  };
  const save = () =>
    checkpoints?.save(
      { position: at, arrays: {}, trainables: { actor } },
      checkpointLabel(at.step, at.validation ?? null),
    );
  const validateIfDue = async () => {
    const { step: steps, validation: before = null } = at;
    const validation = await validated(context.validation, actor, { steps, last: steps === totalSteps }, before);
    if (validation === before) return;
    at = { ...at, validation };
    // What was measured is dearer than a checkpoint.
    if (steps > 0) await save();
  };

  try {
    await measureIfDue();
    await validateIfDue();
    while (at.step < totalSteps && !outOfPatience(context.validation, at.validation ?? null)) {
      throwIfAborted(context.signal);
      const epoch = Math.floor(at.step / stepsPerEpoch);
      const batch = batchOf(samples, at.step % stepsPerEpoch, mixSeeds(context.seed, epoch), settings);
      const learningRate = learningRateAt(at.step, totalSteps, settings.learningRate, settings.warmup);
      const passes = { ...settings, microBatchTokens: passTokens, prefix };
      const done = await sftStep(actor, batch, learningRate, passes, context);
      at = { ...at, step: at.step + 1, loss: done.loss };
      context.metrics({ stage: context.stage, epoch, step: at.step, learningRate, ...done });
      context.log.progress(`${context.stage} step ${at.step}/${totalSteps}  loss ${done.loss.toFixed(3)}`);
      await measureIfDue();
      await validateIfDue();
      // Also after the last step: saving the adapter can still fail, and then the training must not be lost.
      if (at.step % context.checkpointEvery === 0 || at.step === totalSteps) await save();
    }
  } catch (error) {
    const failure = toSparkError(error);
    // The weights are always those of a finished optimizer step, so they can be saved after an interruption.
    if (failure.code === 'interrupted') await save();
    throw failure;
  }
  return { steps: at.step, samples: samples.length, finalLoss: at.loss };
}

/** The samples of an epoch's `index`-th optimizer step. */
function batchOf(
  samples: readonly Sample[],
  index: number,
  seed: number,
  { batchTrajectories }: SftSettings,
): Sample[] {
  const order = seededOrder(samples.length, seed);
  return order.slice(index * batchTrajectories, (index + 1) * batchTrajectories).map((one) => samples[one]!);
}

/**
 * One optimizer step: gradients summed over micro-batches, divided by the N_a of the whole batch. `prefix`: tokens that a
 * pass computes once.
 */
async function sftStep(
  actor: Adapter,
  batch: readonly Sample[],
  learningRate: number,
  settings: SftSettings & { readonly prefix: number },
  context: TrainContext,
): Promise<{ loss: number; tokens: number; gradNorm: number }> {
  const normalizer = batch.reduce((sum, sample) => sum + sample.lossTokens, 0);
  await actor.zeroGrad();
  let lossSum = 0;
  for (const run of microBatches(batch, settings.microBatchTokens, settings.prefix)) {
    const metrics = await actor.accumulateSft(pack(run), { normalizer, ...signalOf(context) });
    lossSum += metrics.lossSum;
  }
  const { weightDecay, maxGradNorm } = settings;
  const { gradNorm } = await actor.optimizerStep({ learningRate, weightDecay, maxGradNorm });
  return { loss: lossSum / normalizer, tokens: normalizer, gradNorm };
}
