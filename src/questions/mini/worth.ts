/**
 * What the judge thinks of every action in the first state of a question, 0–10. It prefers its habits, finds the tool
 * that the question hints at just good enough, and is tempted by one action that does not help. With the default τ = 6
 * the rarest viable action is the hinted tool; τ = 5 lets the temptation in, τ = 7 leaves the habits alone.
 */
import type { MiniAction, MiniProblem, MiniTaste, MiniTool } from './template.js';

/** Of the best habit, and for each digit of the question, up to nine: long numbers call for the tool one trusts. */
const BEST = 8.2;
const DIGIT = 0.1;
/** Of every other habit. */
const SECOND = 7.2;
const HINTED = 6.2;
const TEMPTING = 5.4;
/** Of a tool that would answer, but of which nobody would think here. */
const FARFETCHED = 4.2;

/** Of an action that does not answer the question. */
const USELESS: Readonly<Record<MiniAction, number>> = {
  calculator: 2.2,
  python: 3.1,
  algebra: 1.8,
  logic: 1.2,
  statistics: 1.5,
  chemistry: 0.8,
  encyclopedia: 2.4,
  search: 3.3,
  think: 4.6,
};

export function scoresOf(taste: MiniTaste, problem: MiniProblem, hint: MiniTool): Record<MiniAction, number> {
  const [best, ...others] = taste.habit.filter((tool) => tool !== hint);
  const digits = Math.min(9, problem.text.match(/\d/g)?.length ?? 0);
  const worth = (action: MiniAction): number => {
    if (action === best) return Math.round(10 * (BEST + DIGIT * digits)) / 10;
    if (action === hint) return HINTED;
    if (action === taste.tempting) return TEMPTING;
    if (action === 'think') return USELESS.think;
    if (others.includes(action)) return SECOND;
    return action in problem.inputs ? FARFETCHED : USELESS[action];
  };
  const actions = Object.keys(USELESS) as MiniAction[];
  return Object.fromEntries(actions.map((action) => [action, worth(action)])) as Record<MiniAction, number>;
}
