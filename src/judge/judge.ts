import type { Question } from '../questions/question.js';
import type { ActionInfo } from '../tools/tool.js';
import type { Score } from '../trajectory/trajectory.js';

/** What the judge is told of one finished step. */
export interface JudgedStep {
  readonly thought: string;
  readonly action: string;
  readonly input: string;
  /** Null for `think`. */
  readonly observation: string | null;
}

/**
 * One question to the judge, at one state. With `thought` set: score every action for it, and say whether the last of
 * `steps` was coherent. With `answer` set instead: the trajectory is over, only the last step's verdict is wanted.
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
  /** One entry per action of the request; null where the judge gave none. Empty when only `answer` was judged. */
  readonly scores: Readonly<Record<string, Score>>;
  /** Whether the last of `steps` was coherent; null when there is no step yet or the judge did not say. */
  readonly processOk: boolean | null;
}

/** Throws SparkError `judge_*` when no verdict at all could be had. */
export interface Judge {
  /** Names judge and settings; part of the cache key and of every trajectory. */
  readonly id: string;
  judge(request: JudgeRequest, options: { readonly signal?: AbortSignal }): Promise<JudgeVerdict>;
}
