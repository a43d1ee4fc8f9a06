/** What repeated verdicts on the same states say of a judge's noise, and of choices that noise alone made. */
import { probit, sumNthPowerDeviations } from 'simple-statistics';
import { seededRandom } from '../random.js';
import { meanScores, type Scores } from '../rollout/audit.js';
import type { Score, SelectionRule, Trajectory } from '../trajectory/trajectory.js';
import { chosen } from './agreement.js';

export interface AuditSummary {
  /** States with scores, and those of them that were scored again. */
  readonly states: number;
  readonly audited: number;
  /**
   * Standard deviation of one score about the mean of its state and action, in points of 0 to 10: the pooled variance with
   * n − 1 for each state and action; null when nothing was scored again.
   */
  readonly noise: number | null;
  /** Share of audited states in which the means chose another action than the first verdict. */
  readonly changed: number | null;
  /**
   * Share of choices that noise alone changes: how often the means, taken for the truth, choose another action once noise
   * of that size is added to them, over audited states. They hold some noise themselves, which hides scores that truly are
   * at τ or equal, so it is rather too low.
   */
  readonly byNoise: number | null;
  /**
   * Mean over audited states of what the first verdict gave its own choice, less what the other verdicts gave it, in points:
   * above 0 it came over τ by luck, below 0 it was the lowest by luck.
   */
  readonly luck: number | null;
}

/** States of which the means are kept, drawn at random of more; a share over them is known to about two points. */
const KEPT = 2000;
/** Draws of noise for each of them. */
const DRAWS = 20;

/** Adds trajectories up; all of one selection at one τ. */
export class AuditTally {
  readonly #rule: SelectionRule;
  readonly #tau: number;
  #states = 0;
  #audited = 0;
  #squares = 0;
  #degrees = 0;
  #changed = 0;
  #luck = 0;
  readonly #kept: Scores[] = [];
  readonly #random = seededRandom(1);

  constructor(rule: SelectionRule, tau: number) {
    this.#rule = rule;
    this.#tau = tau;
  }

  add({ steps }: Pick<Trajectory, 'steps'>): void {
    for (const { scores, verdicts } of steps) {
      if (scores === null) continue;
      this.#states += 1;
      if (verdicts !== undefined && verdicts.length > 1) this.#state(verdicts);
    }
  }

  #state(verdicts: readonly Scores[]): void {
    const mean = meanScores(verdicts);
    const actions = Object.keys(mean);
    this.#audited += 1;
    for (const action of actions) this.#spread(verdicts.flatMap((scores) => scores[action] ?? []));
    const [first, now] = [verdicts[0]!, mean].map((scores) => chosen(actions, scores, this.#rule, this.#tau));
    if (now !== first) this.#changed += 1;
    this.#keep(mean);
    if (first !== undefined) {
      const others = meanScores(verdicts.slice(1))[first] ?? null;
      if (others !== null) this.#luck += verdicts[0]![first]! - others;
    }
  }

  #keep(mean: Scores): void {
    const place = this.#audited <= KEPT ? this.#kept.length : Math.floor(this.#random() * this.#audited);
    if (place < KEPT) this.#kept[place] = mean;
  }

  #spread(given: number[]): void {
    if (given.length < 2) return;
    this.#squares += sumNthPowerDeviations(given, 2);
    this.#degrees += given.length - 1;
  }

  summary(): AuditSummary {
    const of = (sum: number, count: number) => (count === 0 ? null : sum / count);
    const variance = of(this.#squares, this.#degrees);
    const noise = variance === null ? null : Math.sqrt(variance);
    return {
      states: this.#states,
      audited: this.#audited,
      noise,
      changed: of(this.#changed, this.#audited),
      byNoise: noise === null ? null : this.#changedBy(noise),
      luck: of(this.#luck, this.#audited),
    };
  }

  #changedBy(noise: number): number {
    const random = seededRandom(2);
    const draw = () => noise * probit(random());
    let changed = 0;
    for (const mean of this.#kept) {
      const actions = Object.keys(mean);
      const choice = chosen(actions, mean, this.#rule, this.#tau);
      for (let k = 0; k < DRAWS; k++) {
        const moved = actions.map((action): [string, Score] => {
          const score = mean[action] ?? null;
          return [action, score === null ? null : score + draw()];
        });
        if (chosen(actions, Object.fromEntries(moved), this.#rule, this.#tau) !== choice) changed += 1;
      }
    }
    return changed / (DRAWS * this.#kept.length);
  }
}
