/**
 * A sequence with a record of who wrote which of its tokens. Every token is in exactly one segment: whatever is added
 * is recorded when it is added.
 */
import type { Generated, GenerateOptions, Generator, GeneratorSequence } from '../inference/generator.js';
import type { Segment, SegmentKind } from '../trajectory/trajectory.js';
import { TAG } from './prompt.js';

export class Transcript {
  readonly #generator: Generator;
  readonly #sequence: GeneratorSequence;
  #segments: Segment[] = [];

  constructor(generator: Generator, sequence: GeneratorSequence) {
    this.#generator = generator;
    this.#sequence = sequence;
  }

  /** Tokens recorded so far. */
  get length(): number {
    return this.#segments.at(-1)?.end ?? 0;
  }

  /** What a trajectory keeps. Cut at `length` tokens: a piece that was broken off is no part of it. */
  finish(length = this.length): { readonly tokens: number[]; readonly segments: Segment[] } {
    return {
      tokens: this.#sequence.tokens.slice(0, length),
      segments: this.#segments
        .filter((segment) => segment.start < length)
        .map((segment) => ({ ...segment, end: Math.min(segment.end, length) })),
    };
  }

  /** Text of ours, control tokens allowed. */
  template(text: string, step: number): void {
    this.write('template', step, text, true);
  }

  /** `special` only for text that no model, user or tool wrote. */
  write(kind: SegmentKind, step: number, text: string, special: boolean): void {
    this.#sequence.append(this.#generator.tokenize(text, special));
    this.#record(kind, step);
  }

  async generate(kind: SegmentKind, step: number, options: GenerateOptions): Promise<Generated> {
    const generated = await this.#sequence.generate(options);
    this.#record(kind, step);
    return generated;
  }

  /** Index of the text the model chose; our own texts, so control tokens are allowed. */
  async choose(
    kind: SegmentKind,
    step: number,
    texts: readonly string[],
    sampling: Omit<GenerateOptions, 'stop' | 'maxTokens'>,
  ): Promise<number> {
    const options = texts.map((text) => this.#generator.tokenize(text, true));
    const index = await this.#sequence.choose(options, sampling);
    this.#record(kind, step);
    return index;
  }

  /** The model opens a thought of `step` or the answer; true when it answers. */
  async chooseOpening(step: number, sampling: Omit<GenerateOptions, 'stop' | 'maxTokens'>): Promise<boolean> {
    const options = [TAG.thought, TAG.answer].map((text) => this.#generator.tokenize(text, true));
    const answers = (await this.#sequence.choose(options, sampling)) === 1;
    if (answers) this.#record('answer', -1);
    else this.#record('thought', step);
    return answers;
  }

  /** Gives everything since the last segment to `kind`; a run of the same kind and step is one segment. */
  #record(kind: SegmentKind, step: number): void {
    const start = this.length;
    const end = this.#sequence.tokens.length;
    if (end === start) return;
    const last = this.#segments.at(-1);
    if (last?.kind === kind && last.step === step) this.#segments = [...this.#segments.slice(0, -1), { ...last, end }];
    else this.#segments.push({ kind, step, start, end });
  }
}
