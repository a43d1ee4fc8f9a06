/**
 * The rarity audit. The lowest viable score is the minimum of noisy numbers: the more a judge's scores scatter, the more
 * often noise alone decides which action is the rarest, and it prefers scores that came out too low, or over τ by luck.
 * So a state whose choice is in doubt is scored again, with the actions in another order; the mean of all its verdicts
 * chooses, and they are all kept (docs/judge.md, The rarity audit).
 */
import { mean } from 'simple-statistics';
import { toSparkError } from '../errors.js';
import type { Judge, JudgeRequest, JudgeVerdict } from '../judge/judge.js';
import { mixSeeds, seededOrder } from '../random.js';
import type { Score, SelectionRule } from '../trajectory/trajectory.js';
import { ask, askForScores, endsTheRun } from './ask.js';

/** `cheap`: a choice in doubt is scored once more. `thorough`: every state is scored three times. */
export const AUDITS = ['off', 'cheap', 'thorough'] as const;
export type Audit = (typeof AUDITS)[number];

/** The most verdicts of one state. */
export const MOST_VERDICTS: Readonly<Record<Audit, number>> = { off: 1, cheap: 2, thorough: 3 };

export type Scores = Readonly<Record<string, Score>>;

/** The selection whose choice may be in doubt, in points of 0 to 10. */
export interface Doubt {
  readonly rule: SelectionRule;
  readonly tau: number;
  /** Differences up to this may be noise. */
  readonly margin: number;
}

export interface AuditedVerdict extends JudgeVerdict {
  /** The scores of every verdict, the first one first; `scores` are their means. */
  readonly verdicts: readonly Scores[];
}

/** Verdicts on one state. Failures of further ones cost nothing but themselves. */
export async function askAudited(
  judge: Judge,
  request: JudgeRequest,
  settings: Doubt & { readonly audit: Audit; readonly retries: number; readonly seed: number },
  signal: AbortSignal | undefined,
): Promise<AuditedVerdict> {
  const first = await askForScores(judge, request, settings.retries, signal);
  const verdicts = [first];
  const wanted = settings.audit === 'cheap' && !inDoubt(first.scores, settings) ? 1 : MOST_VERDICTS[settings.audit];
  for (let again = 1; again < wanted; again++) {
    const verdict = await further(judge, shuffled(request, mixSeeds(settings.seed, again)), signal);
    if (verdict !== null) verdicts.push(verdict);
  }
  const scores = verdicts.map((verdict) => verdict.scores);
  const ok = verdicts.map(({ processOk }) => processOk).find((verdict) => verdict !== null) ?? null;
  return { scores: meanScores(scores), processOk: ok, verdicts: scores };
}

async function further(judge: Judge, request: JudgeRequest, signal: AbortSignal | undefined) {
  try {
    const verdict = await ask(judge, request, signal);
    return Object.values(verdict.scores).some((score) => score !== null) ? verdict : null;
  } catch (error) {
    const failure = toSparkError(error);
    if (endsTheRun(failure)) throw failure;
    return null;
  }
}

/** In an order of its own: a judge at temperature 0 says the same to the same words, and a cache knows them. */
function shuffled(request: JudgeRequest, seed: number): JudgeRequest {
  const { actions } = request;
  const order = seededOrder(actions.length, seed);
  // Chance may leave them as they are.
  if (order.every((from, at) => from === at)) order.reverse();
  return { ...request, actions: order.map((from) => actions[from]!) };
}

/** By action the mean of the scores that are there; null where none is. */
export function meanScores(verdicts: readonly Scores[]): Record<string, Score> {
  const names = Object.keys(verdicts[0] ?? {});
  return Object.fromEntries(
    names.map((name): [string, Score] => {
      const given = verdicts.map((scores) => scores[name] ?? null).filter((score) => score !== null);
      return [name, given.length === 0 ? null : mean(given)];
    }),
  );
}

/**
 * Whether differences of at most `margin` can change which score chooses: another action within the margin of the chosen
 * one, or, where τ decides, an action within the margin of τ that could become the choice or cease to be it. Actions with
 * the same score are in doubt, too: it was a draw.
 */
export function inDoubt(scores: Scores, { rule, tau, margin }: Doubt): boolean {
  const given = Object.values(scores).filter((score) => score !== null);
  if (given.length < 2) return false;
  const viable = given.filter((score) => score >= tau);
  const near = (score: number, other: number) => Math.abs(score - other) <= margin;
  // The highest score is taken, whatever τ is; with nothing viable, unless one could be.
  if (rule === 'max-score' || viable.length === 0) {
    const best = Math.max(...given);
    const rivals = given.filter((score) => near(score, best)).length > 1;
    return rivals || (rule !== 'max-score' && tau - best <= margin);
  }
  const reaches = given.some((score) => near(score, tau));
  if (rule === 'least-used') return reaches;
  const chosen = Math.min(...viable);
  return reaches || viable.filter((score) => near(score, chosen)).length > 1;
}
