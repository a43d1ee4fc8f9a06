/**
 * The columns of a trajectory in Parquet: every field under its own name, so that the way there and back is exact. What has
 * names of its own, the scores by action, is a list of pairs, because Hugging Face's `datasets` reads no maps.
 */
import type { Score, Step, Trajectory } from '../trajectory.js';
import { requireUtf8 } from '../utf8.js';
import { type Column, flag, group, list, real, small, text, whole } from './elements.js';

const scores = (name: string, repetition?: 'OPTIONAL') =>
  list(name, group('element', [text('action'), real('score', 'OPTIONAL')]), repetition);

const STEP = {
  index: small('index'),
  stateEnd: small('stateEnd'),
  thought: text('thought'),
  scores: scores('scores', 'OPTIONAL'),
  verdicts: list('verdicts', scores('element'), 'OPTIONAL'),
  pair: group('pair', [real('chosen', 'OPTIONAL'), real('best', 'OPTIONAL')], 'OPTIONAL'),
  action: text('action'),
  choice: text('choice'),
  input: text('input'),
  observation: text('observation', 'OPTIONAL'),
  toolError: text('toolError', 'OPTIONAL'),
  truncated: flag('truncated'),
  processOk: flag('processOk', 'OPTIONAL'),
} as const satisfies Record<keyof Step, Column>;

const SEGMENT = [text('kind'), small('step'), small('start'), small('end')];

export const COLUMNS = {
  id: text('id'),
  questionId: whole('questionId'),
  category: text('category'),
  selection: text('selection'),
  tau: real('tau', 'OPTIONAL'),
  generator: text('generator'),
  judge: text('judge', 'OPTIONAL'),
  seed: whole('seed'),
  steps: list('steps', group('element', Object.values(STEP))),
  answerText: text('answerText'),
  answer: text('answer', 'OPTIONAL'),
  correct: flag('correct'),
  end: text('end'),
  tokenised: text('tokenised', 'OPTIONAL'),
  tokens: list('tokens', small('element')),
  segments: list('segments', group('element', SEGMENT)),
} as const satisfies Record<keyof Trajectory, Column>;

export const COLUMN_NAMES = Object.keys(COLUMNS);

type Row = { readonly [name in keyof Trajectory]-?: unknown };

/** The trajectory as the writer wants it. Throws `invalid_file` for text that UTF-8 cannot hold. */
export function toRow(trajectory: Trajectory): Row {
  const { tokens, segments, ...texts } = trajectory;
  requireUtf8(trajectory.id, texts);
  const { questionId, seed, steps, tokenised, ...same } = texts;
  return {
    ...same,
    tokens,
    segments,
    tokenised: tokenised ?? null,
    questionId: BigInt(questionId),
    seed: BigInt(seed),
    steps: steps.map(({ scores: given, verdicts, pair, ...step }) => ({
      ...step,
      scores: given === null ? null : pairsOf(given),
      verdicts: verdicts?.map(pairsOf) ?? null,
      pair: pair ?? null,
    })),
  };
}

function pairsOf(given: Readonly<Record<string, Score>>) {
  return Object.entries(given).map(([action, score]) => ({ action, score }));
}

/** A row that was read, in the shape of a trajectory; whether it is one the caller checks. */
export function fromRow(row: Readonly<Record<string, unknown>>): unknown {
  const { tokenised, steps, ...rest } = row;
  return {
    ...(numbersOf(rest) as object),
    ...(tokenised == null ? {} : { tokenised }),
    steps: Array.isArray(steps) ? steps.map(stepOf) : steps,
  };
}

function stepOf(given: unknown): unknown {
  const { scores: pairs, verdicts, pair, ...rest } = Object(given) as Record<string, unknown>;
  return {
    ...(numbersOf(rest) as object),
    scores: Array.isArray(pairs) ? scoresOf(pairs) : null,
    ...(Array.isArray(verdicts) ? { verdicts: verdicts.map(scoresOf) } : {}),
    ...(pair == null ? {} : { pair }),
  };
}

function scoresOf(pairs: unknown): unknown {
  if (!Array.isArray(pairs)) return pairs;
  return Object.fromEntries(pairs.map(({ action, score }): [string, unknown] => [action, score]));
}

/** Whole numbers come as BigInt where a column has 64 bits, which a program that rewrote the file may have made of any. */
function numbersOf(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value);
  // Typed arrays are what lists of numbers may come as.
  if (Array.isArray(value) || ArrayBuffer.isView(value)) return Array.from(value as unknown as unknown[], numbersOf);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, numbersOf(inner)]));
}
