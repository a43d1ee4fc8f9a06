/**
 * One row of a question file, MMLU-Pro's or one of the user's own, as a question. Only `question` and `answer` are needed, and a
 * verifier where there are no options. Throws an Error that says what is wrong with the row, and what to do.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { MOST_CHARACTERS } from './answerText.js';
import { normalized } from './exact.js';
import { readNumber } from './number.js';
import { compilePattern } from './pattern.js';
import { LETTERS, type Question, shownLetters } from './question.js';
import { VERIFIERS, type VerifierSettings, verifierSchema } from './verifierSettings.js';

/** A row as files have it. Parquet writes what is missing as null. */
export const rowSchema = z.object({
  question_id: z.number().int().nullish(),
  question: z.string().min(1),
  options: z.array(z.string()).nullish(),
  answer: z.union([z.string(), z.number()], 'expected a text or a number'),
  answer_index: z.number().int().min(0).nullish(),
  cot_content: z.string().nullish(),
  category: z.string().min(1).nullish(),
  src: z.string().nullish(),
  verifier: z.unknown().optional(),
});

type Row = z.infer<typeof rowSchema>;

/** The category of a row that names none. */
const NO_CATEGORY = 'other';

/** `verifier`: of questions without options whose row names none; null: each has to. */
export function questionOf(row: Row, verifier: VerifierSettings | null): Question {
  const options = row.options ?? [];
  const own = row.verifier == null ? null : readVerifier(row.verifier);
  const answer = typeof row.answer === 'number' ? exactText(row.answer) : row.answer;
  const asked = { question: row.question, options };
  const graded =
    options.length === 0 ? free({ ...row, answer }, own ?? verifier) : lettered({ ...row, options, answer }, own);
  return {
    question_id: row.question_id ?? idOf(asked),
    ...asked,
    answer: graded.answer,
    answer_index: graded.answer_index,
    cot_content: row.cot_content ?? '',
    category: row.category ?? NO_CATEGORY,
    src: row.src ?? '',
    ...(graded.verifier === undefined ? {} : { verifier: graded.verifier }),
  };
}

/** JSON reads 12345678901234567891 as another number. */
function exactText(answer: number): string {
  if (Number.isFinite(answer) && (!Number.isInteger(answer) || Number.isSafeInteger(answer))) return String(answer);
  throw new Error(
    `answer: expected a number of at most ${Number.MAX_SAFE_INTEGER}, or a text, got ${answer}; write it in quotes`,
  );
}

type Graded = Pick<Question, 'answer' | 'answer_index' | 'verifier'>;
interface Given {
  readonly answer: string;
  readonly answer_index?: number | null | undefined;
}

/** By its content, so that it stays when rows come and go. Negative, and so none that somebody gave. */
function idOf(asked: Pick<Question, 'question' | 'options'>): number {
  return -1 - createHash('sha256').update(JSON.stringify(asked)).digest().readUIntBE(0, 6);
}

/** `number`, `{"name": "number", …}`, or the latter as text, which is what a column of Parquet can hold. */
function readVerifier(given: unknown): VerifierSettings {
  const parsed = verifierSchema.safeParse(withoutNulls(typeof given === 'string' ? fromText(given) : given));
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(({ path, message }) => [...path, message].join(': '));
  throw new Error(
    `verifier: expected one of ${VERIFIERS.join(', ')}, or an object with its name and settings; ${problems.join('; ')}`,
  );
}

/** A column of structures has null where a row says nothing. */
function withoutNulls(given: unknown): unknown {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) return given;
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== null));
}

function fromText(given: string): unknown {
  if (!given.trimStart().startsWith('{')) return given;
  try {
    return JSON.parse(given);
  } catch {
    return given;
  }
}

