/** A question: one row in MMLU-Pro's columns, or one without options and with a verifier. */
import { z } from 'zod';
import { verifierSchema } from './verifierSettings.js';

/** The 14 categories of MMLU-Pro, as its `category` column spells them. */
export const CATEGORIES = [
  'biology',
  'business',
  'chemistry',
  'computer science',
  'economics',
  'engineering',
  'health',
  'history',
  'law',
  'math',
  'other',
  'philosophy',
  'physics',
  'psychology',
] as const;

export const LETTERS = 'ABCDEFGHIJ';

/**
 * One MMLU-Pro row, in the dataset's own columns: `answer_index` is 0-based, `answer` its letter. Without options the answer
 * is text, `answer_index` null, and `verifier` says what is right (docs/own-questions.md).
 */
export const questionSchema = z.object({
  question_id: z.number().int(),
  question: z.string().min(1),
  options: z.array(z.string()).max(10),
  answer: z.string(),
  answer_index: z.number().int().min(0).max(9).nullable(),
  cot_content: z.string(),
  category: z.string().min(1),
  src: z.string(),
  /** Absent where there are options: their letter decides. */
  verifier: verifierSchema.optional(),
});

/** A question as `loadQuestions` gives it, and as rollouts take it. */
export type Question = z.infer<typeof questionSchema>;

export interface WithOptions {
  readonly options: readonly string[];
}

/** Whether a question has no options, so that its answer is text. */
export function isFree({ options }: WithOptions): boolean {
  return options.length === 0;
}

/**
 * The options as prompts show them: `A. …`. An option `N/A`, which is no answer, is left out, and the others keep their
 * letters, as `answer` and the worked examples go by these. MMLU-Pro's script gives the letters out after leaving it out:
 * the same where `N/A` fills up the end of the list, while after an earlier `N/A` its letters no longer fit the answer.
 */
export function letteredOptions({ options }: WithOptions): string[] {
  return shownLetters({ options }).map((letter) => `${letter}. ${options[LETTERS.indexOf(letter)]}`);
}

/** The letters of the options that prompts show. */
export function shownLetters({ options }: WithOptions): string[] {
  return options.flatMap((option, index) => (option === 'N/A' ? [] : [LETTERS[index]!]));
}
