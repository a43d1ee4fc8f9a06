/** Puts the rows of the authors' files together to rollouts: one question, one sample, its steps in order. */
import { extractAnswer } from '../questions/extraction.js';
import { LETTERS } from '../questions/question.js';
import type { PlacedRow, SparkRow } from './sparkFile.js';
import type { ScorePair } from './trajectory.js';

export interface SparkStep {
  readonly thought: string;
  /** The authors' own name of the tool. */
  readonly action: string;
  readonly input: string;
  /** Null: none. */
  readonly observation: string | null;
  /** Absent: nothing is known of scores. */
  readonly pair?: ScorePair;
  readonly processOk: boolean | null;
}

export interface SparkRollout {
  readonly qid: string;
  readonly sample: number;
  readonly question: string;
  readonly options: readonly string[];
  /** Letter of the right option. */
  readonly correctAnswer: string;
  /** Letter that the last step says, null where none can be read. */
  readonly answer: string | null;
  /** Absent: not known. */
  readonly category?: string | undefined;
  readonly steps: readonly SparkStep[];
}

/** Why a rollout is left out (docs/reproduce.md). */
export type LeftOutCode =
  | 'missing_step'
  | 'duplicate_step'
  | 'inconsistent_rows'
  | 'invalid_text'
  | 'invalid_question'
  | 'invalid_messages'
  | 'invalid_action'
  | 'invalid_score';

export interface LeftOut {
  readonly qid: string;
  readonly code: LeftOutCode;
  /** Names the first row that is wrong. */
  readonly message: string;
}

export interface SparkRollouts {
  readonly rollouts: readonly SparkRollout[];
  readonly leftOut: readonly LeftOut[];
  /** Rows that are there again with the same content, of which one is taken. */
  readonly repeatedRows: number;
  /** Every tool that a row names as a candidate or as taken, sorted. */
  readonly actions: readonly string[];
}

/** The rollouts in the order of their first rows. */
export function sparkRollouts(rows: readonly PlacedRow[]): SparkRollouts {
  const groups = new Map<string, PlacedRow[]>();
  const actions = new Set<string>();
  for (const one of rows) {
    const key = JSON.stringify([one.row.qid, one.row.sample_id]);
    groups.set(key, [...(groups.get(key) ?? []), one]);
    for (const name of Object.keys(one.row.candidate_actions ?? {})) if (isActionName(name)) actions.add(name);
  }
  // Counted from 0 or from 1, by all of them alike: a rollout that begins later than the others lacks its first step.
  const base = rows.some(({ row }) => row.step_idx === 0) ? 0 : 1;
  const rollouts: SparkRollout[] = [];
  const leftOut: LeftOut[] = [];
  let repeatedRows = 0;
  for (const group of groups.values()) {
    const { kept, repeated } = withoutRepeated(group);
    repeatedRows += repeated;
    const wrong = problemOf(kept, base);
    if (wrong !== null) {
      leftOut.push({ qid: group[0]!.row.qid, ...wrong });
      continue;
    }
    const rollout = rolloutOf(kept.map(({ row }) => row));
    for (const { action } of rollout.steps) actions.add(action);
    rollouts.push(rollout);
  }
  return { rollouts, leftOut, repeatedRows, actions: [...actions].sort() };
}

/** By step; of rows with the same content one. Those of one step with other content stay beside each other. */
function withoutRepeated(group: readonly PlacedRow[]): { kept: PlacedRow[]; repeated: number } {
  const kept = new Map<string, PlacedRow>();
  for (const one of group) kept.set(contentOf(one.row), kept.get(contentOf(one.row)) ?? one);
  const sorted = [...kept.values()].sort((a, b) => a.row.step_idx - b.row.step_idx);
  return { kept: sorted, repeated: group.length - sorted.length };
}

function contentOf({ candidate_actions: _names, ...row }: SparkRow): string {
  return JSON.stringify(row);
}

type Problem = Pick<LeftOut, 'code' | 'message'>;

