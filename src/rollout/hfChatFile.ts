/**
 * Reads chats with tool calls (hfChat.ts) as rollouts that were made elsewhere. A file that is none is an error, which names
 * the row; what is wrong with one chat leaves out that one, as for the authors' files (trajectory/sparkRollouts.ts).
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { SparkError } from '../errors.js';
import { jsonlRows, type RawRow } from '../jsonl/foreign.js';
import { LETTERS } from '../questions/question.js';
import {
  isActionName,
  type LeftOut,
  type SparkRollout,
  type SparkRollouts,
  type SparkStep,
} from '../trajectory/sparkRollouts.js';
import { illFormedIn } from '../trajectory/utf8.js';
import { answerOf } from './hfChat.js';

const text = z
  .string()
  .nullish()
  .transform((value) => value ?? '');
const call = z.object({
  function: z.object({ name: z.string(), arguments: z.union([z.string(), z.record(z.string(), z.unknown())]) }),
});
const rowSchema = z.object({
  messages: z.array(z.object({ role: z.string(), content: text, tool_calls: z.array(call).nullish() })).min(1),
  question: z.string().min(1),
  options: z.array(z.string()),
  answer: z.string().nullable(),
  question_id: z.number().int().nullish(),
  id: z.string().nullish(),
  category: z.string().min(1).nullish(),
  process_ok: z.array(z.boolean().nullable()).nullish(),
});
type Row = z.infer<typeof rowSchema>;

/** The rollouts of the files in their order. Throws `io_error`, `invalid_file`, `unsupported_file`. */
export function readChats(files: readonly string[]): SparkRollouts & { readonly rows: number } {
  const rollouts: SparkRollout[] = [];
  const leftOut: LeftOut[] = [];
  const actions = new Set<string>();
  const seen = new Set<string>();
  const samples = new Map<string, number>();
  let rows = 0;
  let repeatedRows = 0;
  for (const file of files) {
    for (const raw of jsonlRows(bytesOf(file), file, 'invalid_file')) {
      rows += 1;
      const row = checked(raw, file);
      const content = createHash('sha256').update(JSON.stringify(row)).digest('base64');
      if (seen.has(content)) {
        repeatedRows += 1;
        continue;
      }
      seen.add(content);
      const qid = qidOf(row);
      const problem = problemOf(row);
      if (problem !== null) {
        leftOut.push({ qid, code: problem[0], message: `${file}: ${raw.where}: ${problem[1]}` });
        continue;
      }
      const sample = samples.get(qid) ?? 0;
      samples.set(qid, sample + 1);
      const rollout = rolloutOf(row, qid, sample);
      for (const { action } of rollout.steps) actions.add(action);
      rollouts.push(rollout);
    }
  }
  return { rollouts, leftOut, repeatedRows, actions: [...actions].sort(), rows };
}

function bytesOf(file: string): Uint8Array {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new SparkError('io_error', `cannot read chats from ${file}: ${(error as Error).message}`, { cause: error });
  }
}

function checked({ where, value }: RawRow, file: string): Row {
  const parsed = rowSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.slice(0, 3).map(({ path, message }) => `${path.join('.')}: ${message}`);
  throw new SparkError(
    'invalid_file',
    `${file}: ${where}: ${problems.join('; ')}; expected messages with tool_calls, and beside them question, options and ` +
      'answer, the right letter (docs/trajectories.md)',
  );
}

/** A question without an id is known by its text. */
function qidOf({ question_id: id, question, options }: Row): string {
  if (id != null) return String(id);
  return `q${createHash('sha256')
    .update(JSON.stringify([question, options]))
    .digest('hex')
    .slice(0, 12)}`;
}

type Problem = readonly [LeftOut['code'], string];

function problemOf(row: Row): Problem | null {
  const { messages, options, answer, process_ok: verdicts } = row;
  const text = illFormedIn(row);
  if (text !== undefined) return ['invalid_text', `half of a character pair in ${JSON.stringify(text.slice(0, 60))}`];
  const at = answer === null ? -1 : LETTERS.indexOf(answer);
  if (answer?.length !== 1 || at < 0 || at >= options.length) {
    return ['invalid_question', `expected answer to be a letter of the ${options.length} options, got ${answer}`];
  }
  const chat = messages.filter(({ role }) => role !== 'system');
  if (chat[0]?.role !== 'user') return ['invalid_messages', 'expected the first message to be the user’s'];
  const turns = chat.slice(1);
  for (const [index, { role, tool_calls: calls }] of turns.entries()) {
    const called = turns[index - 1]?.tool_calls?.length === 1;
    if (role === 'tool' ? !called : role !== 'assistant' || called) {
      return [
        'invalid_messages',
        `expected a tool’s result after each call and nowhere else, got ${role} as turn ${index + 1}`,
      ];
    }
    if (role === 'tool') continue;
    if (calls != null && calls.length > 1)
      return ['invalid_messages', `expected one call at a time, got ${calls.length}`];
    if (!calls?.length && index < turns.length - 1) {
      return ['invalid_messages', `expected a call or the last message, got text alone as turn ${index + 1}`];
    }
    const wrong = calls?.find((one) => !isActionName(one.function.name));
    if (wrong) return ['invalid_action', `expected the name of a tool, got "${wrong.function.name.slice(0, 40)}"`];
  }
  const steps = turns.filter(({ tool_calls: calls }) => calls?.length).length;
  if (verdicts == null || verdicts.length === steps) return null;
  return ['invalid_messages', `expected process_ok to have ${steps} values, one for each call, got ${verdicts.length}`];
}

function rolloutOf(row: Row, qid: string, sample: number): SparkRollout {
  const { messages, question, options, answer, category, process_ok: verdicts } = row;
  const steps: SparkStep[] = [];
  for (const [index, { content, tool_calls: calls }] of messages.entries()) {
    if (!calls?.length) continue;
    const { name, arguments: given } = calls[0]!.function;
    const result = messages[index + 1]?.content ?? '';
    const observation = result === '' ? null : result;
    const processOk = verdicts?.[steps.length] ?? null;
    steps.push({ thought: content, action: name, input: inputOf(given), observation, processOk });
  }
  const last = messages.at(-1)!;
  const said = last.role === 'assistant' && !last.tool_calls?.length ? answerOf(last.content, options.length) : null;
  return {
    qid,
    sample,
    question,
    options,
    correctAnswer: answer!,
    answer: said,
    category: category ?? undefined,
    steps,
  };
}

/** The text of an only argument `input`, whether the arguments are an object or, as servers have them, JSON; else all of them. */
function inputOf(given: string | Record<string, unknown>): string {
  const named = typeof given === 'string' ? parsed(given) : given;
  if (named === null) return given as string;
  // `datasets` gives every call the arguments of all others, as null.
  const known = Object.entries(named).filter(([, value]) => value !== null);
  const [first] = known;
  if (known.length === 1 && first![0] === 'input' && typeof first![1] === 'string') return first![1];
  return JSON.stringify(Object.fromEntries(known));
}

function parsed(json: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : null;
  } catch {
    return null;
  }
}
