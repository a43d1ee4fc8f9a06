/**
 * The part of PPO's loss that is over all actions of a state and not over the one that was taken (docs/algorithm.md, All
 * scored actions):
 *   judged    L_act = (1/S) Σ_s −Σ_a π*(a | s) log p(a | s)        S: states of the batch with two scored actions or more
 *   bonus     −c (1/S') Σ_s H(p(· | s))                            S': all states of the batch with scores
 * Both are cross-entropies −Σ_a w_a log p(a | s) with weights w that count as constants: the bonus with w = −c/S' · p log p of
 * the policy as it is, whose slope is that of −c H / S', as Σ_a ∇p(a | s) = 0. The engine's choices teach any such weights.
 */
import { SparkError } from '../errors.js';
import { actionLogprobs, alternativeTargets, type Choices } from '../trajectory/choices.js';
import { type Decision, scoredCount } from '../trajectory/decision.js';
import type { Sample } from '../trajectory/sample.js';
import { type ActionMeasures, measureActions } from './actionMeasures.js';
import { entropyOf, improvedPolicy, klOf, solveTemperature } from './improve.js';

export interface ActionSettings {
  readonly actionLoss: 'clip' | 'judged';
  /** λ; null: solved for targetKl */
  readonly actionTemperature: number | null;
  readonly targetKl: number;
  /** c */
  readonly entropyBonus: number;
}

/** A sample with its choices, as `withChoices` makes it. */
export type ChoosingSample = Sample & { readonly choices: Choices };

/** What an iteration begins with. */
export interface ActionGoal {
  /** λ */
  readonly temperature: number;
  /** Mean KL(π* ‖ p_ref) over the states that are learned, in nats */
  readonly goalKl: number;
  /** What π* itself is measured at, in those states */
  readonly goal: ActionMeasures;
  /** States that are learned, and those left out because fewer than two of their actions have a score */
  readonly learned: number;
  readonly skipped: number;
}

/** Weights of a batch's two sums: 1/S and c/S'; 0 where a sum has no state. */
export interface ActionShares {
  readonly judged: number;
  readonly bonus: number;
}

export class ActionTerm {
  readonly #samples: readonly ChoosingSample[];
  readonly #settings: ActionSettings;
  /** (S, K) log p_ref of each sample: of the policy before the iteration's first update */
  #references: readonly Float64Array[][] = [];
  /** (S, K) π* of each sample; null for a state that is not learned */
  #improved: readonly (Float64Array | null)[][] = [];
  #goal: ActionGoal | null = null;

  /** Throws `no_data` when the judged loss would have no state to learn from. */
  constructor(samples: readonly ChoosingSample[], settings: ActionSettings) {
    this.#samples = samples;
    this.#settings = settings;
    if (settings.actionLoss === 'clip' || samples.some((sample) => statesOf(sample).some(isLearned))) return;
    throw new SparkError(
      'no_data',
      'ppo.actionLoss: judged learns from the scores of all actions, and no state of these rollouts has scores of two ' +
        'actions or more; generate rollouts with a judge that scores them, or set ppo.actionLoss: clip',
    );
  }

  /** False: the actions have no loss of their own, so a training pass needs no choices. */
  get isLearned(): boolean {
    return this.#settings.actionLoss === 'judged' || this.#settings.entropyBonus > 0;
  }

  /** Null when the actions are not learned from their scores. */
  get goal(): ActionGoal | null {
    return this.#goal;
  }

