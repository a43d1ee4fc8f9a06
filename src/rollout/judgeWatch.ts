/**
 * A judge that is looked at while it scores its first states. One that gives every action the same score, or no action a
 * score of τ, tells nothing apart: every choice would be a draw or a fallback, and each of them would be paid for. Small
 * local models do that, and servers that fill a schema in with its least value.
 */
import { SparkError } from '../errors.js';
import type { Judge, JudgeVerdict } from '../judge/judge.js';
import type { Score } from '../trajectory/trajectory.js';

export interface JudgeWatch {
  /** States to look at; 0: none. */
  readonly states: number;
  /** τ where the selection depends on it, else null. */
  readonly tau: number | null;
}

/**
 * The judge; it throws `judge_useless` when the first `states` verdicts with two scores or more all had nothing in them.
 * Verdicts from a cache count, so the next command ends there, too, before it pays for anything.
 */
export function watched(judge: Judge, { states, tau }: JudgeWatch): Judge {
  let seen = 0;
  let constant = 0;
  let hopeless = 0;
  const look = (scores: readonly number[]) => {
    if (scores.length < 2 || seen >= states) return;
    seen += 1;
    if (scores.every((score) => score === scores[0])) constant += 1;
    if (tau !== null && scores.every((score) => score < tau)) hopeless += 1;
    if (seen < states) return;
    if (constant === states)
      throw useless(judge, `gave all actions the same score in each of the first ${states} states`);
    if (hopeless === states) throw useless(judge, `gave no action a score of τ (${tau}) in the first ${states} states`);
  };
  return {
    id: judge.id,
    async judge(request, options): Promise<JudgeVerdict> {
      const verdict = await judge.judge(request, options);
      look(known(Object.values(verdict?.scores ?? {})));
      return verdict;
    },
  };
}

function known(scores: readonly Score[]): number[] {
  return scores.filter((score) => typeof score === 'number');
}

function useless({ id }: Judge, what: string): SparkError {
  return new SparkError(
    'judge_useless',
    `the judge ${id} ${what}, so its scores choose nothing: try a stronger judge.model, or look at what it answers; ` +
      'judge.watchStates: 0 goes on all the same',
  );
}
