/**
 * Chooses the transcripts that a person should read: best and worst by reward, answers on which this stage is alone against
 * all others, and one for each action and category. A file of answers is read once, and only what may still be chosen
 * is held.
 */
import type { Step, Trajectory } from '../trajectory/trajectory.js';

/** Of each group that is ranked. */
const EACH = 3;

export interface Picked {
  /** Why it is shown; several reasons may meet in one */
  readonly why: readonly string[];
  readonly trajectory: Trajectory;
  /** Sum over the steps whose reward is known; null when none is */
  readonly reward: number | null;
}

export interface PickOptions {
  /** What a step earns, null when unknown */
  readonly rewardOf: (step: Step) => number | null;
  /** Per question, whether each other stage that answered it was right */
  readonly others: ReadonlyMap<number, readonly boolean[]>;
}

/** The chosen ones, group by group in the order in which they are to be read; none twice. */
export async function pickTranscripts(
  answers: Iterable<Trajectory> | AsyncIterable<Trajectory>,
  { rewardOf, others }: PickOptions,
): Promise<Picked[]> {
  const groups = [
    new Ranked('best', EACH),
    new Ranked('worst', EACH),
    new Ranked('surprising: right where every other stage is wrong', EACH),
    new Ranked('surprising: wrong where every other stage is right', EACH),
  ] as const;
  const byAction = new Map<string, Ranked>();
  const byCategory = new Map<string, Ranked>();
  for await (const trajectory of answers) {
    const reward = rewardOfAll(trajectory.steps, rewardOf);
    // Without scores: right answers by many different actions, wrong ones after many failures of tools.
    const worth = reward ?? (trajectory.correct ? actionsOf(trajectory).size : -failures(trajectory));
    const [best, worst, alone, failed] = groups;
    const one = { trajectory, reward };
    (trajectory.correct ? best : worst).offer(one, trajectory.correct ? worth : -worth);
    const rest = others.get(trajectory.questionId) ?? [];
    // Of several, those on which more stages agree against this one.
    if (rest.length > 0 && rest.every((right) => right !== trajectory.correct)) {
      (trajectory.correct ? alone : failed).offer(one, rest.length);
    }
    const right = trajectory.correct ? 1 : 0;
    for (const action of actionsOf(trajectory)) rankedOf(byAction, action, `uses ${action}`).offer(one, right);
    rankedOf(byCategory, trajectory.category, `category ${trajectory.category}`).offer(one, right);
  }
  return joined([...groups, ...sorted(byAction), ...sorted(byCategory)]);
}

const actionsOf = ({ steps }: Trajectory) => new Set(steps.map(({ action }) => action));

const failures = ({ steps }: Trajectory) => steps.filter(({ toolError }) => toolError !== null).length;

/** Null when no step's reward is known. */
function rewardOfAll(steps: readonly Step[], rewardOf: PickOptions['rewardOf']): number | null {
  const known = steps.flatMap((step) => rewardOf(step) ?? []);
  return known.length === 0 ? null : known.reduce((sum, one) => sum + one, 0);
}

type Candidate = Omit<Picked, 'why'>;

/** The `size` candidates of the highest rank; of equal ones those that came first. */
class Ranked {
  readonly why: string;
  readonly #size: number;
  #kept: { readonly candidate: Candidate; readonly rank: number }[] = [];

  constructor(why: string, size: number) {
    this.why = why;
    this.#size = size;
  }

  get kept(): readonly Candidate[] {
    return this.#kept.map(({ candidate }) => candidate);
  }

  offer(candidate: Candidate, rank: number): void {
    const before = this.#kept.filter((other) => other.rank >= rank);
    if (before.length >= this.#size) return;
    this.#kept = [...before, { candidate, rank }, ...this.#kept.slice(before.length)].slice(0, this.#size);
  }
}

function rankedOf(groups: Map<string, Ranked>, key: string, why: string): Ranked {
  let group = groups.get(key);
  if (group === undefined) {
    group = new Ranked(why, 1);
    groups.set(key, group);
  }
  return group;
}

function sorted(groups: ReadonlyMap<string, Ranked>): Ranked[] {
  return [...groups].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, group]) => group);
}

/** Each trajectory once, where it comes first, with all the reasons for which it is there. */
function joined(groups: readonly Ranked[]): Picked[] {
  const picked = new Map<string, Candidate & { readonly why: string[] }>();
  for (const { why, kept } of groups) {
    for (const candidate of kept) {
      const { id } = candidate.trajectory;
      const there = picked.get(id);
      if (there === undefined) picked.set(id, { ...candidate, why: [why] });
      else there.why.push(why);
    }
  }
  return [...picked.values()];
}
