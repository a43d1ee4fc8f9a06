/**
 * Offline step-wise PPO (arXiv 2507.11371; the losses are those of docs/algorithm.md). The algorithm:
 *
 *   for each iteration
 *     compute lp_old and V_old of every stored trajectory, once, with our own engine
 *     A_t = R_t − V_old(s_t)
 *     with actionLoss: judged   p_ref(a | s) of all actions, and π* ∝ p_ref exp(r / λ)
 *     for each epoch, for each batch
 *       actor:  L_clip + β L_kl    critic:  (V(s_t) − R_t)²    (with criticTrunk: actor, one pass for both)
 *       with actionLoss: judged   + L_act, which teaches π*; L_clip is then over thought and input alone
 *       stop the epoch when its mean KL to the reference passes the target
 *
 * lp_ref is of the actor before its first update, so it equals the lp_old of the first iteration. Where each iteration is a
 * training of its own, from rollouts of its own (`context.part`), lp_ref is of the adapter that the first of them began with.
 */
import path from 'node:path';
import type { Adapter, AdapterOptions, Critic, Model } from '../engine/types.js';
import { SparkError, throwIfAborted, toSparkError } from '../errors.js';
import { withDecisions } from '../trajectory/decision.js';
import { judgedSample, ppoSample, type Sample } from '../trajectory/sample.js';
import type { Trajectory } from '../trajectory/trajectory.js';
import { Checkpoints } from './checkpoint.js';
import { loadCritic } from './criticFiles.js';
import { defineMethod } from './method.js';
import { Learner } from './ppoLearner.js';
import { advance, klPassed, type Position, record, startPosition } from './ppoPosition.js';
import { decisive, needsDecisions, type PpoInput, type PpoSettings, ppoSettings } from './ppoSettings.js';
import type { TrainContext } from './trainer.js';
import { outOfPatience, validated } from './validation.js';

export const ppo = defineMethod('ppo', ppoSettings, (settings) => ({
  stage: (rho) => ({ name: rho === 0 ? 'ppo' : 'spark', selection: 'min-score', init: settings.init }),
  sample(trajectory, reward, judged) {
    refuseUnscored(trajectory, settings);
    if (!wanted(trajectory, settings.filter)) return null;
    const sample = (settings.actionLoss === 'judged' ? judgedSample : ppoSample)(trajectory, reward);
    return sample && judged ? withDecisions(sample, trajectory, judged, needsDecisions(settings)) : sample;
  },
  wants: `PPO wants steps with a judge's verdict (ppo.filter: ${settings.filter})`,
  decisive: decisive(settings),
  ...(settings.criticInit === null ? {} : { files: [settings.criticInit] }),
  async trainables(model, actor, options) {
    return { actor, critic: await createCritic(model, actor, settings, options) };
  },
  train: ({ actor, critic }, samples, context) =>
    trainPpo({ actor: actor as Adapter, critic: critic as Critic, samples, settings, context }),
}));

/** Throws `no_data` where a loss wants the scores of all actions, and a step has those of the action taken and of the best. */
function refuseUnscored({ id, steps }: Trajectory, settings: PpoSettings): void {
  if (!needsDecisions(settings)) return;
  const step = steps.find(({ pair }) => pair !== undefined);
  if (step === undefined) return;
  const { actionLoss, baseline, entropyBonus } = settings;
  const asked = [
    ...(actionLoss === 'judged' ? ['ppo.actionLoss: judged'] : []),
    ...(baseline === 'judged' ? ['ppo.baseline: judged'] : []),
    ...(entropyBonus > 0 ? [`ppo.entropyBonus: ${entropyBonus}`] : []),
  ];
  throw new SparkError(
    'no_data',
    `${asked.join(' and ')} learns from the judge's scores of all actions, and of step ${step.index} of ${id}, which was ` +
      'imported, only those of the action taken and of the best are known; set ppo.actionLoss: clip, ppo.baseline: value and ' +
      'ppo.entropyBonus: 0, or generate rollouts with a judge',
  );
}

