/** What makes `mini` a stage for diversity, held before any policy is trained on it: few favourites, many rare tools. */
import { describe, expect, it } from 'vitest';
import {
  bagOfWords,
  bestFirst,
  bestPaidFirst,
  entropyOf,
  rarestFirst,
  sharesOf,
  viableFirst,
} from '../../../scripts/mini-statistics.js';
import { type MiniSplit, makeMini, miniRules } from '../../../src/questions/mini.js';
import type { Question } from '../../../src/questions/question.js';

const TAU = 6;
const seeds = [1, 2, 2025];
const sets = seeds.flatMap((seed) =>
  (['train', 'test'] as readonly MiniSplit[]).map((split) => ({
    name: `${split}, seed ${seed}`,
    split,
    questions: makeMini({ seed, perCategory: 20, split }),
  })),
);
const rarest = (questions: readonly Question[], tau = TAU) => questions.map((q) => rarestFirst(q, tau).action);
const answering = (questions: readonly Question[], tau: number): number =>
  questions.filter((q) => rarestFirst(q, tau).answers).length / questions.length;
/** The last sentence of a question: what hints at a tool. */
const sentence = (question: Question): string => question.question.replace(/^.*[.?] /s, '');

describe.each(sets)('280 questions, $name', ({ questions, split }) => {
  it('have few favourites', () => {
    const best = questions.map((q) => bestFirst(q).action);
    expect(entropyOf(best)).toBeLessThanOrEqual(1.7);
    const [first, second, third] = sharesOf(best).map(([, share]) => share);
    expect(first! + second! + third!).toBeGreaterThan(0.8);
  });

  it('have many rarest viable tools, none of them in more than a quarter', () => {
    expect(entropyOf(rarest(questions))).toBeGreaterThanOrEqual(2.7);
    expect(sharesOf(rarest(questions))).toHaveLength(8);
    expect(sharesOf(rarest(questions))[0]![1]).toBeLessThanOrEqual(0.25);
    for (const q of questions) expect(rarestFirst(q, TAU).action).toBe(miniRules(q)!.hint);
  });

  it('say which one it is, in words that were never in these sentences', () => {
    // Another seed, so that nothing but words and numbers of digits is shared with the questions of the training split.
    const known = makeMini({ seed: 77, perCategory: 80, split: 'train' });
    const guess = bagOfWords(known.map((q) => [q, rarestFirst(q, TAU).action]));
    const right = questions.filter((q) => guess(q) === rarestFirst(q, TAU).action);
    expect(right.length / questions.length).toBeGreaterThan(0.8);
    const sentences = new Set(known.map(sentence));
    for (const q of questions) expect(sentences.has(sentence(q)), q.question).toBe(split === 'train');
  });

  it('let steps in that do not help at τ = 5, and at τ = 7 nothing but the habits', () => {
    expect(answering(questions, 5)).toBeLessThan(0.5);
    expect(answering(questions, TAU)).toBe(1);
    expect(answering(questions, 7)).toBe(1);
    expect(entropyOf(rarest(questions, 7))).toBeLessThan(entropyOf(rarest(questions)) - 1);
    for (const q of questions) {
      expect(viableFirst(q, TAU).every(({ answers }) => answers)).toBe(true);
      expect(viableFirst(q, TAU).length).toBeGreaterThanOrEqual(2);
    }
  });

  it('pay for a step that does not help once coherence is worth little', () => {
    const helped = (rho: number) => questions.filter((q) => bestPaidFirst(q, 5, rho).answers).length / questions.length;
    expect(helped(0)).toBe(1);
    expect(helped(0.5)).toBe(1);
    expect(helped(0.8)).toBeLessThan(0.5);
    expect(helped(1)).toBeLessThan(0.5);
  });
});

it('the scores follow from what can be read: the same words, the same scores', () => {
  const seen = new Map<string, string>();
  for (const q of makeMini({ seed: 5, perCategory: 200, split: 'train' })) {
    // A number counts for how many digits it has; a title or a formula for nothing else.
    const words = `${q.src.split('|')[0]} ${q.question.replace(/\d/g, '9')}`;
    const scores = JSON.stringify(miniRules(q)!.scores);
    expect(seen.get(words) ?? scores, q.question).toBe(scores);
    seen.set(words, scores);
  }
});
