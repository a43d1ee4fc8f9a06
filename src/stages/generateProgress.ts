/**
 * The progress line of a generation: how far, how fast, until when, at what cost, and whether the choices are as SPaRK wants
 * them, while there is still time to stop. What matters most comes first, as a narrow terminal cuts the line.
 */
import { actionEntropy } from '../evaluate/entropy.js';
import { type Trajectory, writtenTokens } from '../trajectory/trajectory.js';
import { percent } from '../units.js';

/** What the judge has counted (judge/stats.ts); a judge that counts nothing has none of it. */
export type JudgeCounters = Readonly<Record<string, unknown>>;

/** Of the whole set, with what earlier commands made. */
export interface SetSoFar {
  /** Steps by action */
  readonly actions: Readonly<Record<string, number>>;
  /** For the end of the line; empty where there is nothing to say. */
  text(): string;
}

/** Rates are of so many of the last results: the first ones come late, and a cache may answer for a while. */
const WINDOW = 64;

interface Result {
  readonly at: number;
  /** That the model wrote */
  readonly tokens: number;
  readonly isTrajectory: boolean;
}

export class GenerateProgress {
  readonly #todo: number;
  readonly #now: () => number;
  /** The last results, and in front of them when their time began. */
  #recent: Result[];
  #written = 0;
  #skipped = 0;

  /** `todo`: questions of this command; `now` in milliseconds. */
  constructor(todo: number, now: () => number = () => performance.now()) {
    this.#todo = todo;
    this.#now = now;
    this.#recent = [{ at: now(), tokens: 0, isTrajectory: false }];
  }

  /** A question's result; null: it was skipped. */
  add(trajectory: Pick<Trajectory, 'segments'> | null): void {
    if (trajectory === null) this.#skipped += 1;
    else this.#written += 1;
    const tokens = trajectory === null ? 0 : writtenTokens(trajectory);
    this.#recent.push({ at: this.#now(), tokens, isTrajectory: trajectory !== null });
    if (this.#recent.length > WINDOW + 1) this.#recent = this.#recent.slice(1);
  }

  line(name: string, set: SetSoFar, counters: JudgeCounters): string {
    const skipped = this.#skipped === 0 ? '' : ` (${this.#skipped} skipped)`;
    return (
      [
        `generate ${name} ${this.#written}/${this.#todo}${skipped}`,
        ...this.#pace(),
        ...judgeParts(counters),
        ...actionParts(set.actions),
      ].join('  ') + set.text()
    );
  }

  #pace(): string[] {
    const [first, ...results] = this.#recent;
    const seconds = (this.#now() - first!.at) / 1000;
    if (results.length === 0 || seconds <= 0) return [];
    const trajectories = results.filter(({ isTrajectory }) => isTrajectory).length;
    const tokens = results.reduce((sum, one) => sum + one.tokens, 0);
    const left = this.#todo - this.#written - this.#skipped;
    return [
      `${rate(trajectories / seconds)} trajectories/s`,
      `${rate(tokens / seconds)} tokens/s`,
      `ETA ${duration((left * seconds) / results.length)}`,
    ];
  }
}

function judgeParts({ judge_cost_usd: cost, judge_missing_rate: missing }: JudgeCounters): string[] {
  return [
    ...(typeof cost === 'number' ? [`$${cost.toFixed(2)}`] : []),
    ...(typeof missing === 'number' ? [`missing ${percent(missing)}`] : []),
  ];
}

/** Entropy and shares of the actions taken, the most used first. */
function actionParts(actions: Readonly<Record<string, number>>): string[] {
  const { steps, entropyBits } = actionEntropy(actions);
  if (steps === 0) return [];
  const used = Object.entries(actions).sort(([, a], [, b]) => b - a);
  const shares = used.map(([name, count]) => `${name} ${Math.round((100 * count) / steps)}%`);
  return [`H ${entropyBits.toFixed(2)} bit`, shares.join(' ')];
}

/** Two figures or more: a rate is not known better. */
function rate(value: number): string {
  return value >= 10 ? value.toFixed(0) : value.toPrecision(2);
}

/** `48 s`, `12 min`, `3 h 05 min` */
function duration(seconds: number): string {
  if (seconds < 100) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 100) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, '0')} min`;
}
