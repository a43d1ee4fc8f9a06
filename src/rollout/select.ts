/**
 * Selection: the rule that picks an action from the judge's scores (docs/algorithm.md, Selection):
 *   viable = { a : score_a ≥ τ }
 *   min-score    the lowest score among the viable            SPaRK
 *   max-score    the highest score                            the baseline without diversity
 *   least-used   the viable action used least so far          frequency instead of score
 * With nothing viable every rule takes the highest score, marked `fallback`. Ties go to the action used least so far,
 * then to a seeded draw. Uses are counted in the trajectory itself: no choice depends on which other question ended first. An action whose score is missing is no candidate; a missing score is never 0.
 */
import { type KeysOf, requireKeys } from '../options.js';
import type { Score, SelectionRule, Step } from '../trajectory/trajectory.js';

export interface SelectionSettings {
  readonly rule: SelectionRule;
  /** τ */
  readonly tau: number;
  /** Times an action was taken so far in this trajectory. */
  readonly used: (action: string) => number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

const SETTINGS = { rule: true, tau: true, used: true, random: true } as const satisfies KeysOf<SelectionSettings>;

export interface Selection {
  readonly action: string;
  readonly choice: Exclude<Step['choice'], 'policy'>;
}

interface Candidate {
  readonly action: string;
  readonly score: number;
}

/** Null when no action has a score. The order of `actions`, not that of `scores`, decides what a draw picks. */
export function selectAction(
  actions: readonly string[],
  scores: Readonly<Record<string, Score>>,
  settings: SelectionSettings,
): Selection | null {
  requireKeys(settings, SETTINGS, 'selectAction: settings');
  const candidates = actions.flatMap((action): Candidate[] => {
    const score = Object.hasOwn(scores, action) ? scores[action] : null;
    return typeof score === 'number' && Number.isFinite(score) ? [{ action, score }] : [];
  });
  if (candidates.length === 0) return null;
  const viable = candidates.filter(({ score }) => score >= settings.tau);
  const best =
    viable.length === 0
      ? lowest(candidates, ({ score }) => -score)
      : lowest(viable, preference(settings.rule, settings.used));
  const tied = lowest(best, ({ action }) => settings.used(action));
  const drawn = tied[Math.floor(settings.random() * tied.length)]!;
  return { action: drawn.action, choice: viable.length === 0 ? 'fallback' : 'viable' };
}

/** The quantity that the rule minimizes. */
function preference(rule: SelectionRule, used: (action: string) => number): (candidate: Candidate) => number {
  switch (rule) {
    case 'min-score':
      return ({ score }) => score;
    case 'max-score':
      return ({ score }) => -score;
    case 'least-used':
      return ({ action }) => used(action);
  }
}

/** All candidates at the minimum of `key`. */
function lowest(candidates: readonly Candidate[], key: (candidate: Candidate) => number): Candidate[] {
  const minimum = Math.min(...candidates.map(key));
  return candidates.filter((candidate) => key(candidate) === minimum);
}
