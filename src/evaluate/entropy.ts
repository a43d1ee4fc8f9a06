/** How evenly the actions are used: H = −Σ p log₂ p over all actions (docs/algorithm.md, Evaluation). */
import { THINK } from '../tools/tool.js';

export interface ActionEntropy {
  /** Steps counted. */
  readonly steps: number;
  /** H in bits; 0 without steps */
  readonly entropyBits: number;
  /** H / log₂ of the number of actions there are to choose from, in [0, 1] */
  readonly entropyNormalized: number;
  /** 2^H: that many equally used actions have this entropy. 0 without steps. */
  readonly effectiveActions: number;
  /** Share of `think` */
  readonly thinkShare: number;
}

/** Steps per action name; 0 for a name of `actionNames` that was never taken. Other names that were taken count too. */
export function countActions(actions: readonly string[], actionNames: readonly string[]): Record<string, number> {
  // A Map, because names are text of a model or a user, and `__proto__` must count like any other.
  const counts = new Map<string, number>();
  for (const action of actions) counts.set(action, (counts.get(action) ?? 0) + 1);
  return withUntaken(counts, actionNames);
}

/** The counts by name, those of `actionNames` first and 0 where one was never taken. */
export function withUntaken(
  counts: ReadonlyMap<string, number>,
  actionNames: readonly string[],
): Record<string, number> {
  return Object.fromEntries([...actionNames.map((name): [string, number] => [name, 0]), ...counts]);
}

export function actionEntropy(counts: Readonly<Record<string, number>>): ActionEntropy {
  const values = Object.values(counts);
  const steps = values.reduce((sum, count) => sum + count, 0);
  if (steps === 0) {
    return { steps, entropyBits: 0, entropyNormalized: 0, effectiveActions: 0, thinkShare: 0 };
  }
  const entropyBits = values.reduce((bits, count) => {
    const p = count / steps;
    return p === 0 ? bits : bits - p * Math.log2(p);
  }, 0);
  return {
    steps,
    entropyBits,
    entropyNormalized: values.length < 2 ? 0 : entropyBits / Math.log2(values.length),
    effectiveActions: 2 ** entropyBits,
    thinkShare: (counts[THINK] ?? 0) / steps,
  };
}

/**
 * Entropy in bits with the Miller–Madow correction: H + (m − 1) / 2N nats, where m actions were taken in N steps (Miller
 * 1955). The entropy of a sample is too low by about that much, more so with few steps. NaN without steps. `counts` may be
 * of any numbers from 0 on.
 */
export function millerMadowBits(counts: ArrayLike<number>): number {
  let steps = 0;
  let taken = 0;
  for (let a = 0; a < counts.length; a++) {
    steps += counts[a]!;
    if (counts[a]! > 0) taken += 1;
  }
  let bits = 0;
  for (let a = 0; a < counts.length; a++) {
    const p = counts[a]! / steps;
    if (p > 0) bits -= p * Math.log2(p);
  }
  return steps === 0 ? Number.NaN : bits + (taken - 1) / (2 * steps * Math.LN2);
}
