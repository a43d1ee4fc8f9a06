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

/** One question before its options are drawn. */
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

/**
 * A family of questions. `build` is a pure function of `args`, so that a question's rules can be rebuilt from its
 * `src`.
 */
export interface MiniTemplate {
  readonly name: string;
  readonly category: string;
  /** Base score of each tool that answers the question, 0–10; varied a little by question. */
  readonly worth: Readonly<Partial<Record<MiniTool, number>>>;
  draw(random: Random): string[];
  build(args: readonly string[]): MiniProblem;
}
