/** A question: one row in MMLU-Pro's columns. */
import { z } from 'zod';

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

/** One MMLU-Pro row, in the dataset's own columns. `answer_index` is 0-based; `answer` is its letter. */
export const questionSchema = z.object({
  question_id: z.number().int(),
  question: z.string().min(1),
  options: z.array(z.string()).min(2).max(10),
  answer: z.string().regex(/^[A-J]$/),
  answer_index: z.number().int().min(0).max(9),
  cot_content: z.string(),
  category: z.string().min(1),
  src: z.string(),
});

export type Question = z.infer<typeof questionSchema>;
