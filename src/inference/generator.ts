/** Inference, token in and token out. */
import type { KeysOf } from '../options.js';
import type { Decoding } from './rounds.js';
import type { PrefixCounts } from './sequencePool.js';

/** Text to tokens and back, by a model's vocabulary. A Generator is one. */
export interface Tokenizer {
  /** `special`: control tokens written in the text become tokens. False for text that a model, user or tool wrote. */
  tokenize(text: string, special: boolean): number[];
  detokenize(tokens: readonly number[]): string;
  dispose(): Promise<void>;
}

/** A vocabulary with what a prompt is made by: enough to write a trajectory of texts that are there already. */
export interface PromptTokenizer extends Tokenizer {
  /** Most tokens one sequence can hold. */
  readonly contextSize: number;
  /** Jinja chat template of the model, or null for a completion model. */
  readonly chatTemplate: string | null;
  /** Text of the beginning-of-sequence token when the model wants one, else ''. */
  readonly bosText: string;
  /** Text of the end-of-sequence token, which chat templates ask for; '' when the model has none. */
  readonly eosText: string;
  /** False when the model's metadata (`spark.instructions`) says it was trained without written instructions. */
  readonly wantsInstructions: boolean;
}

/** Implementations batch the sequences that are open at the same time. */
export interface Generator extends PromptTokenizer {
  /** Names model and adapter by their content, so that a trajectory says exactly what wrote it. */
  readonly id: string;
  /** Most sequences that can be open at once. */
  readonly sequences: number;
  /**
   * `later`: the model's text comes without its tokens, and is tokenised here. That does for evaluations; training would learn
   * from tokens that the model did not draw. Absent: tokens are those that were drawn.
   */
  readonly tokenised?: 'later';
  /** How long it has been at work, where it can say so. */
  readonly decoding?: Decoding;
  /** What it read of prompts, and read again, where it can say so. */
  readonly prefixes?: PrefixCounts;
  /** Waits for a free slot. */
  open(signal?: AbortSignal): Promise<GeneratorSequence>;
}

export interface GenerateOptions {
  /** Generation ends as soon as the text holds one of these. */
  readonly stop: readonly string[];
  readonly maxTokens: number;
  /** 0 is greedy. */
  readonly temperature: number;
  readonly seed: number;
  readonly signal?: AbortSignal;
}

const sampling = { temperature: true, seed: true, signal: true } as const;
export const GENERATE_OPTIONS = { stop: true, maxTokens: true, ...sampling } as const satisfies KeysOf<GenerateOptions>;
export const SAMPLING = sampling satisfies KeysOf<Omit<GenerateOptions, 'stop' | 'maxTokens'>>;

export interface Generated {
  /** Ids as generated, the stop text's own tokens included. */
  readonly tokens: number[];
  /** Text before the stop. */
  readonly text: string;
  /** `stop`: a stop text came. `length`: token limit. `end`: the model ended its turn (that token is not included). */
  readonly finish: 'stop' | 'length' | 'end';
}

/** One growing token sequence. Throws `context_overflow` when it would pass `contextSize`. */
export interface GeneratorSequence {
  /** Every token so far. */
  readonly tokens: readonly number[];
  append(tokens: readonly number[]): void;
  /** Generates tokens and appends them. */
  generate(options: GenerateOptions): Promise<Generated>;
  /**
   * Lets the model choose one of several token strings: walks their trie, taking the likeliest child at temperature 0
   * and sampling above; appends the chosen tokens and returns the option's index.
   */
  choose(
    options: readonly (readonly number[])[],
    sampling: Omit<GenerateOptions, 'stop' | 'maxTokens'>,
  ): Promise<number>;
  dispose(): void;
}

/** A sequence that also says what it would choose, and can go back to try something else after the same start. */
export interface WeighingSequence extends GeneratorSequence {
  /**
   * The probability of each of several token strings, given that one of them comes next: at each fork of their trie the
   * model's odds of the tokens there, and their product for a string of several tokens. They sum to 1. The sequence stays
   * as it is. Throws `invalid_argument` for options that cannot be told apart, and before the first token.
   */
  weigh(options: readonly (readonly number[])[], signal?: AbortSignal): Promise<Float64Array>; // (options)
  /**
   * Drops every token after the first `length`. What is evaluated of those stays evaluated, except by models whose state
   * cannot be cut (recurrent ones, sliding windows): they read the start again.
   */
  rewind(length: number): void;
}

export interface WeighingGenerator extends Generator {
  open(signal?: AbortSignal): Promise<WeighingSequence>;
}
