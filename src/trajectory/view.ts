/** A trajectory as a person reads it: question, steps with scores in order and reward terms, answer; no token ids. */
import { type Reward, scorePair } from '../reward.js';
import { type Score, type Step, type Trajectory, writtenTokens } from './trajectory.js';

/** The question of a trajectory, which itself has no more than its id. */
export interface AskedQuestion {
  readonly question: string;
  /** In their order; empty: free text. `N/A` holds the place of one that is not shown. */
  readonly options: readonly string[];
  /** Letter of the right option; null: not known. */
  readonly answer: string | null;
}

/** An action with its score, and its rank among the scores there are: 1 is the highest, equal scores have the same. */
export interface RankedScore {
  readonly action: string;
  readonly score: Score;
  /** Null where the score is missing. */
  readonly rank: number | null;
  readonly taken: boolean;
}

export interface StepView extends Omit<Step, 'stateEnd' | 'scores'> {
  /** From the highest score to the lowest, then those that are missing; null when no judge was asked. */
  readonly scores: readonly RankedScore[] | null;
  /** What the judge gave the action taken and its best; null each where missing. */
  readonly chosen: Score;
  readonly best: Score;
  /** Null where a score or the verdict is missing. */
  readonly reward: Reward | null;
}

export interface TrajectoryView extends Omit<Trajectory, 'steps' | 'tokens' | 'segments'> {
  /** Null: it could not be found. */
  readonly question: AskedQuestion | null;
  readonly steps: readonly StepView[];
  /** How many, and how many of them the model wrote. */
  readonly tokens: number;
  readonly written: number;
}

/** `reward`: of a step, by the run's ρ. */
export function viewOf(
  trajectory: Trajectory,
  question: AskedQuestion | null,
  reward: (step: Step) => Reward | null,
): TrajectoryView {
  const { steps, tokens, segments: _who, ...rest } = trajectory;
  return {
    ...rest,
    question,
    steps: steps.map((step): StepView => {
      const { stateEnd: _length, ...shown } = step;
      return { ...shown, scores: ranked(step), ...scorePair(step), reward: reward(step) };
    }),
    tokens: tokens.length,
    written: writtenTokens(trajectory),
  };
}

function ranked({ scores, action: taken }: Step): RankedScore[] | null {
  if (scores === null) return null;
  const all = Object.entries(scores);
  const known = all.flatMap(([, score]) => (score === null ? [] : [score]));
  const rows = all.map(([action, score]): RankedScore => {
    const rank = score === null ? null : 1 + known.filter((other) => other > score).length;
    return { action, score, rank, taken: action === taken };
  });
  const last = all.length + 1;
  // Sorting keeps the order of what is equal.
  return rows.sort((a, b) => (a.rank ?? last) - (b.rank ?? last));
}
