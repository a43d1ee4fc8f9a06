/**
 * Trajectories as Hugging Face's chats with tool calls: JSONL, one a line, with `messages` and `tools`, as TRL's SFT trainer
 * and chat templates take them. Every action is a call of a function of that name, `think` too, whose result is empty: so
 * the choice of the action stays to be learned, and user, assistant and tool take turns as templates want it.
 *
 * Beside them stand the columns by which the line can be imported again: id, question, right letter, verdicts.
 */
import { extractAnswer } from '../questions/extraction.js';
import { LETTERS } from '../questions/question.js';
import { sparkActions } from '../tools/sparkActions.js';
import type { ActionInfo } from '../tools/tool.js';
import type { Trajectory } from '../trajectory/trajectory.js';
import { requireUtf8 } from '../trajectory/utf8.js';
import type { AskedQuestion } from '../trajectory/view.js';
import { renderQuestion } from './prompt.js';

export interface ChatToolCall {
  readonly type: 'function';
  readonly function: { readonly name: string; readonly arguments: { readonly input: string } };
}

export type ChatMessage =
  | { readonly role: 'user'; readonly content: string }
  | { readonly role: 'assistant'; readonly content: string; readonly tool_calls?: readonly ChatToolCall[] }
  | { readonly role: 'tool'; readonly name: string; readonly content: string };

/** A line of the file. */
export interface ChatRow {
  readonly messages: readonly ChatMessage[];
  /** JSON schemas of the functions, one for each action there was to choose from. */
  readonly tools: readonly object[];
  readonly id: string;
  readonly question_id: number;
  readonly category: string;
  readonly question: string;
  readonly options: readonly string[];
  /** The right letter; null: not known. */
  readonly answer: string | null;
  readonly correct: boolean;
  /** The judge's verdict on each step. */
  readonly process_ok: readonly (boolean | null)[];
}

/**
 * `actions` of the run; others that the trajectory has are described by their names. Throws `invalid_file` for text that UTF-8
 * cannot hold: JSON has an escape for it, which `datasets` refuses, with the whole file.
 */
export function chatRow(trajectory: Trajectory, asked: AskedQuestion, actions: readonly ActionInfo[]): ChatRow {
  const { id, questionId, category, steps, correct } = trajectory;
  const row: ChatRow = {
    messages: messagesOf(trajectory, asked),
    tools: toolsOf(trajectory, actions),
    id,
    question_id: questionId,
    category,
    question: asked.question,
    options: asked.options,
    answer: asked.answer,
    correct,
    process_ok: steps.map(({ processOk }) => processOk),
  };
  requireUtf8(id, row);
  return row;
}

function messagesOf({ steps, answerText }: Trajectory, { question, options }: AskedQuestion): ChatMessage[] {
  const messages: ChatMessage[] = [{ role: 'user', content: renderQuestion({ question, options }).trimEnd() }];
  for (const { thought, action, input, observation } of steps) {
    const call: ChatToolCall = { type: 'function', function: { name: action, arguments: { input } } };
    messages.push({ role: 'assistant', content: thought, tool_calls: [call] });
    messages.push({ role: 'tool', name: action, content: observation ?? '' });
  }
  if (answerText !== '') messages.push({ role: 'assistant', content: answerText });
  return messages;
}

function toolsOf({ steps }: Trajectory, actions: readonly ActionInfo[]): object[] {
  const names = new Set(actions.map(({ name }) => name));
  for (const { action, scores } of steps) for (const name of [...Object.keys(scores ?? {}), action]) names.add(name);
  // A chain of thought was written without tools.
  if (steps.length === 0) return [];
  return sparkActions([...names], actions).map(({ name, description, inputHint }) => ({
    type: 'function',
    function: {
      name,
      description,
      parameters: {
        type: 'object',
        properties: { input: { type: 'string', description: inputHint } },
        required: ['input'],
      },
    },
  }));
}

/** Letter that an assistant's last message says, null where none can be read; never guessed from a lone letter. */
export function answerOf(said: string, options: number): string | null {
  const { letter, how } = extractAnswer(said, 'last-match');
  return letter !== null && how !== 'pattern3' && LETTERS.indexOf(letter) < options ? letter : null;
}
