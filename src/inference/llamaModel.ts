/** A model that llama.cpp has loaded, with its contexts: what the process of llamaChild.ts works with. */
import path from 'node:path';
import type { LlamaModel, Token } from 'node-llama-cpp';
import '../openmp.js';
import { SparkError, throwIfAborted, toSparkError } from '../errors.js';
import type { WeighingSequence } from './generator.js';
import { firstPart } from './ggufParts.js';
import type { Lanes } from './lanes.js';
import { createLanes, sharedLlama } from './llamaContexts.js';
import { LlamaEvaluator, type LlamaPool, summedByLlama, summedInDouble } from './llamaEvaluator.js';
import type { LoadOptions, LogprobsCall } from './llamaMessages.js';
import { LlamaVocabulary } from './llamaVocabulary.js';
import { loadFailure } from './loadFailure.js';
import { type Decoding, Rounds } from './rounds.js';
import { GrowingSequence } from './sequence.js';
import type { PrefixCounts } from './sequencePool.js';
import { Slots } from './slots.js';

export class LoadedModel {
  readonly contextSize: number;
  readonly vocabulary: LlamaVocabulary;
  readonly #model: LlamaModel;
  readonly #lanes: Lanes<LlamaPool>;
  readonly #open = new Set<GrowingSequence>();
  readonly #places: Slots;

  constructor(
    model: LlamaModel,
    lanes: Lanes<LlamaPool>,
    { contextSize, inFlight }: Pick<LoadOptions, 'contextSize' | 'inFlight'>,
  ) {
    this.contextSize = contextSize;
    this.#places = new Slots(inFlight);
    this.vocabulary = new LlamaVocabulary(model);
    this.#model = model;
    this.#lanes = lanes;
  }

  /** Throws `invalid_file`, `adapter_mismatch`, `out_of_memory`, `backend_unavailable`, `interrupted`. */
  static async load(options: LoadOptions, signal: AbortSignal): Promise<LoadedModel> {
    const llama = await sharedLlama(options.gpu);
    let model: LlamaModel | undefined;
    try {
      throwIfAborted(signal);
      model = await llama.loadModel({ modelPath: path.resolve(firstPart(options.modelPath)), loadSignal: signal });
      const lanes = await createLanes(model, { ...options, signal }, options.contextSize, options.bytes);
      return new LoadedModel(model, lanes, options);
    } catch (error) {
      await model?.dispose();
      throwIfAborted(signal);
      throw loadFailure(error, options, model !== undefined);
    }
  }

  get prefixes(): PrefixCounts {
    const each = this.#lanes.all.map(({ context }) => context.counts);
    return {
      reused: each.reduce((sum, { reused }) => sum + reused, 0),
      evaluated: each.reduce((sum, { evaluated }) => sum + evaluated, 0),
      again: each.reduce((sum, { again }) => sum + again, 0),
    };
  }

  get decoding(): Decoding {
    return Rounds.decoding(this.#lanes.all.map(({ rounds }) => rounds));
  }

  /** Waits while as many are open as may be in flight. */
  async open(signal: AbortSignal): Promise<WeighingSequence> {
    await this.#places.take(signal);
    const sequence: GrowingSequence = new GrowingSequence(
      new LlamaEvaluator(this.#lanes),
      {
        contextSize: this.contextSize,
        detokenize: (tokens) => this.vocabulary.detokenize(tokens),
        isEnd: (token) => this.#model.isEogToken(token as Token),
      },
      () => {
        this.#open.delete(sequence);
        this.#places.give();
      },
    );
    this.#open.add(sequence);
    return sequence;
  }

  async logprobs({ tokens, mask, quick }: LogprobsCall, signal: AbortSignal): Promise<Float64Array> {
    const lane = await this.#lanes.take(signal);
    const held = await lane.context.empty();
    let whole = false;
    try {
      const out = new Float64Array(tokens.length);
      let start = 0;
      for (let at = 0; at + 1 < tokens.length; at++) {
        if (mask?.[at + 1] === 0) continue;
        throwIfAborted(signal);
        const pending = tokens.slice(start, at + 1);
        const nextLogprob = quick ? summedByLlama : summedInDouble;
        out[at + 1] = await lane.rounds.run(() => nextLogprob(held.native, pending, tokens[at + 1]!));
        start = at + 1;
      }
      whole = true;
      return out;
    } catch (error) {
      throw toSparkError(error, 'inference_failed');
    } finally {
      await lane.context.give(held, whole);
      this.#lanes.give(lane);
    }
  }

  /** Ends what is under way with `disposed`, and gives the memory back. */
  async dispose(): Promise<void> {
    const gone = disposedError();
    this.#places.close(gone);
    this.#lanes.close(gone);
    for (const sequence of this.#open) sequence.dispose();
    for (const { context } of this.#lanes.all) context.close(gone);
    await this.#lanes.idle();
    for (const { context } of this.#lanes.all) await context.dispose();
    await this.#model.dispose();
  }
}

export function disposedError(): SparkError {
  return new SparkError('disposed', 'this generator was disposed; open the model again');
}
