/**
 * One growing token sequence over an evaluator, which caches what it has evaluated. A token is evaluated only when the
 * next one is asked for, so the last token of the sequence is normally not evaluated yet.
 */

import { abortable } from '../abortable.js';
import { SparkError, throwIfAborted } from '../errors.js';
import { mixSeeds, seededRandom } from '../random.js';
import { checkGenerate, checkSampling } from './checkCall.js';
import type { Generated, GenerateOptions, WeighingSequence } from './generator.js';
import { disposedSequence, OneCall } from './oneCall.js';
import { StopMatcher } from './stopMatcher.js';
import { buildTrie, type TrieNode } from './tokenTrie.js';

/** The evaluated part of a sequence, as an inference library holds it. */
export interface Evaluator {
  /**
   * Asked before each evaluation, where evaluators share places: waits for one unless it has one. False: what was evaluated
   * is gone, and evaluation begins with the first token.
   */
  begin?(signal: AbortSignal | undefined): Promise<boolean>;
  /** No evaluation is near: others may have the place. */
  rest?(): Promise<void>;
  /** Draws tokens one after another from one seeded stream; at temperature 0 it takes the likeliest. */
  sampler(temperature: number, seed: number): Sampler;
  /** Adds `tokens` (at least one) and returns the logits of `candidates` after the last one, in their order. */
  logits(tokens: readonly number[], candidates: readonly number[]): Promise<number[]>;
  /** Takes the last `count` tokens out again. */
  undo(count: number): Promise<void>;
  dispose(): Promise<void>;
}

export interface Sampler {
  /** Adds `tokens` (at least one) and draws the token after the last one. */
  next(tokens: readonly number[]): Promise<number>;
  end(): Promise<void>;
}

/** What a sequence has to know about its model. */
export interface SequenceModel {
  readonly contextSize: number;
  detokenize(tokens: readonly number[]): string;
  /** The model ends its turn with this token. */
  isEnd(token: number): boolean;
}

export class GrowingSequence implements WeighingSequence {
  readonly #evaluator: Evaluator;
  readonly #model: SequenceModel;
  readonly #onDisposed: () => void;
  readonly #tokens: number[] = [];
  #evaluated = 0;
  /** How many of the evaluated tokens are still the sequence's; the others are taken out before the next evaluation. */
  #standing = 0;
  readonly #calls = new OneCall();
  #inFlight: Promise<unknown> = Promise.resolve();
  #broken: unknown = null;

  constructor(evaluator: Evaluator, model: SequenceModel, onDisposed: () => void) {
    this.#evaluator = evaluator;
    this.#model = model;
    this.#onDisposed = onDisposed;
  }

  get tokens(): readonly number[] {
    return this.#tokens;
  }

  append(tokens: readonly number[]): void {
    this.#checkUsable();
    this.#checkRoom(tokens.length);
    for (const token of tokens) this.#tokens.push(token);
  }

