/**
 * A sequence with a record of who wrote which of its tokens. Whatever is added is recorded at once, so that every token
 * is in exactly one segment.
 */
import type { Generated, GenerateOptions, GeneratorSequence, Tokenizer } from '../inference/generator.js';
import type { Segment, SegmentKind } from '../trajectory/trajectory.js';
import { TAG } from './prompt.js';

export class Transcript {
  readonly #tokenizer: Tokenizer;
  readonly #sequence: GeneratorSequence;
  #segments: Segment[] = [];
  /** What the last generated token wrote beyond its stop: many vocabularies have `><`, which begins our next tag. */
  #begun = '';

  constructor(tokenizer: Tokenizer, sequence: GeneratorSequence) {
    this.#tokenizer = tokenizer;
    this.#sequence = sequence;
  }

  /** Tokens recorded so far. */
  get length(): number {
    return this.#segments.at(-1)?.end ?? 0;
  }

  /** Tokens and segments for a trajectory, cut at `length` tokens to leave out an unfinished step. */
  finish(length = this.length): { readonly tokens: number[]; readonly segments: Segment[] } {
    return {
      tokens: this.#sequence.tokens.slice(0, length),
      segments: this.#segments
        .filter((segment) => segment.start < length)
        .map((segment) => ({ ...segment, end: Math.min(segment.end, length) })),
    };
  }

  /** Appends text of ours, in which control tokens are parsed. */
  template(text: string, step: number): void {
    this.write('template', step, this.#restOf(text), true);
  }

  /** `special` only for text that no model, user or tool wrote. */
  write(kind: SegmentKind, step: number, text: string, special: boolean): void {
    this.append(kind, step, this.#tokenizer.tokenize(text, special));
  }

  append(kind: SegmentKind, step: number, tokens: readonly number[]): void {
    this.#begun = '';
    this.#sequence.append(tokens);
    this.#record(kind, step);
  }

  async generate(kind: SegmentKind, step: number, options: GenerateOptions): Promise<Generated> {
    const generated = await this.#sequence.generate(options);
    this.#record(kind, step);
    this.#begun = generated.finish === 'stop' ? this.#beyond(generated, options.stop) : '';
    return generated;
  }

  /** Lets the model choose one of our texts, in which control tokens are parsed; returns its index. */
  async choose(
    kind: SegmentKind,
    step: number,
    texts: readonly string[],
    sampling: Omit<GenerateOptions, 'stop' | 'maxTokens'>,
  ): Promise<number> {
    const options = texts.map((text) => this.#tokenizer.tokenize(text, true));
    const index = await this.#sequence.choose(options, sampling);
    this.#record(kind, step);
    return index;
  }

  /**
   * The model opens a thought of `step`, or the answer where `mayAnswer`; true when it answers. A thought that it had to
   * open is recorded as its own: it is what the policy has to learn to do where nobody makes it.
   */
  async chooseOpening(
    step: number,
    mayAnswer: boolean,
    sampling: Omit<GenerateOptions, 'stop' | 'maxTokens'>,
  ): Promise<boolean> {
    const options = (mayAnswer ? [TAG.thought, TAG.answer] : [TAG.thought]).map((text) =>
      this.#tokenizer.tokenize(this.#restOf(text), true),
    );
    this.#begun = '';
    const answers = (await this.#sequence.choose(options, sampling)) === 1;
    if (answers) this.#record('answer', -1);
    else this.#record('thought', step);
    return answers;
  }

  #beyond({ tokens, text }: Generated, stops: readonly string[]): string {
    const after = this.#tokenizer.detokenize(tokens).slice(text.length);
    const stop = stops.find((one) => after.startsWith(one));
    return stop === undefined ? '' : after.slice(stop.length);
  }

  /** A tag of ours without the beginning that the model has written already. */
  #restOf(text: string): string {
    return text.startsWith(this.#begun) ? text.slice(this.#begun.length) : text;
  }

  /** Records everything since the last segment as `kind`; joined to the last segment when kind and step are the same. */
  #record(kind: SegmentKind, step: number): void {
    const start = this.length;
    const end = this.#sequence.tokens.length;
    if (end === start) return;
    const last = this.#segments.at(-1);
    if (last?.kind === kind && last.step === step) this.#segments = [...this.#segments.slice(0, -1), { ...last, end }];
    else this.#segments.push({ kind, step, start, end });
  }
}