/** Whether the filter lets a trajectory through (docs/algorithm.md, Training sets). */
function wanted({ steps, correct }: Trajectory, filter: PpoSettings['filter']): boolean {
  if (filter === 'ok') return steps.every((step) => step.processOk === true);
  return filter === 'none' || correct;
}

/** The critic of `criticInit`, or a fresh one: a value head over a trunk with a LoRA of its own, or over the actor's trunk. */
export function createCritic(model: Model, actor: Adapter, settings: PpoSettings, options: AdapterOptions) {
  const { criticHidden, criticTrunk, criticInit } = settings;
  if (criticInit !== null) return loadCritic(model, path.resolve(criticInit));
  const hidden = criticHidden === null ? {} : { hidden: criticHidden };
  return model.createCritic({ ...options, ...hidden, trunk: criticTrunk === 'actor' ? actor : undefined });
}

export interface PpoResult {
  readonly steps: number;
  readonly samples: number;
  /** Σ N_a over the steps: tokens with a loss, each as often as it was learned from */
  readonly tokens: number;
  /** Epochs cut short by the target KL. */
  readonly epochsStopped: number;
  /** Mean k2Bounded and L_v of the last step. */
  readonly finalKl: number;
  readonly finalValueLoss: number;
  readonly [metric: string]: number;
}

export async function trainPpo(input: PpoInput): Promise<PpoResult> {
  const { settings, samples, context } = input;
  const learner = new Learner(input);
  learner.keepIn(await Checkpoints.open(context, learner.samples, decisive(settings)));
  const saved = await learner.resume();
  await context.begin?.(saved?.steps ?? 0);
  await context.validation?.resume(saved?.validation ?? null, saved?.steps ?? 0);
  const { iteration: first, end } = rangeOf(input);
  const at = saved ?? startPosition(await learner.passTokens(), first, first * settings.epochs);
  if (at.steps === 0) logRewards(samples, context);
  const told = new Set<string>();
  try {
    if (at.unmeasured) await learner.measure(at);
    await validateIfDue(input, learner, at);
    while (at.iteration < end && !outOfPatience(context.validation, at.validation)) {
      throwIfAborted(context.signal);
      if (at.epoch === 0 && at.batch === 0) await learner.beginIteration(at);
      const report = await learner.step(at);
      record(at, report, context, told);
      const stop = klPassed(
        at,
        { targetKl: settings.targetKl, goalKl: learner.goalKl },
        learner.batchesPerEpoch,
        context,
      );
      advance(at, { epochs: settings.epochs, iterations: end }, learner.batchesPerEpoch, stop);
      if (at.unmeasured) await learner.measure(at);
      await validateIfDue(input, learner, at);
      // Also after the last step: saving the adapter can still fail, and then the training must not be lost.
      if (at.steps % context.checkpointEvery === 0 || at.iteration === end) await learner.save(at);
    }
  } catch (error) {
    const failure = toSparkError(error);
    if (failure.code === 'interrupted') await learner.save(at);
    throw failure;
  }
  const { steps, tokens, epochsStopped, finalKl, finalValueLoss } = at;
  return { steps, samples: samples.length, tokens, epochsStopped, finalKl, finalValueLoss };
}

/** The iterations that are trained, from the first up to `end`. */
function rangeOf({ settings, context: { part } }: PpoInput): { iteration: number; end: number } {
  return part === undefined
    ? { iteration: 0, end: settings.iterations }
    : { iteration: part.iteration, end: part.iteration + 1 };
}

/** Keeps what was measured, which is dearer than a checkpoint. */
async function validateIfDue(input: PpoInput, learner: Learner, at: Position): Promise<void> {
  const { actor, context } = input;
  const { steps, validation: before } = at;
  const last = at.iteration === rangeOf(input).end;
  at.validation = await validated(context.validation, actor, { steps, last }, before);
  if (at.validation !== before && steps > 0) await learner.save(at);
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
