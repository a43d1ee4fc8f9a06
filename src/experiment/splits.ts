/** The questions a run trains and tests on. Never the same question in both. */
import type { Config } from '../config.js';
import { SparkError } from '../errors.js';
import { filterQuestions } from '../questions/filter.js';
import { loadQuestions } from '../questions/load.js';
import { makeMini } from '../questions/mini.js';
import { CATEGORIES, type Question } from '../questions/question.js';

export const MINI = 'mini';

/** The mini set is one fixed set, as a benchmark is: its seed is not the run's. */
const MINI_SEED = 2025;
/** Questions per category when no limit is given. */
const MINI_PER_CATEGORY = 40;

export async function trainQuestions(config: Config): Promise<Question[]> {
  const { train, trainLimit, trainCategories } = config.questions;
  const all = train === MINI ? mini('train', trainLimit) : await loadQuestions(train);
  return select(all, trainCategories, trainLimit, config.seed, train);
}

/** When both splits come from one file, what is trained on is taken out of the test. */
export async function testQuestions(config: Config): Promise<Question[]> {
  const { train, test, testLimit, testCategories } = config.questions;
  if (test === MINI) return select(mini('test', testLimit), testCategories, testLimit, config.seed, test);
  const all = await loadQuestions(test);
  const trained = train === test ? new Set((await trainQuestions(config)).map((q) => q.question_id)) : new Set();
  const rest = all.filter((question) => !trained.has(question.question_id));
  return select(rest, testCategories, testLimit, config.seed, test);
}

/** Examples of the 5-shot prompt; none when no file is named. */
export async function shotQuestions(config: Config): Promise<Question[]> {
  return config.questions.shots === null ? [] : loadQuestions(config.questions.shots);
}

function mini(split: 'train' | 'test', limit: number): Question[] {
  const perCategory = limit === 0 ? MINI_PER_CATEGORY : Math.ceil(limit / CATEGORIES.length);
  return makeMini({ seed: MINI_SEED, perCategory, split });
}

function select(all: Question[], categories: string[], limit: number, seed: number, source: string): Question[] {
  const chosen = filterQuestions(all, { categories, limit, seed });
  if (chosen.length === 0) {
    throw new SparkError('no_data', `no question is left of ${source}; expected at least one (limits, categories?)`);
  }
  return chosen;
}
