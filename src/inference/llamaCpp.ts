/**
 * The generator over llama.cpp: a GGUF model with or without a LoRA adapter. Nothing is downloaded or built at run
 * time: node-llama-cpp's prebuilt binaries come as npm packages.
 */
import path from 'node:path';
import type { LlamaModel, Token } from 'node-llama-cpp';
import '../openmp.js';
import { SparkError, throwIfAborted, toSparkError } from '../errors.js';
import { checkKeys, type KeysOf } from '../options.js';
import { checkAdapterFile } from './adapterCheck.js';
import { fileSha256 } from './fileHash.js';
import type { PromptTokenizer, WeighingGenerator, WeighingSequence } from './generator.js';
import { checkModelFile } from './ggufCheck.js';
import { firstPart, modelSha256 } from './ggufParts.js';
import type { Lanes } from './lanes.js';
import { createLanes, LLAMA_CPP_OPTIONS, type LlamaCppOptions, library, sharedLlama } from './llamaContexts.js';
import { LlamaEvaluator, type LlamaPool, summedByLlama, summedInDouble } from './llamaEvaluator.js';
import { loadFailure } from './loadFailure.js';
import { probeOnce } from './probe.js';
import { GrowingSequence } from './sequence.js';
import type { PrefixCounts } from './sequencePool.js';

export type { LlamaCppOptions };

export interface LogprobOptions {
  /**
   * (N) 0: no log-prob of this token is computed (its entry is 0), and it is evaluated in one batch with its
   * neighbours.
   */
  readonly mask?: Uint8Array;
  /**
   * Let llama.cpp sum over the vocabulary, in fp32: 2e-4 nats off for 128,256 logits, and an eighth of the time (5 ms a
   * token instead of 43). Default: all logits are copied to JavaScript and summed in double precision.
   */
  readonly quick?: boolean;
}

const LOGPROB_OPTIONS = { mask: true, quick: true } as const satisfies KeysOf<LogprobOptions>;

export interface LlamaCppGenerator extends WeighingGenerator {
  /**
   * (N) natural-log probability of tokens[i] given the tokens before it; entry 0 is 0, as no token comes before the
   * first. Tokens are evaluated one by one, as in sampling.
   */
  logprobs(tokens: readonly number[], signal?: AbortSignal, options?: LogprobOptions): Promise<Float64Array>;
  /** Prompt tokens so far: how many were evaluated, and how many were there from an earlier prompt. */
  readonly prefixes: PrefixCounts;
  /** For `await using` */
  [Symbol.asyncDispose](): Promise<void>;
}

/** The `Generator.id` of a model and adapter, from the hashes of their files, without loading them. */
export async function generatorHash(modelPath: string, adapterPath?: string, signal?: AbortSignal): Promise<string> {
  const model = `sha256:${await modelSha256(modelPath, signal)}`;
  return adapterPath === undefined ? model : `${model}+lora:${await fileSha256(adapterPath, signal)}`;
}

export async function openLlamaCpp(options: LlamaCppOptions): Promise<LlamaCppGenerator> {
  checkKeys(options, LLAMA_CPP_OPTIONS, 'openLlamaCpp: options');
  const { signal } = options;
  throwIfAborted(signal);
  // Checked before llama.cpp sees the files: a broken one could end the process there.
  const info = checkModelFile(options.modelPath);
  if (options.adapterPath !== undefined) checkAdapterFile(options.adapterPath, info);
  const id = await generatorHash(options.modelPath, options.adapterPath, signal);
  // In parallel, because the first time each takes half a second or more.
  const [llama] = await Promise.all([sharedLlama(options.gpu ?? false), probe(options, info.bytes)]);
  const contextSize = options.contextSize ?? Math.min(4096, info.trainContextSize ?? 4096);
  let model: LlamaModel | undefined;
  try {
    model = await llama.loadModel({
      modelPath: path.resolve(firstPart(options.modelPath)),
      ...(signal === undefined ? {} : { loadSignal: signal }),
    });
    const lanes = await createLanes(model, options, contextSize, info.bytes);
    return new LlamaCpp(id, model, lanes, contextSize, options.sequences ?? 1, info);
  } catch (error) {
    await model?.dispose();
    throwIfAborted(signal);
    throw loadFailure(error, options, model !== undefined);
  }
}

/** A model's vocabulary alone, without its weights; `contextSize` is what it was trained for. The text of a token is that of the generator's `detokenize`. */
export async function openTokenizer(modelPath: string, signal?: AbortSignal): Promise<PromptTokenizer> {
  throwIfAborted(signal);
  const options = { modelPath, signal };
  const info = checkModelFile(modelPath);
  const [llama] = await Promise.all([sharedLlama(false), probe(options, info.bytes)]);
  try {
    const model = await llama.loadModel({
      modelPath: path.resolve(firstPart(modelPath)),
      vocabOnly: true,
      ...(signal === undefined ? {} : { loadSignal: signal }),
    });
    return {
      contextSize: info.trainContextSize ?? 4096,
      ...promptParts(model, info),
      tokenize: (text, special) => tokenizeWith(model, text, special),
      detokenize: (tokens) => detokenizeWith(model, tokens),
      dispose: () => model.dispose(),
    };
  } catch (error) {
    throwIfAborted(signal);
    throw loadFailure(error, options, false);
  }
}

