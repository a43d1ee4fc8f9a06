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
import { loadFailure } from './loadFailure.js';
import { GrowingSequence } from './sequence.js';
import type { PrefixCounts } from './sequencePool.js';

export class LoadedModel {
  readonly contextSize: number;
  readonly #model: LlamaModel;
  readonly #lanes: Lanes<LlamaPool>;
  readonly #open = new Set<GrowingSequence>();

  constructor(model: LlamaModel, lanes: Lanes<LlamaPool>, contextSize: number) {
    this.contextSize = contextSize;
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
      return new LoadedModel(model, lanes, options.contextSize);
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
    };
  }

  /** Waits for a free place. */
  async open(signal: AbortSignal): Promise<WeighingSequence> {
    const lane = await this.#lanes.take(signal);
    const sequence: GrowingSequence = new GrowingSequence(
      new LlamaEvaluator(lane.context, lane.rounds),
      {
        contextSize: this.contextSize,
        // `true` as in llamaVocabulary.ts: stop texts are looked for in what the host will read.
        detokenize: (tokens) => this.#model.detokenize(tokens as Token[], true),
        isEnd: (token) => this.#model.isEogToken(token as Token),
      },
      () => {
        this.#open.delete(sequence);
        this.#lanes.give(lane);
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
