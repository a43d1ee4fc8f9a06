/** Writes questions as JSONL (what people read) or Parquet (what Hugging Face exchanges). */
import { existsSync } from 'node:fs';
import { dirname, extname } from 'node:path';
import { SparkError } from '../errors.js';
import { writeWhole } from '../sealed.js';
import { questionsToParquet } from './parquet.js';
import { type Question, questionSchema } from './question.js';

/** The format follows the file's ending: `.jsonl` or `.parquet`. An existing file is replaced, whole or not at all. */
export async function exportQuestions(questions: readonly Question[], path: string): Promise<void> {
  const ending = extname(path).toLowerCase();
  if (ending !== '.jsonl' && ending !== '.parquet') {
    throw new SparkError('invalid_argument', `expected a path that ends in .jsonl or .parquet, got ${path}`);
  }
  const content = ending === '.parquet' ? questionsToParquet(questions) : toJsonl(questions);
  // `writeWhole` would create a missing folder, but here it is more likely a typing error.
  if (!existsSync(dirname(path))) {
    throw new SparkError(
      'io_error',
      `no folder at ${dirname(path)} to write ${path} into; create it or correct the path`,
    );
  }
  await writeWhole(path, content);
}

/** One line a question, with keys in the dataset's order. */
function toJsonl(questions: readonly Question[]): string {
  const columns = Object.keys(questionSchema.shape) as (keyof Question)[];
  const line = (question: Question) =>
    JSON.stringify(Object.fromEntries(columns.map((column) => [column, question[column]])));
  return questions.map((question) => `${line(question)}\n`).join('');
}
