/** The questions a run trains on, validates and tests on, loaded once. No question is in two of the parts. */
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

/** Validation: questions of the training source on which policies are compared and settings chosen, so that the test stays unseen. */
export type QuestionPart = 'train' | 'validation' | 'test';

export class RunQuestions {
  readonly #settings: Config['questions'];
  readonly #seed: number;
  readonly #verifier: string | null | undefined;
  readonly #files = new Map<string, Promise<Question[]>>();
  #train: Promise<Question[]> | null = null;
  #validation: Promise<Question[]> | null = null;
  #test: Promise<Question[]> | null = null;

  /**
   * `verifier`: the id of the user's own verifier, which becomes part of the questions that name it, so that what depends on
   * these depends on it; null: there is none, and such questions are refused; absent: nothing will be graded.
   */
  constructor({ questions, seed }: Pick<Config, 'questions' | 'seed'>, verifier?: string | null) {
    this.#verifier = verifier;
    this.#settings = questions;
    this.#seed = seed;
  }

  train(): Promise<Question[]> {
    this.#train ??= this.#selectTrain();
    return this.#train;
  }

  /** None with `validationLimit` 0. */
  validation(): Promise<Question[]> {
    this.#validation ??= this.#selectValidation();
    return this.#validation;
  }

  test(): Promise<Question[]> {
    this.#test ??= this.#selectTest();
    return this.#test;
  }

  of(part: QuestionPart): Promise<Question[]> {
    return this[part]();
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

  /** Of those that the training leaves, so that its questions do not change with the validation's number. */
  async #selectValidation(): Promise<Question[]> {
    const { train, trainLimit, trainCategories, validationLimit } = this.#settings;
    if (validationLimit === 0) return [];
    const all =
      train === MINI ? moreMini(trainLimit, validationLimit) : without(await this.#load(train), await this.train());
    return select(all, trainCategories, validationLimit, this.#seed, `${train} for questions.validationLimit`);
  }

  /** When train and test come from one file, the test is what training and validation leave. */
  async #selectTest(): Promise<Question[]> {
    const { train, test, testLimit, testCategories } = this.#settings;
    const all = test === MINI ? mini('test', testLimit) : await this.#load(test);
    const used = train === test && test !== MINI ? [...(await this.train()), ...(await this.validation())] : [];
    return select(without(all, used), testCategories, testLimit, this.#seed, test);
  }

  #load(file: string): Promise<Question[]> {
    let questions = this.#files.get(file);
    if (questions === undefined) {
      questions = this.#read(file);
      this.#files.set(file, questions);
    }
    return questions;
  }

  async #read(file: string): Promise<Question[]> {
    const questions = await loadQuestions(file, { verifier: this.#settings.verifier });
    return questions.map((question) => withOwnVerifier(question, this.#verifier, file));
  }
}

function withOwnVerifier(question: Question, id: string | null | undefined, file: string): Question {
  const { verifier } = question;
  if (verifier?.name !== 'own' || id === undefined) return question;
  if (id !== null && (verifier.id ?? id) === id) return { ...question, verifier: { name: 'own', id } };
  throw new SparkError(
    'invalid_config',
    `${file}: question ${question.question_id} expects your own verifier${verifier.id === undefined ? '' : ` "${verifier.id}"`}, got ` +
      `${id === null ? 'none' : `"${id}"`}; export it as verifier from a module, and name that with parts`,
  );
}

/** Every mini question that a run may have without limits, of training and test. */
export function miniQuestions(): Question[] {
  return [...mini('train', 0), ...mini('test', 0)];
}

function mini(split: 'train' | 'test', limit: number): Question[] {
  return makeMini({ seed: MINI_SEED, perCategory: miniPerCategory(limit), split });
}

function miniPerCategory(limit: number): number {
  return limit === 0 ? MINI_PER_CATEGORY : Math.ceil(limit / CATEGORIES.length);
}

/** What comes after the training questions: each category's questions are drawn one after another, the training's first. */
function moreMini(trainLimit: number, limit: number): Question[] {
  const before = miniPerCategory(trainLimit);
  const all = makeMini({ seed: MINI_SEED, perCategory: before + miniPerCategory(limit), split: 'train' });
  return without(all, mini('train', trainLimit));
}

function without(all: readonly Question[], used: readonly Question[]): Question[] {
  const ids = new Set(used.map((question) => question.question_id));
  return all.filter((question) => !ids.has(question.question_id));
}

function select(
  all: readonly Question[],
  categories: string[],
  limit: number,
  seed: number,
  source: string,
): Question[] {
  const chosen = filterQuestions(all, { categories, limit, seed });
  if (chosen.length === 0) {
    throw new SparkError(
      'no_data',
      `no question is left of ${source}; expected at least one: check limits and categories`,
    );
  }
  return chosen;
}
