/** Which columns of metrics.jsonl are drawn as curves over a training, and what is said of them. */
import type { TrainingRow } from '../evaluate/warnings.js';

export interface Curve {
  readonly title: string;
  readonly note: string;
  readonly x: string;
  readonly y: string;
  /** Of the x axis, where it is not x */
  readonly axis?: string;
  /** Which rows belong to this chart. */
  readonly of: (row: TrainingRow) => boolean;
}

export const CURVES: readonly Curve[] = [
  // Entropy can be bought with bad actions, so the share of these stands beside it.
  {
    title: 'Entropy by epoch',
    note: 'Of the policy’s own distribution over the actions, mean over stored states, in bits.',
    x: 'epochsDone',
    y: 'entropyBits',
    axis: 'epochs done',
    of: (row) => row.event === 'policy',
  },
  {
    title: 'Actions below τ by epoch',
    note: 'Mean probability of the actions that the judge scored below τ, in the same states.',
    x: 'epochsDone',
    y: 'belowTau',
    axis: 'epochs done',
    of: (row) => row.event === 'policy',
  },
  {
    title: 'Rarest viable action by epoch',
    note: 'Mean probability of the lowest-scored action that is still viable.',
    x: 'epochsDone',
    y: 'rarestViable',
    axis: 'epochs done',
    of: (row) => row.event === 'policy',
  },
  {
    title: 'Validation accuracy',
    note: 'Of answers to validation questions, which no training sees, by the adapter under training.',
    x: 'stepsDone',
    y: 'accuracy',
    axis: 'steps done',
    of: (row) => row.event === 'validation',
  },
  {
    title: 'Rarest viable action on validation questions',
    note: 'Mean probability of the lowest-scored action that is still viable, in states of rollouts on them.',
    x: 'stepsDone',
    y: 'rarestViable',
    axis: 'steps done',
    of: (row) => row.event === 'validation',
  },
  {
    title: 'SFT loss',
    note: 'Mean negative log-probability of the tokens learned.',
    x: 'step',
    y: 'loss',
    of: (row) => row.policyLoss === undefined,
  },
  {
    title: 'Policy loss',
    note: 'The clipped objective, without the KL penalty.',
    x: 'step',
    y: 'policyLoss',
    of: () => true,
  },
  {
    title: 'KL to the reference',
    note: 'Mean ½ (lp − lp_ref)² per token, of which no single token decides; past the target an epoch ends.',
    x: 'step',
    y: 'k2Bounded',
    of: () => true,
  },
  {
    title: 'KL over the actions',
    note: 'Exact, to the policy at the start of the iteration.',
    x: 'step',
    y: 'actionKl',
    of: () => true,
  },
  {
    title: 'Action loss',
    note: 'Cross-entropy against π*, the policy that the judge’s scores of all actions ask for.',
    x: 'step',
    y: 'actionLoss',
    of: () => true,
  },
  {
    title: 'Clip fraction',
    note: 'Share of ratios outside the clip range.',
    x: 'step',
    y: 'clipFraction',
    of: () => true,
  },
  {
    title: 'Critic loss',
    note: 'Mean squared error of V against the return.',
    x: 'step',
    y: 'valueLoss',
    of: () => true,
  },
  { title: 'Gradient norm', note: 'Of the actor, before clipping.', x: 'step', y: 'gradNorm', of: () => true },
];
