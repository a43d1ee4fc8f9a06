/**
 * The judge of the built-in `mini` questions. It knows their rules (which tools answer, what a sensible input names,
 * what the answer is) and judges each step by the input that was sent and the observation that came back.
 *
 * The scores at a state are the question's own (`MiniRules.scores`), changed by the steps so far:
 * - once an observation holds the answer, another tool is worth 3.2 less and `think`, to draw the conclusion, 8.4;
 * - an action that was tried and did not help is worth 2.6 less each time, so that a dead end is left;
 * - `think` without anything to think about loses 1 each time it is repeated.
 */
import { SparkError, throwIfAborted } from '../errors.js';
import { type MiniAction, type MiniRules, miniRules } from '../questions/mini.js';
import type { Question } from '../questions/question.js';
import { THINK } from '../tools/tool.js';
import type { Score } from '../trajectory/trajectory.js';
import type { Judge, JudgedStep, JudgeRequest, JudgeVerdict } from './judge.js';

const KNOWN_ALREADY = 3.2;
const TRIED = 2.6;
const IDLE = 1;
const CONCLUDE = 8.4;
/** Score of `think` when the conclusion has already been drawn. */
const CONCLUDED = 4.8;
/** Base score of a tool that the question's rules do not know. */
const UNKNOWN_TOOL = 1;

/** Words by which the built-in tools report a failure; an observation that holds the answer is never one. */
const FAILURE =
  /\b(error|expected|unexpected|undefined|invalid|cannot|could not|not available|no article|nothing found|no such|no tool|no element|no solution|no output|has no|unknown|unsupported|timed out|empty input|too long|failed|is not|write e\.g)\b|Error\b/i;

export const ORACLE_ID = 'oracle:2';

export function createOracle(): Judge {
  return { id: ORACLE_ID, judge: async (request, { signal }) => verdict(request, signal) };
}

/** Throws `invalid_config` when there are questions that the oracle would refuse one by one. */
export function requireMini(questions: readonly Question[]): void {
  const others = questions.filter((question) => miniRules(question) === null);
  if (others.length === 0) return;
  const { question_id, src } = others[0]!;
  throw new SparkError(
    'invalid_config',
    `judge.kind oracle judges the built-in mini questions only, but ${others.length} of ${questions.length} questions ` +
      `are others (first: question ${question_id}, src "${src}"): set judge.kind: api (--judge api) for them`,
  );
}

function verdict(request: JudgeRequest, signal: AbortSignal | undefined): JudgeVerdict {
  throwIfAborted(signal);
  const rules = miniRules(request.question);
  if (rules === null) {
    throw new SparkError(
      'judge_refused',
      `the oracle judges the built-in mini questions only, got question ${request.question.question_id} ` +
        `(src "${request.question.src}"); use judge.kind: api for other questions`,
    );
  }
  const last = request.steps.at(-1);
  const processOk = last === undefined ? null : coherent(last, request.steps.slice(0, -1), request.question, rules);
  if (request.answer !== null) return { scores: {}, processOk };
  const scores = request.actions.map(({ name }) => [name, scoreOf(name, request.steps, rules)] as const);
  return { scores: Object.fromEntries(scores), processOk };
}

function scoreOf(action: string, steps: readonly JudgedStep[], rules: MiniRules): Score {
  const base = rules.scores[action as MiniAction] ?? UNKNOWN_TOOL;
  const known = steps.some((step) => holdsAnswer(step, rules));
  const times = steps.filter((step) => step.action === action).length;
  if (action === THINK) {
    if (!known) return rounded(base - IDLE * times);
    return steps.some((step) => concludes(step, rules)) ? CONCLUDED : CONCLUDE;
  }
  return rounded(base - (known ? KNOWN_ALREADY : 0) - TRIED * times);
}

const rounded = (score: number): number => Math.round(10 * Math.min(10, Math.max(0, score))) / 10;

/** Whether a finished step made sense after the steps before it. */
function coherent(step: JudgedStep, before: readonly JudgedStep[], question: Question, rules: MiniRules): boolean {
  const repeated = before.some((other) => other.action === step.action && same(other.input, step.input));
  if (repeated) return false;
  if (step.action === THINK) return coherentThinking(step, before, question, rules);
  // What the scores think of the tool does not count here: it has to be one that can answer, or to have answered.
  const helps = Object.hasOwn(rules.inputs, step.action) || holdsAnswer(step, rules);
  return helps && !failed(step, rules) && relevant(step.input, rules);
}

/**
 * Thinking is coherent when it is about this question and claims nothing false: it may plan, or name the answer once
 * it is known; it may not pick an option out of thin air.
 */
function coherentThinking(
  step: JudgedStep,
  before: readonly JudgedStep[],
  question: Question,
  rules: MiniRules,
): boolean {
  const text = `${step.thought} ${step.input}`;
  const given = rules.subjects.map(plain);
  const claimed = question.options.filter((option) => mentions(step.input, option) && !given.includes(plain(option)));
  if (claimed.some((option) => option !== rules.answer)) return false;
  if (claimed.length > 0) return before.some((other) => holdsAnswer(other, rules));
  return rules.subjects.some((subject) => mentions(text, subject));
}

/** Whether the observation shows the correct option; it may show others too. */
export function holdsAnswer(step: JudgedStep, rules: MiniRules): boolean {
  return step.observation !== null && mentions(step.observation, rules.answer);
}

const concludes = (step: JudgedStep, rules: MiniRules): boolean =>
  step.action === THINK && mentions(step.input, rules.answer);

const failed = (step: JudgedStep, rules: MiniRules): boolean =>
  step.observation === null || (!holdsAnswer(step, rules) && FAILURE.test(step.observation));

/**
 * Whether the input names every subject of the question, or equals one of the ideal inputs, which may spell the
 * subjects in another way (atomic masses for a formula).
 */
function relevant(input: string, rules: MiniRules): boolean {
  if (rules.subjects.every((subject) => mentions(input, subject))) return true;
  return Object.values(rules.inputs).some((ideal) => same(ideal, input));
}

const same = (a: string, b: string): boolean => a.replace(/\s+/g, '') === b.replace(/\s+/g, '');

/** Lower case, single spaces, and 18 for Python's 18.0. */
const plain = (text: string): string =>
  text
    .toLowerCase()
    .replace(/(\d)\.0+(?!\d)/g, '$1')
    .replace(/\s+/g, ' ')
    .trim();

/** A letter or digit, or the `8.` of 8.5, at the end of what comes before a match. */
const BEFORE = /(?:[\p{L}\p{N}]|\d\.)$/u;
/** A letter or digit, or the `.5` of 88.5, at the start of what comes after a match. */
const AFTER = /^(?:[\p{L}\p{N}]|\.\d)/u;

/** Whether `text` contains `part` as whole words or numbers, ignoring case and spacing: 88 is not in 888, nor in 88.5. */
export function mentions(text: string, part: string): boolean {
  const whole = plain(text);
  const wanted = plain(part);
  if (wanted === '') return false;
  // No expression is made of `part`: compiling one takes longer than the search.
  for (let at = whole.indexOf(wanted); at >= 0; at = whole.indexOf(wanted, at + 1)) {
    const end = at + wanted.length;
    if (!BEFORE.test(whole.slice(Math.max(0, at - 2), at)) && !AFTER.test(whole.slice(end, end + 2))) return true;
  }
  return false;
}
