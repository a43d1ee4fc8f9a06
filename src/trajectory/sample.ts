/**
 * A trajectory as a loss sees it. Only tokens that the model wrote carry a loss, never prompt, observations or template
 * (docs/algorithm.md, Losses). The name of the action counts as written even when the judge's scores chose it: that
 * choice is the a_t whose probability PPO is to change.
 */
import { checkedReward, type Reward } from '../reward.js';
import type { Choices } from './choices.js';
import type { Decisions } from './decision.js';
import { type SegmentKind, type Step, type Trajectory, WRITTEN_KINDS } from './trajectory.js';

export interface Sample {
  readonly id: string;
  /** (N) */
  readonly tokens: Int32Array;
  /** (N) 1 where the token carries a loss */
  readonly lossMask: Uint8Array;
  /** (N) index into the T rows below for tokens that carry a loss, else −1 */
  readonly stepOf: Int32Array;
  /** (T) position of the last token of s_t */
  readonly valuePositions: Int32Array;
  /** (T) R_t */
  readonly returns: Float32Array;
  /** (T) R_t with its two terms */
  readonly rewards: readonly Reward[];
  /** (T) index of the row's step in the trajectory */
  readonly rewardedSteps: readonly number[];
  /** Number of steps without a reward */
  readonly unrewarded: number;
  /** Σ lossMask */
  readonly lossTokens: number;
  /** Its choices of an action that the judge scored; absent where nobody asked for them */
  readonly decisions?: Decisions;
  /** Where a pass reads the probabilities of all actions in those states; absent: a pass does not */
  readonly choices?: Choices;
}

const STEP_KINDS: ReadonlySet<SegmentKind> = new Set<SegmentKind>(['thought', 'action', 'input']);

/** A sample in which every token that the model wrote carries a loss, the answer included. */
export function sftSample(trajectory: Trajectory): Sample {
  return build(trajectory, (kind) => WRITTEN_KINDS.has(kind), null);
}

/**
 * A sample in which the tokens of every step with a reward carry a loss. The tokens of other steps stay as state for
 * later steps. Null when no step has a reward.
 */
export function ppoSample(trajectory: Trajectory, reward: (step: Step) => Reward | null): Sample | null {
  const rewards = trajectory.steps.map(checkedReward(trajectory, reward));
  const sample = build(trajectory, (kind) => STEP_KINDS.has(kind), rewards);
  return sample.returns.length === 0 || sample.lossTokens === 0 ? null : sample;
}

/**
 * As `ppoSample`, for training on all scored actions: the names of actions carry no loss here, because their probability is
 * learned from the scores (decision.ts), and thought and input answer for coherence alone. So R_t is the reward's coherence
 * term.
 */
export function judgedSample(trajectory: Trajectory, reward: (step: Step) => Reward | null): Sample | null {
  const rewards = trajectory.steps.map(checkedReward(trajectory, reward));
  const sample = build(trajectory, (kind) => kind !== 'action' && STEP_KINDS.has(kind), rewards);
  if (sample.returns.length === 0 || sample.lossTokens === 0) return null;
  return { ...sample, returns: Float32Array.from(sample.rewards, ({ coherence }) => coherence) };
}

function build(
  trajectory: Trajectory,
  carriesLoss: (kind: SegmentKind) => boolean,
  rewards: readonly (Reward | null)[] | null,
): Sample {
  const tokens = Int32Array.from(trajectory.tokens);
  const lossMask = new Uint8Array(tokens.length);
  const stepOf = new Int32Array(tokens.length).fill(-1);
  const rows = new Map<number, number>();
  const valuePositions: number[] = [];
  const rewarded: Reward[] = [];
  const rewardedSteps: number[] = [];
  trajectory.steps.forEach((step, index) => {
    const reward = rewards?.[index] ?? null;
    if (reward === null) return;
    rows.set(step.index, rewarded.length);
    valuePositions.push(step.stateEnd - 1);
    rewarded.push(reward);
    rewardedSteps.push(index);
  });
  let lossTokens = 0;
  for (const segment of trajectory.segments) {
    const row = rows.get(segment.step) ?? -1;
    if (!carriesLoss(segment.kind) || (rewards !== null && row < 0)) continue;
    // The first token of a sequence has no log-prob.
    const start = Math.max(1, segment.start);
    lossMask.fill(1, start, segment.end);
    stepOf.fill(row, start, segment.end);
    lossTokens += Math.max(0, segment.end - start);
  }
  return {
    id: trajectory.id,
    tokens,
    lossMask,
    stepOf,
    valuePositions: Int32Array.from(valuePositions),
    returns: Float32Array.from(rewarded, ({ reward }) => reward),
    rewards: rewarded,
    rewardedSteps,
    unrewarded: rewards === null ? 0 : rewards.length - rewarded.length,
    lossTokens,
  };
}
