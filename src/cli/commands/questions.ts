/** `spark-rl questions`: checks and converts a question file, or writes the built-in set. */
import { SparkError } from '../../errors.js';
import { exportQuestions } from '../../questions/export.js';
import { filterQuestions } from '../../questions/filter.js';
import { loadQuestions } from '../../questions/load.js';
import { makeMini } from '../../questions/mini.js';
import type { Question } from '../../questions/question.js';
import { CATEGORIES } from '../../questions/question.js';
import { verifierSchema } from '../../questions/verifierSettings.js';
import { defineCommand } from '../command.js';
import { verifierOption } from '../options.js';

export default defineCommand({
  positionals: {
    action: { choices: ['import', 'make-mini'], demandOption: true },
    file: { type: 'string', describe: 'for import: a Parquet or JSONL file, MMLU-Pro’s or your own' },
  },
  options: {
    ...verifierOption,
    out: { type: 'string', describe: 'where to write (.jsonl or .parquet); without it the set is only checked' },
    category: { type: 'string', array: true, describe: 'keep these categories (repeatable)' },
    limit: { type: 'number', describe: 'keep so many, the same share of each category' },
    seed: { type: 'number', default: 1 },
    split: { choices: ['train', 'test'], default: 'train', describe: 'for make-mini' },
    'per-category': { type: 'number', default: 20, describe: 'for make-mini' },
  },
  examples: [
    ['$0 questions import test.parquet --out mmlu-pro.jsonl --limit 2500', 'a balanced selection'],
    ['$0 questions import mine.jsonl --verifier number', 'your own questions, checked row by row'],
    ['$0 questions make-mini --split test --out mini-test.jsonl', 'the built-in set'],
  ],
  async run(args) {
    const all =
      args.action === 'import'
        ? await importFile(args.file, args.verifier)
        : makeMini({ seed: args.seed, perCategory: args['per-category'], split: args.split as 'train' | 'test' });
    const questions = filterQuestions(all, {
      ...(args.category === undefined ? {} : { categories: args.category }),
      ...(args.limit === undefined ? {} : { limit: args.limit }),
      seed: args.seed,
    });
    if (args.out !== undefined) await exportQuestions(questions, args.out);
    const perCategory = countByCategory(questions);
    const lines = [
      `${questions.length} questions${args.out === undefined ? ', all valid' : ` written to ${args.out}`}`,
      ...Object.entries(perCategory).map(([category, count]) => `  ${category.padEnd(18)} ${count}`),
    ];
    return { json: { questions: questions.length, out: args.out ?? null, perCategory }, text: lines.join('\n') };
  },
});

async function importFile(file: string | undefined, verifier: string | undefined): Promise<Question[]> {
  if (file === undefined) {
    throw new SparkError('invalid_argument', 'questions import expects a file: spark-rl questions import test.parquet');
  }
  return loadQuestions(file, verifier === undefined ? {} : { verifier: verifierSchema.parse(verifier) });
}

function countByCategory(questions: readonly Question[]): Record<string, number> {
  const names = new Set<string>([...CATEGORIES, ...questions.map((question) => question.category)]);
  const counts = [...names].map((name) => [name, questions.filter((q) => q.category === name).length] as const);
  return Object.fromEntries(counts.filter(([, count]) => count > 0));
}
