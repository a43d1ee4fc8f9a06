/** What a row's policy would choose in the validation states, by seed and question: a bootstrap reads it a thousand times. */

import type { Draw } from '../evaluate/seedInterval.js';
import { measureState } from '../train/actionMeasures.js';
import { entropyOf } from '../train/improve.js';
import type { RowAnswers } from './rows.js';

type PolicyOfSeed = NonNullable<RowAnswers['policy']>;

/** Sums over a question's states. */
interface Sums {
  /** (K) Σ p(a | s) */
  readonly probabilities: Float64Array;
  states: number;
  belowTau: number;
  rarestViable: number;
  /** States in which something is viable */
  viable: number;
}

export class PolicyGrid {
  readonly ids: readonly number[];
  /** K */
  readonly actions: number;
  /** [seed][question]; null: no state */
  readonly #sums: readonly (readonly (Sums | null)[])[];

  private constructor(seeds: readonly PolicyOfSeed[], tau: number) {
    this.ids = [...new Set(seeds.flatMap(({ states }) => states.map(({ questionId }) => questionId)))].sort(
      (a, b) => a - b,
    );
    this.actions = Math.max(...seeds.map(({ actions }) => actions.length));
    this.#sums = seeds.map((seed) => sumsOf(seed, this.ids, tau));
  }

  /** Null unless every seed's policy was measured, over the same actions. */
  static of(seeds: readonly RowAnswers[]): PolicyGrid | null {
    const measured = seeds.flatMap(({ policy }) => (policy === null ? [] : [policy]));
    const names = new Set(measured.map(({ actions }) => actions.join('\n')));
    if (measured.length < seeds.length || names.size !== 1) return null;
    return new PolicyGrid(measured, seeds[0]!.tau);
  }

  /** Bits, of the mean over the states of p(a | s). */
  entropyBits = (seed: number, draw: Draw): number => {
    const total = new Float64Array(this.actions);
    let states = 0;
    this.#each(seed, draw, (sums, times) => {
      for (let a = 0; a < total.length; a++) total[a]! += times * sums.probabilities[a]!;
      states += times * sums.states;
    });
    return entropyOf(total.map((sum) => Math.log(sum / states))) / Math.LN2;
  };

  belowTau = (seed: number, draw: Draw): number => this.#mean(seed, draw, 'belowTau', 'states');

  /** Over the states in which something is viable. */
  rarestViable = (seed: number, draw: Draw): number => this.#mean(seed, draw, 'rarestViable', 'viable');

  #mean(seed: number, draw: Draw, mass: 'belowTau' | 'rarestViable', count: 'states' | 'viable'): number {
    let [some, all] = [0, 0];
    this.#each(seed, draw, (sums, times) => {
      some += times * sums[mass];
      all += times * sums[count];
    });
    return some / all;
  }

  /** The questions that were drawn and have a state. */
  #each(seed: number, draw: Draw, visit: (sums: Sums, times: number) => void): void {
    this.#sums[seed]!.forEach((sums, q) => {
      const times = draw[q]!;
      if (sums !== null && times > 0) visit(sums, times);
    });
  }
}

function sumsOf({ actions, states }: PolicyOfSeed, ids: readonly number[], tau: number): (Sums | null)[] {
  const at = new Map(ids.map((id, index) => [id, index]));
  const sums = new Array<Sums | null>(ids.length).fill(null);
  for (const { questionId, scores, logprobs } of states) {
    const index = at.get(questionId)!;
    const empty = {
      probabilities: new Float64Array(actions.length),
      states: 0,
      belowTau: 0,
      rarestViable: 0,
      viable: 0,
    };
    const sum = sums[index] ?? empty;
    sums[index] = sum;
    const policy = Float64Array.from(logprobs, Math.exp);
    const { belowTau, rarestViable } = measureState(scores, policy, tau);
    for (let a = 0; a < policy.length; a++) sum.probabilities[a]! += policy[a]!;
    sum.states += 1;
    sum.belowTau += belowTau;
    if (rarestViable === null) continue;
    sum.rarestViable += rarestViable;
    sum.viable += 1;
  }
  return sums;
}
