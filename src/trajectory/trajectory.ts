/**
 * What a rollout leaves behind. One trajectory is ONE token sequence: states nest (s_t is a prefix of s_{t+1}), so a
 * single packed pass yields every step's log-probs and every V(s_t). Token ids are stored as generated and are never
 * made again from text.
 */

/** Who wrote a run of tokens. Only `thought`, `action`, `input` and `answer` were written by the policy. */
export type SegmentKind = 'prompt' | 'template' | 'thought' | 'action' | 'input' | 'observation' | 'answer';

/** tokens[start, end) of the trajectory. `step` is the index of its step, or -1 for prompt and answer. */
export interface Segment {
  readonly kind: SegmentKind;
  readonly step: number;
  readonly start: number;
  readonly end: number;
}

/** The rules that choose an action by the judge's scores (rollout/select.ts). */
export const SELECTION_RULES = ['min-score', 'max-score', 'least-used'] as const;
export type SelectionRule = (typeof SELECTION_RULES)[number];

/** 0–10, or null when the judge gave none (refusal, timeout, unparsable). Missing is never 0. */
export type Score = number | null;

export interface Step {
  /** Position in the trajectory, from 0. */
  readonly index: number;
  /** |s_t|: the state is tokens[0, stateEnd). V(s_t) is read at position stateEnd - 1. */
  readonly stateEnd: number;
  readonly thought: string;
  /** Judge's score per action name. Null as a whole when no judge was asked (evaluation). */
  readonly scores: Readonly<Record<string, Score>> | null;
  readonly action: string;
  /** What the action was chosen from. `fallback`: nothing was viable, the highest score was taken. `policy`: the model chose. */
  readonly choice: 'viable' | 'fallback' | 'policy';
  readonly input: string;
  /** Null for `think`. */
  readonly observation: string | null;
  /** Code of the tool's failure, or null. */
  readonly toolError: string | null;
  /** True where the model hit its token limit and the closing tag was put in for it. */
  readonly truncated: boolean;
  /** Judge's verdict on this step, given once its observation is known. Null: missing. */
  readonly processOk: boolean | null;
}

export interface Trajectory {
  /** Unique in a run: `<questionId>:<rollout set>:<attempt>` (trajectory/rolloutSet.ts). */
  readonly id: string;
  readonly questionId: number;
  readonly category: string;
  /** The rule that chose its actions; `policy`: none did, the model itself. */
  readonly selection: SelectionRule | 'policy';
  /** τ, from which score on an action was viable; null where no rule chose. */
  readonly tau: number | null;
  /** Generator and judge that made it, as they name themselves. */
  readonly generator: string;
  readonly judge: string | null;
  readonly seed: number;
  readonly steps: readonly Step[];
  /** Text of the answer block. */
  readonly answerText: string;
  /** Letter read out of it, or null when none could be read. */
  readonly answer: string | null;
  readonly correct: boolean;
  /** Why it ended: the model answered, it was made to after the last step, or it ran out of context. */
  readonly end: 'answered' | 'forced' | 'context_overflow';
  /** (N) token ids. */
  readonly tokens: readonly number[];
  readonly segments: readonly Segment[];
}

/** A question that gave no trajectory, recorded so that nothing is lost silently. */
export interface Skip {
  readonly questionId: number;
  readonly code: string;
  readonly message: string;
}