function problemOf(rows: readonly PlacedRow[], base: number): Problem | null {
  const first = rows[0]!;
  for (const [position, one] of rows.entries()) {
    const { where, row } = one;
    const before = rows[position - 1];
    if (before !== undefined && before.row.step_idx === row.step_idx) {
      return { code: 'duplicate_step', message: `${where}: step_idx ${row.step_idx} again, after ${before.where}` };
    }
    if (row.step_idx !== base + position) {
      return { code: 'missing_step', message: `${where}: expected step_idx ${base + position}, got ${row.step_idx}` };
    }
    if (questionOf(row) !== questionOf(first.row)) {
      return { code: 'inconsistent_rows', message: `${where}: another question, option or answer than ${first.where}` };
    }
    const wrong = wrongQuestion(row) ?? wrongStep(row);
    if (wrong !== null) return { code: wrong[0], message: `${where}: ${wrong[1]}` };
  }
  return null;
}

function questionOf({ question, mcq_options, correct_answer_letter }: SparkRow): string {
  return JSON.stringify([question, mcq_options, correct_answer_letter]);
}

function wrongQuestion({
  mcq_options: options,
  correct_answer_letter: letter,
}: SparkRow): [LeftOutCode, string] | null {
  const at = LETTERS.indexOf(letter.trim());
  if (letter.trim().length === 1 && at >= 0 && at < options.length && options.length >= 2) return null;
  return ['invalid_question', `expected a letter of two or more options, got "${letter}" of ${options.length}`];
}

function wrongStep(row: SparkRow): [LeftOutCode, string] | null {
  const action = actionOf(row);
  if (!isActionName(action)) return ['invalid_action', `expected the name of a tool, got "${action.slice(0, 40)}"`];
  const { chosen_score: chosen, best_score: best } = row;
  const outside = [chosen, best].find((one) => one !== null && !(one >= 0 && one <= 10));
  if (outside !== undefined) return ['invalid_score', `expected scores of 0 to 10, got ${outside}`];
  if (chosen === null || best === null || chosen <= best) return null;
  return ['invalid_score', `expected best_score to be the highest, got ${best} with chosen_score ${chosen}`];
}

/** A word that can stand between our tags. */
export function isActionName(name: string): boolean {
  return /^[A-Za-z][\w.-]{0,63}$/.test(name);
}

/** `tool_name`; `action_taken` where it is empty, as for a step without a tool. */
function actionOf({ tool_name: tool, action_taken: taken }: SparkRow): string {
  return /^\s*(none|null)?\s*$/i.test(tool) ? taken.trim() : tool.trim();
}

function rolloutOf(rows: readonly SparkRow[]): SparkRollout {
  const { qid, sample_id, question, mcq_options, correct_answer_letter } = rows[0]!;
  const options = withoutLetters(mcq_options);
  return {
    qid,
    sample: sample_id,
    question,
    options,
    correctAnswer: correct_answer_letter.trim(),
    answer: answerOf(rows.at(-1)!, options.length),
    steps: rows.map((row) => ({
      thought: row.thought,
      action: actionOf(row),
      input: row.action_query === '' ? row.action_text : row.action_query,
      observation: row.observation === '' ? null : row.observation,
      pair: { chosen: row.chosen_score, best: row.best_score },
      processOk: row.process_ok,
    })),
  };
}

/** Options without letters of their own (`A. …`, `(B) …`), which our prompt writes, too; only where every one has its. */
function withoutLetters(options: readonly string[]): string[] {
  const bare = options.map((option, at) => new RegExp(`^\\(?${LETTERS[at]}[.):]\\s*(?=\\S)`).exec(option)?.[0].length);
  return options.map((option, at) => (bare.includes(undefined) ? option : option.slice(bare[at])));
}

/** By the sentence that graders look for. No guess from stand-alone letters: SFT would learn a wrong answer as right. */
function answerOf(row: SparkRow, options: number): string | null {
  const { raw_llama_output, action_text, action_query, thought, observation } = row;
  for (const said of [raw_llama_output, action_text, action_query, thought, observation]) {
    const { letter, how } = extractAnswer(said, 'last-match');
    if (letter !== null && how !== 'pattern3' && LETTERS.indexOf(letter) < options) return letter;
  }
  return null;
}
