/** The judge's contract: what it is asked, what it answers. */
import type { SparkErrorCode } from '../errors.js';
import type { Question } from '../questions/question.js';
import type { ActionInfo } from '../tools/tool.js';
import type { Score } from '../trajectory/trajectory.js';

/** What the judge is told about one finished step. */
export interface JudgedStep {
  readonly thought: string;
  readonly action: string;
  readonly input: string;
  /** Null for `think`. */
  readonly observation: string | null;
}

/**
 * One request to the judge, at one state. With `thought`: score every action for this thought, and say whether the last
 * of `steps` was coherent. With `answer` instead: the trajectory is over; say only whether the last step was coherent.
 */
export interface JudgeRequest {
  readonly question: Question;
  readonly steps: readonly JudgedStep[];
  readonly thought: string | null;
  readonly answer: string | null;
  /** The nine actions: the tools, then `think`. */
  readonly actions: readonly ActionInfo[];
}

export interface JudgeVerdict {
  /** One entry per action of the request, null where the judge gave no score. Empty for a request with `answer`. */
  readonly scores: Readonly<Record<string, Score>>;
  /** Whether the last of `steps` was coherent; null when there is no step yet or the judge did not say. */
  readonly processOk: boolean | null;
  /** Of `processOk` being true, from a judge that knows it; the cache keeps it. */
  readonly processProbability?: number | undefined;
}

/** `judge` throws SparkError `judge_*` when it has no verdict at all; any other error of a judge ends the run. */
export interface Judge {
  /** Names judge and settings; part of the cache key and of every trajectory. */
  readonly id: string;
  /** In place of `id` in the cache's keys of questions without options, where these are judged under other words. */
  readonly freeId?: string;
  judge(request: JudgeRequest, options: { readonly signal?: AbortSignal }): Promise<JudgeVerdict>;
}

/** Codes of a judge that answered and gave no verdict, and would give none another time. */
export const NO_VERDICT: ReadonlySet<SparkErrorCode> = new Set<SparkErrorCode>(['judge_refused', 'judge_unparsable']);
