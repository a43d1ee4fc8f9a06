/** The contract of a family of `mini` questions. */
import type { Random } from './random.js';

/** The eight built-in tools by name; `mini` is written for these. */
export type MiniTool =
  | 'calculator'
  | 'python'
  | 'algebra'
  | 'logic'
  | 'statistics'
  | 'chemistry'
  | 'encyclopedia'
  | 'search';

export type MiniAction = MiniTool | 'think';

export type MiniSplit = 'train' | 'test';

/** One question before its wording and options are drawn. */
export interface MiniProblem {
  readonly text: string;
  /** The correct option, and what an observation must hold to have answered the question. */
  readonly answer: string;
  /** Nine or more wrong options of the same kind, distinct from each other and from the answer. */
  wrong(random: Random): string[];
  /** The ideal input of every tool that answers the question. */
  readonly inputs: Readonly<Partial<Record<MiniTool, string>>>;
  /** What a sensible input has to contain: operands, a formula, an article's title. */
  readonly subjects: readonly string[];
  /** What the question asks for, in one short sentence; the tiny model's thoughts are made of it. */
  readonly goal: string;
}

/** What the judge thinks of the tools for a kind of question (worth.ts); all but `tempting` answer it. */
export interface MiniTaste {
  /** What the judge takes by habit, best first. */
  readonly habit: readonly MiniTool[];
  /** The tools that a wording may hint at; the first is what the kind of question hints at without any words. */
  readonly hints: readonly MiniTool[];
  /** Looks as if it might help, and does not. */
  readonly tempting?: MiniAction;
}

/**
 * A family of questions. `build` is a pure function of `args`, so that a question's rules can be rebuilt from its
 * `src`.
 */
export interface MiniTemplate extends MiniTaste {
  readonly name: string;
  readonly category: string;
  draw(random: Random): string[];
  build(args: readonly string[]): MiniProblem;
}