  async generate(options: GenerateOptions): Promise<Generated> {
    checkGenerate(options);
    return this.#exclusively(async () => {
      const matcher = new StopMatcher(options.stop, this.#model.detokenize);
      const tokens: number[] = [];
      // Each sequence has its own random stream, so its draws do not depend on which sequences share its batches.
      const sampler = this.#evaluator.sampler(options.temperature, mixSeeds(options.seed, this.#tokens.length));
      try {
        const finish = await this.#sampleInto(tokens, matcher, sampler, options);
        return { tokens, text: matcher.text(), finish };
      } finally {
        // Not awaited: after an abort an evaluation may still run, and the sampler has to end after it.
        this.#inFlight = this.#inFlight.then(() => sampler.end()).catch(() => undefined);
      }
    });
  }

  async #sampleInto(
    tokens: number[],
    matcher: StopMatcher,
    sampler: Sampler,
    options: GenerateOptions,
  ): Promise<Generated['finish']> {
    while (tokens.length < options.maxTokens) {
      this.#checkRoom(1);
      const token = await this.#evaluate(options.signal, (pending) => sampler.next(pending));
      if (this.#model.isEnd(token)) return 'end';
      this.#tokens.push(token);
      tokens.push(token);
      if (matcher.push(token)) return 'stop';
    }
    return 'length';
  }

  async choose(
    options: readonly (readonly number[])[],
    sampling: Omit<GenerateOptions, 'stop' | 'maxTokens'>,
  ): Promise<number> {
    checkSampling(sampling);
    return this.#exclusively(async () => {
      let node = buildTrie(options);
      this.#checkRoom(Math.max(...options.map((option) => option.length)));
      const random = seededRandom(mixSeeds(sampling.seed, this.#tokens.length));
      while (node.option === null) {
        const candidates = [...node.children.keys()];
        const token =
          candidates.length === 1
            ? candidates[0]!
            : await this.#pick(candidates, sampling.temperature, random, sampling.signal);
        this.#tokens.push(token);
        node = node.children.get(token)!;
      }
      return node.option;
    });
  }

  rewind(length: number): void {
    this.#checkUsable();
    checkRewind(length, this.#tokens.length);
    this.#cut(length);
  }

  #cut(length: number): void {
    this.#tokens.length = length;
    this.#standing = Math.min(this.#standing, length);
  }

  async weigh(options: readonly (readonly number[])[], signal?: AbortSignal): Promise<Float64Array> {
    return this.#exclusively(async () => {
      const root = buildTrie(options);
      this.#checkRoom(Math.max(...options.map((option) => option.length)));
      const out = new Float64Array(options.length);
      const { length } = this.#tokens;
      try {
        await this.#weighFrom(root, 1, out, signal);
      } finally {
        this.#cut(length);
      }
      return out;
    });
  }

  /** Gives the options under `node` their shares of `weight`, by the odds of the model at each fork. */
  async #weighFrom(node: TrieNode, weight: number, out: Float64Array, signal: AbortSignal | undefined): Promise<void> {
    if (node.option !== null) {
      out[node.option] = weight;
      return;
    }
    const children = [...node.children];
    let shares = [1];
    if (children.length > 1) {
      const candidates = children.map(([token]) => token);
      shares = softmax(await this.#evaluate(signal, (pending) => this.#evaluator.logits(pending, candidates)));
    }
    for (const [index, [token, child]] of children.entries()) {
      this.#tokens.push(token);
      await this.#weighFrom(child, weight * shares[index]!, out, signal);
      this.#cut(this.#tokens.length - 1);
    }
  }

  dispose(): void {
    if (!this.#calls.dispose()) return;
    // After an abort an evaluation may still run; the sequence's place is given back when it is done.
    void this.#inFlight
      .catch(() => undefined)
      .then(() => this.#evaluator.dispose())
      .catch(() => undefined)
      .then(this.#onDisposed);
  }

  async #pick(
    candidates: readonly number[],
    temperature: number,
    random: () => number,
    signal: AbortSignal | undefined,
  ): Promise<number> {
    const logits = await this.#evaluate(signal, (pending) => this.#evaluator.logits(pending, candidates));
    return candidates[drawIndex(logits, temperature, random)]!;
  }

  /** Hands all tokens that are not evaluated yet to `work`; on an abort it rejects at once, while `work` runs on. */
  async #evaluate<T>(signal: AbortSignal | undefined, work: (pending: readonly number[]) => Promise<T>): Promise<T> {
    throwIfAborted(signal);
    if (this.#calls.disposed) throw disposedSequence();
    let begun = false;
    const job = this.#inFlight.then(async () => {
      if ((await this.#evaluator.begin?.(signal)) === false) {
        this.#evaluated = 0;
        this.#standing = 0;
      }
      if (this.#calls.disposed) throw disposedSequence();
      begun = true;
      // Where every token is evaluated, as after an end of turn, the logits after the last one are gone: evaluate it
      // again.
      const kept = Math.min(this.#standing, this.#tokens.length - 1);
      if (kept < this.#evaluated) {
        await this.#evaluator.undo(this.#evaluated - kept);
        this.#evaluated = kept;
      }
      const pending = this.#tokens.slice(this.#evaluated);
      const result = await work(pending);
      this.#evaluated += pending.length;
      this.#standing = this.#evaluated;
      return result;
    });
    this.#inFlight = job.catch((error: unknown) => {
      if (begun) this.#broken = error; // who only waited in vain may come again
    });
    try {
      return await abortable(job, signal);
    } catch (error) {
      // When the sequence was disposed during the evaluation, the library throws an error of its own.
      throw this.#calls.disposed ? disposedSequence(error) : error;
    }
  }

  async #exclusively<T>(work: () => Promise<T>): Promise<T> {
    this.#checkUsable();
    try {
      return await this.#calls.run(this.#tokens, work);
    } finally {
      // Not awaited: after an abort an evaluation may still run.
      this.#inFlight = this.#inFlight.then(() => this.#evaluator.rest?.()).catch(() => undefined);
    }
  }

  #checkUsable(): void {
    this.#calls.check();
    if (this.#broken !== null) {
      throw new SparkError('inference_failed', 'an earlier evaluation of this sequence failed; open another', {
        cause: this.#broken,
      });
    }
  }

  #checkRoom(count: number): void {
    checkRoom(this.#tokens.length + count, this.#model.contextSize);
  }
}

/** Throws `context_overflow` when a sequence is to hold more tokens than `contextSize`. */
export function checkRoom(tokens: number, contextSize: number): void {
  if (tokens <= contextSize) return;
  throw new SparkError(
    'context_overflow',
    `expected at most ${contextSize} tokens in a sequence, got ${tokens}; ` +
      'raise inference.contextSize, or lower rollout.maxSteps or the token limits',
  );
}

/** Throws `invalid_argument` for a length to go back to that a sequence of `tokens` does not have. */
export function checkRewind(length: number, tokens: number): void {
  if (Number.isInteger(length) && length >= 0 && length <= tokens) return;
  throw new SparkError('invalid_argument', `rewind: expected a length of 0 to ${tokens} tokens, got ${length}`);
}

function softmax(logits: readonly number[]): number[] {
  const max = Math.max(...logits);
  const weights = logits.map((logit) => Math.exp(logit - max));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}

/** Index drawn with probability softmax(logits / temperature); at temperature 0 the first of the largest logits. */
export function drawIndex(logits: readonly number[], temperature: number, random: () => number): number {
  const max = Math.max(...logits);
  if (temperature <= 0) return logits.indexOf(max);
  const weights = logits.map((logit) => Math.exp((logit - max) / temperature));
  let left = random() * weights.reduce((sum, weight) => sum + weight, 0);
  for (let index = 0; index < weights.length; index++) {
    left -= weights[index]!;
    if (left < 0) return index;
  }
  return weights.length - 1;
}