/** What the metadata says of prompts. */
interface PromptInfo {
  readonly chatTemplate: string | null;
  readonly wantsInstructions: boolean;
}

function promptParts({ tokens }: LlamaModel, { chatTemplate, wantsInstructions }: PromptInfo) {
  const bosText = tokens.shouldPrependBosToken ? (tokens.bosString ?? '') : '';
  return { chatTemplate, wantsInstructions, bosText, eosText: tokens.eosString ?? '' };
}

function tokenizeWith(model: LlamaModel, text: string, special: boolean): number[] {
  // The text is a piece of a longer one, so the space that some tokenizers put before every text is trimmed.
  return model.tokenize(text, special, 'trimLeadingSpace') as number[];
}

function detokenizeWith(model: LlamaModel, tokens: readonly number[]): string {
  // `true` keeps control tokens: in a tokenizer made for the step format its tags are such tokens.
  return model.detokenize(tokens as Token[], true);
}

async function probe({ modelPath, signal }: LlamaCppOptions, bytes: number): Promise<void> {
  const { getModuleVersion } = await library();
  const [sha256, version] = await Promise.all([modelSha256(modelPath, signal), getModuleVersion()]);
  return probeOnce({ modelPath: firstPart(modelPath), sha256, library: version, bytes, signal });
}

class LlamaCpp implements LlamaCppGenerator {
  readonly id: string;
  readonly contextSize: number;
  readonly sequences: number;
  readonly chatTemplate: string | null;
  readonly bosText: string;
  readonly eosText: string;
  readonly wantsInstructions: boolean;
  readonly #model: LlamaModel;
  readonly #lanes: Lanes<LlamaPool>;
  readonly #open = new Set<GrowingSequence>();
  #disposing: Promise<void> | null = null;

  constructor(
    id: string,
    model: LlamaModel,
    lanes: Lanes<LlamaPool>,
    contextSize: number,
    sequences: number,
    info: PromptInfo,
  ) {
    this.id = id;
    this.contextSize = contextSize;
    this.sequences = sequences;
    const { chatTemplate, wantsInstructions, bosText, eosText } = promptParts(model, info);
    this.chatTemplate = chatTemplate;
    this.wantsInstructions = wantsInstructions;
    this.bosText = bosText;
    this.eosText = eosText;
    this.#model = model;
    this.#lanes = lanes;
  }

  get prefixes(): PrefixCounts {
    const each = this.#lanes.all.map(({ context }) => context.counts);
    return {
      reused: each.reduce((sum, { reused }) => sum + reused, 0),
      evaluated: each.reduce((sum, { evaluated }) => sum + evaluated, 0),
    };
  }

  tokenize(text: string, special: boolean): number[] {
    this.#checkUsable();
    return tokenizeWith(this.#model, text, special);
  }

  detokenize(tokens: readonly number[]): string {
    this.#checkUsable();
    return detokenizeWith(this.#model, tokens);
  }

  async open(signal?: AbortSignal): Promise<WeighingSequence> {
    this.#checkUsable();
    const lane = await this.#lanes.take(signal);
    const sequence: GrowingSequence = new GrowingSequence(
      new LlamaEvaluator(lane.context, lane.rounds),
      {
        contextSize: this.contextSize,
        detokenize: (tokens) => this.detokenize(tokens),
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

  async logprobs(tokens: readonly number[], signal?: AbortSignal, options: LogprobOptions = {}): Promise<Float64Array> {
    checkKeys(options, LOGPROB_OPTIONS, 'generator.logprobs: options');
    const { mask, quick } = options;
    this.#checkUsable();
    if (tokens.length > this.contextSize) {
      throw new SparkError(
        'context_overflow',
        `expected at most ${this.contextSize} tokens, got ${tokens.length}; open the model with a larger contextSize`,
      );
    }
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
        const nextLogprob = quick === true ? summedByLlama : summedInDouble;
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

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  dispose(): Promise<void> {
    this.#disposing ??= this.#shutDown();
    return this.#disposing;
  }

  async #shutDown(): Promise<void> {
    this.#lanes.close(this.#disposedError());
    for (const sequence of this.#open) sequence.dispose();
    for (const { context } of this.#lanes.all) context.close(this.#disposedError());
    await this.#lanes.idle();
    for (const { context } of this.#lanes.all) await context.dispose();
    await this.#model.dispose();
  }

  #checkUsable(): void {
    if (this.#disposing !== null) throw this.#disposedError();
  }

  #disposedError(): SparkError {
    return new SparkError('disposed', 'this generator was disposed; open the model again');
  }
}
