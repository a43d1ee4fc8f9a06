/** Writes questions as JSONL (what people read) or Parquet (what Hugging Face exchanges). */
import { existsSync } from 'node:fs';
import { dirname, extname } from 'node:path';
import { SparkError } from '../errors.js';
import { writeWhole } from '../sealed.js';
import { questionsToParquet } from './parquet.js';
import { type Question, questionSchema } from './question.js';

/** The format follows the file's ending: `.jsonl` or `.parquet`. A file that is there is replaced, whole or not at all. */
export async function exportQuestions(questions: readonly Question[], path: string): Promise<void> {
  const ending = extname(path).toLowerCase();
  if (ending !== '.jsonl' && ending !== '.parquet') {
    throw new SparkError('invalid_argument', `expected a path that ends in .jsonl or .parquet, got ${path}`);
  }
  const content = ending === '.parquet' ? questionsToParquet(questions) : toJsonl(questions);
  // A folder that is not there is a slip of the pen, not a wish.
  if (!existsSync(dirname(path)))
    throw new SparkError('io_error', `no folder at ${dirname(path)} to write ${path} into`);
  await writeWhole(path, content);
}

/** Keys in the dataset's own order, whatever order the objects were built in. */
function toJsonl(questions: readonly Question[]): string {
  const columns = Object.keys(questionSchema.shape) as (keyof Question)[];
  const line = (question: Question) =>
    JSON.stringify(Object.fromEntries(columns.map((column) => [column, question[column]])));
  return questions.map((question) => `${line(question)}\n`).join('');
}
