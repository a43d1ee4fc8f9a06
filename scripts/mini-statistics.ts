/** What can be said of `mini` without any policy: which first actions its scores single out, and who could know them. */

import { type MiniAction, miniRules } from '../src/questions/mini.js';
import type { Question } from '../src/questions/question.js';

interface Scored {
  readonly action: MiniAction;
  readonly score: number;
  /** The tool can answer the question. */
  readonly answers: boolean;
}

function firstActions(question: Question): Scored[] {
  const { scores, inputs } = miniRules(question)!;
  return Object.entries(scores).map(([action, score]) => ({
    action: action as MiniAction,
    score,
    answers: Object.hasOwn(inputs, action),
  }));
}

const highest = (actions: readonly Scored[]): Scored => actions.reduce((a, b) => (b.score > a.score ? b : a));
const lowest = (actions: readonly Scored[]): Scored => actions.reduce((a, b) => (b.score < a.score ? b : a));

export const viableFirst = (question: Question, tau: number): Scored[] =>
  firstActions(question).filter(({ score }) => score >= tau);
export const bestFirst = (question: Question): Scored => highest(firstActions(question));
export const rarestFirst = (question: Question, tau: number): Scored => lowest(viableFirst(question, tau));

/**
 * The first action with the highest reward among those a judge lets pass at `tau`, when the tools that answer are
 * coherent and the others are not (docs/algorithm.md, Reward).
 */
export function bestPaidFirst(question: Question, tau: number, rho: number): Scored {
  const best = bestFirst(question).score;
  const reward = ({ score, answers }: Scored): number => rho * (best - score) - (answers ? 0 : 1 - rho);
  return viableFirst(question, tau).reduce((a, b) => (reward(b) > reward(a) ? b : a));
}

/** Share of each name, most frequent first. */
export function sharesOf(names: readonly string[]): [name: string, share: number][] {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts].map(([name, n]) => [name, n / names.length] as [string, number]).sort((a, b) => b[1] - a[1]);
}

export const entropyOf = (names: readonly string[]): number =>
  sharesOf(names).reduce((sum, [, share]) => sum - share * Math.log2(share), 0);

/** Lower-case words and signs; every number is a word for how many digits it has. */
const wordsOf = (text: string): string[] =>
  (text.toLowerCase().match(/\d+|\p{L}+|[^\s\p{L}\d]/gu) ?? []).map((word) =>
    /^\d/.test(word) ? `number of ${word.length}` : word,
  );

/** A multinomial naive Bayes over the words of the question, options left out; add-one smoothing. */
export function bagOfWords(samples: readonly (readonly [question: Question, label: string])[]) {
  const labels = sharesOf(samples.map(([, label]) => label));
  const vocabulary = new Set(samples.flatMap(([question]) => wordsOf(question.question)));
  const counts = new Map(labels.map(([label]) => [label, new Map<string, number>()]));
  for (const [question, label] of samples) {
    const own = counts.get(label)!;
    for (const word of wordsOf(question.question)) own.set(word, (own.get(word) ?? 0) + 1);
  }
  const totals = new Map([...counts].map(([label, own]) => [label, [...own.values()].reduce((a, b) => a + b, 0)]));
  return (question: Question): string => {
    const words = wordsOf(question.question).filter((word) => vocabulary.has(word));
    const scored = labels.map(([label, share]) => {
      const [own, total] = [counts.get(label)!, totals.get(label)! + vocabulary.size];
      return [label, words.reduce((sum, word) => sum + Math.log(((own.get(word) ?? 0) + 1) / total), Math.log(share))];
    }) as [string, number][];
    return scored.reduce((a, b) => (b[1] > a[1] ? b : a))[0];
  };
}
