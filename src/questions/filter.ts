/** Picks questions so that every category has the same number of them, however few are taken. */
import { SparkError } from '../errors.js';
import { checkKeys, type KeysOf } from '../options.js';
import { mixSeeds, seededOrder } from '../random.js';
import type { Question } from './question.js';

export interface FilterOptions {
  /** Categories to keep; empty or absent: all. */
  readonly categories?: readonly string[];
  /** At most this many; 0 or absent: all. */
  readonly limit?: number;
  /** Shuffles within each category; absent: file order. */
  readonly seed?: number;
}

const OPTIONS = { categories: true, limit: true, seed: true } as const satisfies KeysOf<FilterOptions>;

/**
 * Takes one question of each category in turn (categories sorted by name), until they run out: 28 questions of MMLU-Pro
 * are 2 of each of its 14 categories. Without limit and seed the file's order is kept. The order depends on questions
 * and seed alone, so `limit 100` gives the first half of `limit 200`.
 */
export function filterQuestions(questions: readonly Question[], options: FilterOptions = {}): Question[] {
  checkKeys(options, OPTIONS, 'filterQuestions: options');
  const { categories = [], limit = 0, seed } = options;
  if (!Number.isInteger(limit) || limit < 0) {
    throw new SparkError('invalid_argument', `limit: expected a whole number from 0 on, got ${limit}`);
  }
  const kept = keepCategories(questions, categories);
  if (limit === 0 && seed === undefined) return kept;
  return roundRobin(kept, seed).slice(0, limit === 0 ? undefined : limit);
}

function keepCategories(questions: readonly Question[], categories: readonly string[]): Question[] {
  if (categories.length === 0) return [...questions];
  const present = new Set(questions.map((question) => question.category));
  const unknown = categories.filter((category) => !present.has(category));
  if (unknown.length > 0) {
    throw new SparkError(
      'invalid_argument',
      `categories: expected some of ${[...present].sort().join(', ')}; got ${unknown.join(', ')}`,
    );
  }
  const wanted = new Set(categories);
  return questions.filter((question) => wanted.has(question.category));
}

function roundRobin(questions: readonly Question[], seed: number | undefined): Question[] {
  const categories = [...new Set(questions.map((question) => question.category))].sort();
  const queues = categories.map((category) => {
    const group = questions.filter((question) => question.category === category);
    if (seed === undefined) return group;
    // Seeded by the category's name and not its position, so that leaving out a category does not reshuffle the others.
    const order = seededOrder(group.length, mixSeeds(seed, ...Buffer.from(category)));
    return order.map((position) => group[position]!);
  });
  const longest = Math.max(0, ...queues.map((queue) => queue.length));
  const order: Question[] = [];
  for (let turn = 0; turn < longest; turn++) {
    for (const queue of queues) {
      const question = queue[turn];
      if (question !== undefined) order.push(question);
    }
  }
  return order;
}
