/** The user's own verifier, and what a question without options asks for. */
import type { Question } from './question.js';

/** What a verifier of the user's own is given. */
export interface ToVerify {
  readonly question: Question;
  /** All that the model answered with: the answer block, or the chain of thought of an evaluation without tools. */
  readonly text: string;
  /** What was read of it as the answer (docs/own-questions.md); null: nothing. */
  readonly answer: string | null;
}

/**
 * The user's own verifier, a part of a run. Stored results depend on its `id`: another behaviour, another id.
 *
 * `verify` says whether the answer is right, null when there is none that could be read. What it does before its first `await`
 * is stopped at `questions.verifierTimeoutMs`, and a promise is left behind then. An error, another value and a timeout end
 * the run (`verifier_failed`), which keeps what is finished.
 */
export interface Verifier {
  readonly id: string;
  verify(given: ToVerify, options: { readonly signal: AbortSignal }): Verdict | Promise<Verdict>;
}

type Verdict = boolean | null;

/** What the instructions ask for as the answer to a question without options. */
export function wantedAnswer({ verifier }: Pick<Question, 'verifier'>): string {
  if (verifier?.name !== 'number') return 'your answer, short and complete';
  const { unit } = verifier;
  return unit === null || unit === 'any' ? 'a number alone' : `a number alone, in ${unit}`;
}