function lettered(
  { options, answer, answer_index: index }: Given & { options: string[] },
  own: VerifierSettings | null,
): Graded {
  if (options.length === 1 || options.length > LETTERS.length) {
    throw new Error(
      `options: expected two to ${LETTERS.length}, or none for an answer in words, got ${options.length}`,
    );
  }
  if (own !== null && own.name !== 'letter') {
    throw new Error(
      `verifier: expected letter for a question with options, got ${own.name}; leave out the options or the verifier`,
    );
  }
  const right = index == null ? indexOf(answer, options) : agreeing(answer, index, options);
  const letter = LETTERS[right]!;
  if (!shownLetters({ options }).includes(letter)) {
    throw new Error(`answer: expected an option that prompts show, got ${letter}, which is "N/A"; correct the row`);
  }
  return { answer: letter, answer_index: right };
}

function agreeing(answer: string, index: number, options: readonly string[]): number {
  if (index >= options.length) {
    throw new Error(
      `answer_index: expected less than the ${options.length} options of this row, got ${index}; correct the row`,
    );
  }
  if (answer === LETTERS[index] || (answer === options[index] && !isLetter(answer, options))) return index;
  throw new Error(
    `answer: expected "${LETTERS[index]}", the letter of answer_index ${index}, got "${answer}"; correct one`,
  );
}

const isLetter = (answer: string, options: readonly string[]): boolean =>
  answer.length === 1 && LETTERS.slice(0, options.length).includes(answer);

/** Of the option that is meant, by its letter or its text. */
function indexOf(answer: string, options: readonly string[]): number {
  const same = options.flatMap((option, index) => (option.trim() === answer.trim() ? [index] : []));
  const byLetter = isLetter(answer, options) ? LETTERS.indexOf(answer) : null;
  const all = [...new Set(byLetter === null ? same : [byLetter, ...same])];
  if (all.length === 1) return all[0]!;
  const among = `the letter of one of ${options.length} options, or the text of exactly one`;
  const got = all.length === 0 ? 'none of them' : all.map((index) => LETTERS[index]).join(' and ');
  throw new Error(`answer: expected ${among}, got "${answer}", which is ${got}; correct it, or add answer_index`);
}

function free({ answer, answer_index: index }: Given, verifier: VerifierSettings | null): Graded {
  if (index != null)
    throw new Error(`answer_index: expected none without options, got ${index}; add the options, or leave it out`);
  if (verifier === null) {
    throw new Error(
      'verifier: expected one for a question without options, got none; name it in the row, or for the whole file with ' +
        'questions.verifier (--verifier)',
    );
  }
  if (verifier.name === 'letter') {
    throw new Error(
      'options: expected two or more for the verifier letter, got none; add them, or name another verifier',
    );
  }
  checkAnswer(answer, verifier);
  return { answer, answer_index: null, verifier };
}

/** A right answer by which no answer could be right, or every one, is a mistake in the file. */
function checkAnswer(answer: string, verifier: VerifierSettings): void {
  const got = answer.length > 80 ? `${answer.slice(0, 79)}…` : answer;
  const wrong = (expected: string, todo: string) => new Error(`answer: expected ${expected}, got "${got}"; ${todo}`);
  if (answer.length > MOST_CHARACTERS) {
    throw wrong(`at most ${MOST_CHARACTERS} characters`, 'no longer answer is read: shorten it');
  }
  if (verifier.name === 'exact' && normalized(answer, verifier.ignoreCase) === '') {
    throw wrong('a text that is left after the normalisation', 'correct the answer');
  }
  if (verifier.name === 'number' && readNumber(answer, verifier.unit) === null) {
    throw wrong('a number', 'write 1234.5, 1.2e3 or 3/4, name its unit in the verifier, or take another verifier');
  }
  if (verifier.name !== 'regex') return;
  try {
    compilePattern(answer, verifier.ignoreCase);
  } catch (error) {
    throw new Error(`answer: expected a regular expression, got "${got}": ${(error as Error).message}`, {
      cause: error,
    });
  }
}
