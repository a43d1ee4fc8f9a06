/** Requests of usual length, for estimates of what judging takes: words of English, as real prompts have. */
import type { Question } from '../questions/question.js';
import type { ActionInfo } from '../tools/tool.js';
import type { JudgedStep, JudgeRequest } from './judge.js';

const WORDS = 'the value that is asked for follows from what was found before and from a second rule ';

const text = (characters: number): string => WORDS.repeat(Math.ceil(characters / WORDS.length)).slice(0, characters);

/** A step of usual length; at the configured limits it would be longer. */
const STEP: JudgedStep = { thought: text(300), action: 'calculator', input: text(40), observation: text(120) };

const QUESTION: Question = {
  question_id: 0,
  question: text(400),
  options: Array.from({ length: 10 }, () => text(40)),
  answer: 'A',
  answer_index: 0,
  cot_content: '',
  category: 'computer science',
  src: '',
};

/** The request after `done` steps; `last`: the one with the answer. */
export function usualRequest(
  done: number,
  { last, actions }: { readonly last: boolean; readonly actions: readonly ActionInfo[] },
): JudgeRequest {
  return {
    question: QUESTION,
    steps: Array.from({ length: done }, () => STEP),
    thought: last ? null : STEP.thought,
    answer: last ? 'The answer is (A).' : null,
    actions,
  };
}
