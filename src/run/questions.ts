/** The questions a run trains and tests on, loaded once. No question is in both. */
import type { Config } from '../config/index.js';
import { SparkError } from '../errors.js';
import { filterQuestions } from '../questions/filter.js';
import { loadQuestions } from '../questions/load.js';
import { makeMini } from '../questions/mini.js';
import { CATEGORIES, type Question } from '../questions/question.js';

export const MINI = 'mini';

/** The mini set is a fixed set, as a benchmark is, so its seed does not depend on the run's. */
const MINI_SEED = 2025;
/** Questions per category when no limit is given. */
const MINI_PER_CATEGORY = 40;

export class RunQuestions {
  readonly #settings: Config['questions'];
  readonly #seed: number;
  readonly #files = new Map<string, Promise<Question[]>>();
  #train: Promise<Question[]> | null = null;
  #test: Promise<Question[]> | null = null;

  constructor({ questions, seed }: Pick<Config, 'questions' | 'seed'>) {
    this.#settings = questions;
    this.#seed = seed;
  }

  train(): Promise<Question[]> {
    this.#train ??= this.#selectTrain();
    return this.#train;
  }

  test(): Promise<Question[]> {
    this.#test ??= this.#selectTest();
    return this.#test;
  }

  /** Examples of the 5-shot prompt; none when no file is named. */
  async shots(): Promise<Question[]> {
    return this.#settings.shots === null ? [] : this.#load(this.#settings.shots);
  }

  async #selectTrain(): Promise<Question[]> {
    const { train, trainLimit, trainCategories } = this.#settings;
    const all = train === MINI ? mini('train', trainLimit) : await this.#load(train);
    return select(all, trainCategories, trainLimit, this.#seed, train);
  }

  /** When train and test come from one file, the training questions are removed from the test. */
  async #selectTest(): Promise<Question[]> {
    const { train, test, testLimit, testCategories } = this.#settings;
    if (test === MINI) return select(mini('test', testLimit), testCategories, testLimit, this.#seed, test);
    const all = await this.#load(test);
    const trained = train === test ? new Set((await this.train()).map((q) => q.question_id)) : new Set();
    const rest = all.filter((question) => !trained.has(question.question_id));
    return select(rest, testCategories, testLimit, this.#seed, test);
  }

  #load(file: string): Promise<Question[]> {
    let questions = this.#files.get(file);
    if (questions === undefined) {
      questions = loadQuestions(file);
      this.#files.set(file, questions);
    }
    return questions;
  }
}

function mini(split: 'train' | 'test', limit: number): Question[] {
  const perCategory = limit === 0 ? MINI_PER_CATEGORY : Math.ceil(limit / CATEGORIES.length);
  return makeMini({ seed: MINI_SEED, perCategory, split });
}

function select(all: Question[], categories: string[], limit: number, seed: number, source: string): Question[] {
  const chosen = filterQuestions(all, { categories, limit, seed });
  if (chosen.length === 0) {
    throw new SparkError(
      'no_data',
      `no question is left of ${source}; expected at least one: check limits and categories`,
    );
  }
  return chosen;
}
