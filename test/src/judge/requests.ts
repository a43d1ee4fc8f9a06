/** Requests to the judge, shared by the judge tests. */
import type { JudgeRequest } from '../../../src/judge/judge.js';
import { BUILTIN_TOOLS } from '../../../src/tools/builtin.js';
import { THINK } from '../../../src/tools/tool.js';

export const ACTIONS = [...BUILTIN_TOOLS, THINK].map((name) => ({
  name,
  description: `What ${name} does.`,
  inputHint: '',
}));
export const NAMES = ACTIONS.map((action) => action.name);

const question: JudgeRequest['question'] = {
  question_id: 7,
  question: 'What is 37 × 24, if a < b?',
  options: ['888', '889', 'N/A', '890'],
  answer: 'A',
  answer_index: 0,
  cot_content: 'secret reasoning',
  category: 'math',
  src: 'test',
};

const step = { thought: 'I multiply.', action: 'calculator', input: '37 * 24', observation: '888' };

/** A request at the second step; `patch` changes it. */
export function thoughtRequest(patch: Partial<JudgeRequest> = {}): JudgeRequest {
  return { question, steps: [step], thought: 'I check the product.', answer: null, actions: ACTIONS, ...patch };
}

export function endRequest(patch: Partial<JudgeRequest> = {}): JudgeRequest {
  return { question, steps: [step], thought: null, answer: 'The answer is (A).', actions: ACTIONS, ...patch };
}
