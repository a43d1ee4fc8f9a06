/**
 * A sequence whose model is in another process. What is appended and rewound is noted here, and told with the next call;
 * a call that generates, chooses or weighs is one message there and one back.
 */
import { checkGenerate, checkSampling, checkTokens } from './checkCall.js';
import type { Generated, GenerateOptions, WeighingSequence } from './generator.js';
import { OneCall } from './oneCall.js';
import type { RemoteModel } from './remoteModel.js';
import { checkRewind, checkRoom } from './sequence.js';

type Options = readonly (readonly number[])[];

export class RemoteSequence implements WeighingSequence {
  readonly #model: RemoteModel;
  readonly #name: number;
  readonly #contextSize: number;
  readonly #onDisposed: () => void;
  readonly #tokens: number[] = [];
  /** How many tokens, from the first on, the process there knows. */
  #known = 0;
  readonly #calls = new OneCall();

  constructor(model: RemoteModel, name: number, contextSize: number, onDisposed: () => void) {
    this.#model = model;
    this.#name = name;
    this.#contextSize = contextSize;
    this.#onDisposed = onDisposed;
  }

  get tokens(): readonly number[] {
    return this.#tokens;
  }

  append(tokens: readonly number[]): void {
    this.#calls.check();
    checkTokens(tokens);
    checkRoom(this.#tokens.length + tokens.length, this.#contextSize);
    for (const token of tokens) this.#tokens.push(token);
  }

  rewind(length: number): void {
    this.#calls.check();
    checkRewind(length, this.#tokens.length);
    this.#tokens.length = length;
    this.#known = Math.min(this.#known, length);
  }

  async generate(options: GenerateOptions): Promise<Generated> {
    checkGenerate(options);
    const { signal, ...rest } = options;
    const before = this.#tokens.length;
    const { text, finish } = await this.#exclusively((written) =>
      this.#model.call<'generate'>({ op: 'generate', options: rest, ...this.#state() }, signal, written),
    );
    return { tokens: this.#tokens.slice(before), text, finish };
  }

  async choose(options: Options, sampling: Omit<GenerateOptions, 'stop' | 'maxTokens'>): Promise<number> {
    checkSampling(sampling);
    const { signal, ...rest } = sampling;
    return this.#exclusively((written) => {
      const call = { op: 'choose', options, sampling: rest, ...this.#state() } as const;
      return this.#model.call<'choose'>(call, signal, written);
    });
  }

  weigh(options: Options, signal?: AbortSignal): Promise<Float64Array> {
    return this.#exclusively((written) =>
      this.#model.call<'weigh'>({ op: 'weigh', options, ...this.#state() }, signal, written),
    );
  }

  dispose(): void {
    if (!this.#calls.dispose()) return;
    this.#model.close(this.#name);
    this.#onDisposed();
  }

  #state(): { sequence: number; from: number; tail: readonly number[] } {
    return { sequence: this.#name, from: this.#known, tail: this.#tokens.slice(this.#known) };
  }

  #exclusively<T>(work: (written: (tokens: readonly number[]) => void) => Promise<T>): Promise<T> {
    return this.#calls.run(this.#tokens, () =>
      work((tokens) => {
        for (const token of tokens) this.#tokens.push(token);
        this.#known = this.#tokens.length;
      }),
    );
  }
}
