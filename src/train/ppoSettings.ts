/** The settings of PPO, and which of them decide what. */
import { z } from 'zod';
import type { Adapter, Critic } from '../engine/types.js';
import type { Sample } from '../trajectory/sample.js';
import { optimizerSettings, positive } from './optimizer.js';
import type { TrainContext } from './trainer.js';

const VALUE_COEFFICIENT = 0.1;

const fields = z.strictObject({
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
  /** How the choice of an action is learned: from the one taken (`clip`), or from the scores of all of them (`judged`). */
  actionLoss: z.enum(['clip', 'judged']).default('clip'),
  /** λ of π* ∝ p_ref exp(r / λ); null: solved so that the mean KL(π* ‖ p_ref) is targetKl. Only with actionLoss: judged. */
  actionTemperature: z.number().positive().nullable().default(null),
  /** V of the advantage: the critic's `value`, or what the scores say of the policy (`judged`). Only with actionLoss: clip. */
  baseline: z.enum(['value', 'judged']).default('value'),
  /** Weight of the entropy, in nats, of the policy's distribution over the actions. */
  entropyBonus: z.number().min(0).default(0),
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
  /** A critic that others trained (docs/models.md): its PEFT folder, with value_head.safetensors; null: a fresh one. */
  criticInit: z.string().nullable().default(null),
  /** c_v: the actor's trunk learns L_actor + c_v L_v. Used only with criticTrunk: actor. */
  valueCoefficient: z.number().min(0).default(VALUE_COEFFICIENT),
});

/** Refuses a setting that would not be used beside the others. */
export const ppoSettings = fields.superRefine((settings, context) => {
  const { actionLoss, actionTemperature, baseline, criticTrunk, criticInit, criticHidden, valueCoefficient } = settings;
  const refuse = (key: keyof typeof fields.shape, message: string) =>
    context.addIssue({ code: 'custom', path: [key], message });
  if (actionLoss === 'clip' && actionTemperature !== null)
    refuse('actionTemperature', 'expected null with actionLoss: clip, which has no λ; set actionLoss: judged');
  if (actionLoss === 'judged' && baseline === 'judged')
    refuse('baseline', 'expected value with actionLoss: judged, which needs no other baseline');
  if (criticInit !== null && criticTrunk === 'actor')
    refuse('criticTrunk', 'expected own with criticInit, whose head was trained over a trunk of its own');
  if (criticInit !== null && criticHidden !== null)
    refuse('criticHidden', 'expected null with criticInit, whose head has a width of its own');
  if (criticTrunk === 'own' && valueCoefficient !== VALUE_COEFFICIENT)
    refuse(
      'valueCoefficient',
      `expected ${VALUE_COEFFICIENT}, its default, with criticTrunk: own, which has no use for it; set criticTrunk: actor`,
    );
});

export type PpoSettings = z.infer<typeof ppoSettings>;

export interface PpoInput {
  readonly actor: Adapter;
  readonly critic: Critic;
  readonly samples: readonly Sample[];
  readonly settings: PpoSettings;
  readonly context: TrainContext;
}

/** Whether what is learned depends on the scores of actions that were not taken, or on their probabilities. */
export function needsDecisions({ actionLoss, baseline, entropyBonus }: PpoSettings): boolean {
  return actionLoss === 'judged' || baseline === 'judged' || entropyBonus > 0;
}

/** The settings that the result depends on: with two trunks not the value coefficient; of what came later, what is in use. */
export function decisive(settings: PpoSettings): object {
  const { criticTrunk, valueCoefficient, criticInit, ...rest } = settings;
  const { actionLoss, actionTemperature, baseline, entropyBonus, ...others } = rest;
  return {
    ...others,
    ...(criticTrunk === 'own' ? {} : { criticTrunk, valueCoefficient }),
    ...(criticInit === null ? {} : { criticInit }),
    ...(actionLoss === 'judged' ? { actionLoss, actionTemperature } : {}),
    ...(baseline === 'value' ? {} : { baseline }),
    ...(entropyBonus === 0 ? {} : { entropyBonus }),
  };
}
