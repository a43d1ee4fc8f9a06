/**
 * A trajectory, which is what a rollout makes. It is ONE token sequence: states nest (s_t is a prefix of s_{t+1}), so
 * one pass gives every step's log-probs and every V(s_t). Token ids are stored as generated and never made again from
 * text; only of rollouts made elsewhere there are none, and they are marked (`tokenised`).
 */

/** What a segment of tokens is. The model wrote only `thought`, `action`, `input` and `answer`. */
export type SegmentKind = 'prompt' | 'template' | 'thought' | 'action' | 'input' | 'observation' | 'answer';

/** What the model wrote. */
export const WRITTEN_KINDS: ReadonlySet<SegmentKind> = new Set<SegmentKind>(['thought', 'action', 'input', 'answer']);

/** tokens[start, end) of the trajectory. `step` is the index of its step, or -1 for prompt and answer. */
export interface Segment {
  readonly kind: SegmentKind;
  readonly step: number;
  readonly start: number;
  readonly end: number;
}

/** The selections: rules that pick an action from the judge's scores (rollout/select.ts). */
export const SELECTION_RULES = ['min-score', 'max-score', 'least-used'] as const;
export type SelectionRule = (typeof SELECTION_RULES)[number];

/** 0–10, or null when the judge gave none (refusal, timeout, unparsable). Missing is never 0. */
export type Score = number | null;

/** What the judge gave the action taken, and the highest of its scores. */
export interface ScorePair {
  readonly chosen: Score;
  readonly best: Score;
}

export interface Step {
  /** Position in the trajectory, from 0. */
  readonly index: number;
  /** |s_t|: the state is tokens[0, stateEnd). V(s_t) is read at position stateEnd - 1. */
  readonly stateEnd: number;
  readonly thought: string;
  /** The judge's scores by action name; null when no judge was asked (evaluation). */
  readonly scores: Readonly<Record<string, Score>> | null;
  /** Where the state was scored more than once: the scores of every verdict, whose means `scores` are. */
  readonly verdicts?: readonly Readonly<Record<string, Score>>[] | undefined;
  /** Of rollouts made elsewhere that keep no more of the scores, so that `scores` is null. */
  readonly pair?: ScorePair | undefined;
  readonly action: string;
  /** How the action was chosen: among `viable` ones; as `fallback`, the highest score with nothing viable; by the model. */
  readonly choice: 'viable' | 'fallback' | 'policy';
  readonly input: string;
  /** Null for `think`. */
  readonly observation: string | null;
  /** Code of the tool's failure, or null. */
  readonly toolError: string | null;
  /** True when the model did not close thought or input within its token limit, so that the template closed it. */
  readonly truncated: boolean;
  /** The judge's verdict on whether this step was coherent, given once its observation is known; null when missing. */
  readonly processOk: boolean | null;
}

export interface Trajectory {
  /** Unique in a run: `<questionId>:<rollout set>:<attempt>` (trajectory/rolloutSet.ts). */
  readonly id: string;
  readonly questionId: number;
  readonly category: string;
  /** The selection that picked its actions; `policy` when the model itself did. */
  readonly selection: SelectionRule | 'policy';
  /** τ: an action was viable from this score on; null with selection `policy`. */
  readonly tau: number | null;
  /** Ids of the generator and judge that made it. */
  readonly generator: string;
  readonly judge: string | null;
  readonly seed: number;
  readonly steps: readonly Step[];
  /** Text of the answer block. */
  readonly answerText: string;
  /** Letter read from `answerText`, or of a question without options what it answers; null when none could be read. */
  readonly answer: string | null;
  readonly correct: boolean;
  /**
   * Why it ended: the model answered; we opened the answer after the last step allowed; the context was full; or it is of
   * rollouts made elsewhere, and has no answer that can be read.
   */
  readonly end: 'answered' | 'forced' | 'context_overflow' | 'unanswered';
  /** `later`: its texts were made elsewhere, or came from a server without their tokens, and were tokenised here. Absent: the tokens are those that were generated. */
  readonly tokenised?: 'later' | undefined;
  /** (N) token ids. */
  readonly tokens: readonly number[];
  readonly segments: readonly Segment[];
}

/** How many tokens of a trajectory its model wrote. */
export function writtenTokens({ segments }: Pick<Trajectory, 'segments'>): number {
  let count = 0;
  for (const { kind, start, end } of segments) if (WRITTEN_KINDS.has(kind)) count += end - start;
  return count;
}

/** A question that gave no trajectory, with the reason. */
export interface Skip {
  readonly questionId: number;
  readonly code: string;
  readonly message: string;
}
