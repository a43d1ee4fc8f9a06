/** Accuracy with its 95 % interval, overall and for each category. */

export interface Graded {
  readonly category: string;
  readonly correct: boolean;
  /** False when no letter or other answer could be read; a protocol that guesses may still have made it right. */
  readonly parsed: boolean;
}

export interface Accuracy {
  readonly questions: number;
  readonly correct: number;
  /** correct / questions; 0 without questions */
  readonly accuracy: number;
  /** 95 % Wilson interval of the accuracy */
  readonly low: number;
  readonly high: number;
  readonly unparsedRate: number;
}

export interface CategoryAccuracy extends Accuracy {
  readonly category: string;
}

// 97.5 % quantile of the standard normal distribution.
const Z = 1.959963984540054;

/**
 * 95 % Wilson interval of `correct` out of `count` (Wilson 1927). Unlike ±1.96 σ it stays inside [0, 1] and keeps its
 * coverage near 0 and 1, where small categories often are. [0, 1] when `count` is 0.
 */
export function wilson(correct: number, count: number): { readonly low: number; readonly high: number } {
  if (count === 0) return { low: 0, high: 1 };
  const p = correct / count;
  const spread = Z * Math.sqrt((p * (1 - p)) / count + (Z * Z) / (4 * count * count));
  const center = p + (Z * Z) / (2 * count);
  const scale = 1 + (Z * Z) / count;
  // When none or all are correct, the exact bound is 0 or 1, which rounding would miss.
  return {
    low: correct === 0 ? 0 : Math.max(0, (center - spread) / scale),
    high: correct === count ? 1 : Math.min(1, (center + spread) / scale),
  };
}

/** How many answers there were, were right, and could not be read. */
export interface AnswerCounts {
  readonly questions: number;
  readonly correct: number;
  readonly unparsed: number;
}

export function accuracyOfCounts({ questions, correct, unparsed }: AnswerCounts): Accuracy {
  const share = (count: number) => (questions === 0 ? 0 : count / questions);
  return { questions, correct, accuracy: share(correct), ...wilson(correct, questions), unparsedRate: share(unparsed) };
}

export function accuracyOf(answers: readonly Graded[]): Accuracy {
  return accuracyOfCounts({
    questions: answers.length,
    correct: answers.filter((answer) => answer.correct).length,
    unparsed: answers.filter((answer) => !answer.parsed).length,
  });
}

/** Categories by name. */
export function accuracyByCategory(answers: readonly Graded[]): CategoryAccuracy[] {
  return [...groupBy(answers, (answer) => answer.category)].map(([category, group]) => ({
    category,
    ...accuracyOf(group),
  }));
}

/** Groups in the order of their sorted keys. */
export function groupBy<T>(items: readonly T[], key: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(key(item));
    if (group) group.push(item);
    else groups.set(key(item), [item]);
  }
  return new Map([...groups].sort(([a], [b]) => (a < b ? -1 : 1)));
}
