/** Shared by the rollout tests: a question, a judge that answers from a table, settings. */
import type { Judge, JudgeRequest, JudgeVerdict } from '../../../src/judge/judge.js';
import type { Question } from '../../../src/questions/question.js';
import type { RolloutSettings } from '../../../src/rollout/settings.js';
import type { Trajectory } from '../../../src/trajectory/trajectory.js';

export const question = (question_id = 7): Question => ({
  question_id,
  question: 'What is 37 * 24?',
  options: ['864', '877', '888', '900'],
  answer: 'C',
  answer_index: 2,
  cot_content: '',
  category: 'math',
  src: 'test',
});

export const SETTINGS: RolloutSettings = {
  selection: 'min-score',
  tau: 6,
  maxSteps: 3,
  minSteps: 0,
  temperature: 0,
  maxThoughtTokens: 40,
  maxInputTokens: 40,
  maxAnswerTokens: 40,
  stepRetries: 1,
  toolTimeoutMs: 20_000,
  maxObservationChars: 200,
  example: true,
  answer: 'auto',
  seed: 1,
  attempt: 0,
};

/** A judge that records every request and answers from the table. */
export function tableJudge(
  answer: (request: JudgeRequest, call: number) => JudgeVerdict | Promise<JudgeVerdict>,
): Judge & { readonly requests: JudgeRequest[] } {
  const requests: JudgeRequest[] = [];
  return {
    id: 'table',
    requests,
    async judge(request, { signal }) {
      signal?.throwIfAborted();
      requests.push(structuredClone(request));
      return answer(request, requests.length);
    },
  };
}

/** The segments of one kind as text. */
export function textsOf(trajectory: Trajectory, kind: string, detokenize: (tokens: number[]) => string): string[] {
  return trajectory.segments
    .filter((segment) => segment.kind === kind)
    .map(({ start, end }) => detokenize(trajectory.tokens.slice(start, end)));
}
