/** Decides whether what a model wrote answers a question: the one place, for rollouts, evaluations and finished outputs. */
import { SparkError } from '../errors.js';
import { checkKeys, type KeysOf } from '../options.js';
import { type AnswerPlace, answersIn } from './answerText.js';
import { normalized } from './exact.js';
import { extractAnswer } from './extraction.js';
import { isClose, readNumber } from './number.js';
import { verifyInTime } from './ownVerifier.js';
import { compilePattern } from './pattern.js';
import { isFree, type Question } from './question.js';
import type { Verifier } from './verifier.js';

export interface Grade {
  /** The letter, or without options the answer in words; null when none could be read. */
  readonly answer: string | null;
  readonly correct: boolean;
}

/**
 * Grades a text. `place`: whether it is an answer block or a chain of thought. Throws `verifier_failed` for a failure of the
 * user's own verifier, `invalid_argument` for a question that names none, or one that is not there.
 */
export type Grader = (question: Question, text: string, place: AnswerPlace, signal?: AbortSignal) => Promise<Grade>;

export interface GraderOptions {
  /** The user's own verifier, of questions that name `own`. */
  readonly verifier?: Verifier | undefined;
  /** Most milliseconds that it may take for one answer. Default 5000. */
  readonly verifierTimeoutMs?: number;
}

const OPTIONS = { verifier: true, verifierTimeoutMs: true } as const satisfies KeysOf<GraderOptions>;
const TIMEOUT_MS = 5000;
/** What timers can wait. */
export const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;

/** A grader for all verifiers; `own` needs the user's. Throws `invalid_argument` for options that are none. */
export function createGrader(options: GraderOptions = {}): Grader {
  checkKeys(options, OPTIONS, 'createGrader: options');
  const { verifier, verifierTimeoutMs = TIMEOUT_MS } = options;
  if (!(Number.isInteger(verifierTimeoutMs) && verifierTimeoutMs > 0 && verifierTimeoutMs <= LONGEST_TIMEOUT_MS)) {
    throw new SparkError(
      'invalid_argument',
      `createGrader: expected a verifierTimeoutMs from 1 to ${LONGEST_TIMEOUT_MS}, got ${verifierTimeoutMs}`,
    );
  }
  return async (question, text, place, signal) => {
    if (!isFree(question)) return gradeLetter(question, text);
    const answers = answersIn(text, place);
    if (question.verifier?.name !== 'own') return gradeWords(question, answers);
    const own = requireOwn(question, verifier);
    const answer = answers[0] ?? null;
    const right = await verifyInTime(own, { question, text, answer }, verifierTimeoutMs, signal);
    // Where it found an answer to judge in what we could not read, the answer is the text.
    return { answer: right === null ? null : (answer ?? text.trim()), correct: right === true };
  };
}

/** Reads the format's own answer sentence and does not guess: null when it is not there. */
function gradeLetter(question: Question, text: string): Grade {
  const answer = extractAnswer(text, 'lm-eval-harness').letter;
  return { answer, correct: answer !== null && answer === question.answer };
}

/** The first reading that is right, else the first that can be read. */
function gradeWords(question: Question, answers: readonly string[]): Grade {
  const isRight = wordsOf(question);
  const read = answers.map((answer) => ({ answer, right: isRight(answer) })).filter(({ right }) => right !== null);
  const chosen = read.find(({ right }) => right) ?? read[0];
  return { answer: chosen?.answer ?? null, correct: chosen?.right === true };
}

/** Whether an answer is right; null: it cannot be read. */
type IsRight = (answer: string) => boolean | null;

function wordsOf({ question_id: id, answer: expected, verifier }: Question): IsRight {
  switch (verifier?.name) {
    case 'exact': {
      const right = normalized(expected, verifier.ignoreCase);
      return (answer) => normalized(answer, verifier.ignoreCase) === right;
    }
    case 'number': {
      const right = readNumber(expected, verifier.unit);
      if (right === null) break;
      return (answer) => {
        const number = readNumber(answer, verifier.unit);
        return number === null ? null : isClose(number, right, verifier);
      };
    }
    case 'regex':
      return compilePattern(expected, verifier.ignoreCase);
    default:
      // Nobody knows the right answer to a question that was only asked.
      if (verifier === undefined && expected === '') return () => false;
  }
  throw new SparkError(
    'invalid_argument',
    `question ${id}: expected a verifier that can grade "${expected}" without options, got ${verifier?.name ?? 'none'}; ` +
      'read questions with loadQuestions, which checks that',
  );
}

function requireOwn({ question_id: id, verifier }: Question, own: Verifier | undefined): Verifier {
  const wanted = verifier?.name === 'own' ? verifier.id : undefined;
  if (own !== undefined && (wanted === undefined || wanted === own.id)) return own;
  throw new SparkError(
    'invalid_config',
    `question ${id}: expected your own verifier${wanted === undefined ? '' : ` "${wanted}"`}, got ` +
      `${own === undefined ? 'none' : `"${own.id}"`}; export it as verifier from the module that parts names`,
  );
}