  /** Begins an iteration: p_ref, λ and π* from the (J) log-probs of each sample's choices. */
  begin(choiceLogprobs: readonly Float32Array[]): void {
    const { actionLoss, actionTemperature, targetKl } = this.#settings;
    this.#references = this.#samples.map(({ choices, ...sample }, index) =>
      actionLogprobs(choices, statesOf(sample).length, choiceLogprobs[index]!),
    );
    if (actionLoss === 'clip') return;
    const rated = this.#samples.map((sample, index) =>
      statesOf(sample).map((decision, s) => ({
        decision,
        state: { logprobs: this.#references[index]![s]!, rewards: decision.rewards },
      })),
    );
    const learned = rated.flat().flatMap(({ decision, state }) => (isLearned(decision) ? [state] : []));
    const temperature = actionTemperature ?? solveTemperature(learned, targetKl);
    let kl = 0;
    this.#improved = rated.map((states) =>
      states.map(({ decision, state }) => {
        if (!isLearned(decision)) return null;
        const improved = improvedPolicy(state, temperature);
        kl += improved.kl;
        return improved.policy;
      }),
    );
    const skipped = rated.flat().length - learned.length;
    const goal = measureActions(
      rated.flat().flatMap(({ decision }) => (isLearned(decision) ? [decision] : [])),
      this.#improved.flat().flatMap((policy) => (policy === null ? [] : [policy.map(Math.log)])),
      this.#samples.find(({ decisions }) => decisions !== undefined)!.decisions!.tau,
    );
    this.#goal = { temperature, goalKl: kl / learned.length, goal, learned: learned.length, skipped };
  }

  /** `rows`: indices of the samples of a batch. */
  shares(rows: readonly number[]): ActionShares {
    const states = rows.flatMap((index) => statesOf(this.#samples[index]!));
    const share = (coefficient: number, count: number) => (count === 0 ? 0 : coefficient / count);
    return {
      judged: this.#settings.actionLoss === 'judged' ? share(1, states.filter(isLearned).length) : 0,
      bonus: share(this.#settings.entropyBonus, states.length),
    };
  }

  /**
   * (J) targets of one sample's choices. `current`: the (J) log-probs under the policy as it is, which only the bonus needs.
   */
  targets(index: number, { judged, bonus }: ActionShares, current: Float32Array | null): Float32Array {
    const sample = this.#samples[index]!;
    const states = statesOf(sample);
    const policies = current === null ? null : actionLogprobs(sample.choices, states.length, current);
    const weights = states.map((_, s) => {
      const goal = judged > 0 ? this.#improved[index]![s]! : null;
      const policy = bonus > 0 ? policies![s]! : null;
      return new Float64Array(sample.choices.trie.actions.length).map(
        (_, a) => (goal === null ? 0 : judged * goal[a]!) + (policy === null ? 0 : bonus * surprise(policy[a]!)),
      );
    });
    return alternativeTargets(sample.choices, weights);
  }

  /** A sum over the batch of one optimizer step, filled pass by pass. */
  sums(): ActionSums {
    return new ActionSums((index, choiceLogprobs) => {
      const sample = this.#samples[index]!;
      const decisions = statesOf(sample);
      return actionLogprobs(sample.choices, decisions.length, choiceLogprobs).map((policy, s) => ({
        policy,
        reference: this.#references[index]![s]!,
        goal: this.#improved[index]?.[s] ?? null,
      }));
    });
  }
}

interface StateNow {
  /** (K) log p, log p_ref, π* */
  readonly policy: Float64Array;
  readonly reference: Float64Array;
  readonly goal: Float64Array | null;
}

/** Means over the states of one optimizer step, as its forward pass saw them. */
export interface ActionReport {
  /** L_act, in nats; 0 with actionLoss: clip */
  readonly actionLoss: number;
  /** Mean KL(p ‖ p_ref) over all states with scores, in nats: exact, and to the policy at the iteration's start */
  readonly actionKl: number;
  /** Mean H(p(· | s)), in nats */
  readonly actionEntropy: number;
  /** States with scores */
  readonly decisions: number;
}

class ActionSums {
  readonly #read: (index: number, choiceLogprobs: Float32Array) => StateNow[];
  #loss = 0;
  #learned = 0;
  #kl = 0;
  #entropy = 0;
  #states = 0;

  constructor(read: (index: number, choiceLogprobs: Float32Array) => StateNow[]) {
    this.#read = read;
  }

  /** (J) log-probs of one sample's choices. */
  add(index: number, choiceLogprobs: Float32Array): void {
    for (const { policy, reference, goal } of this.#read(index, choiceLogprobs)) {
      this.#states += 1;
      this.#kl += klOf(policy, reference);
      this.#entropy += entropyOf(policy);
      if (goal === null) continue;
      this.#learned += 1;
      this.#loss -= goal.reduce((sum, share, action) => (share > 0 ? sum + share * policy[action]! : sum), 0);
    }
  }

  report(): ActionReport {
    const mean = (sum: number, count: number) => (count === 0 ? 0 : sum / count);
    return {
      actionLoss: mean(this.#loss, this.#learned),
      actionKl: mean(this.#kl, this.#states),
      actionEntropy: mean(this.#entropy, this.#states),
      decisions: this.#states,
    };
  }
}

function statesOf({ decisions }: Pick<Sample, 'decisions'>): readonly Decision[] {
  return decisions?.states ?? [];
}

function isLearned(decision: Decision): boolean {
  return scoredCount(decision) >= 2;
}

/** −p log p in nats, from log p. */
function surprise(lp: number): number {
  return lp > Number.NEGATIVE_INFINITY ? -Math.exp(lp) * lp : 0;
}
