/**
 * The generator over llama.cpp: a GGUF model with or without a LoRA adapter. llama.cpp runs in a process of its own
 * (llamaChild.ts), so that what it does to a damaged file it does there. Nothing is downloaded or built at run time:
 * node-llama-cpp's prebuilt binaries come as npm packages.
 */
import { SparkError, throwIfAborted } from '../errors.js';
import { checkKeys, type KeysOf, requireKeys } from '../options.js';
import { checkAdapterFile } from './adapterCheck.js';
import { fileSha256 } from './fileHash.js';
import type { WeighingGenerator, WeighingSequence } from './generator.js';
import { checkModelFile } from './ggufCheck.js';
import { modelSha256 } from './ggufParts.js';
import { contextsFor } from './llamaContexts.js';
import type { LoadOptions } from './llamaMessages.js';
import { LLAMA_CPP_OPTIONS, type LlamaCppOptions } from './llamaOptions.js';
import { OpenSequences } from './openSequences.js';
import { RemoteModel } from './remoteModel.js';
import { RemoteSequence } from './remoteSequence.js';
import { openTokenizer, RemoteVocabulary } from './remoteVocabulary.js';
import type { Decoding } from './rounds.js';
import type { PrefixCounts } from './sequencePool.js';

export { type LlamaCppOptions, openTokenizer };

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
  readonly decoding: Decoding;
  /** For `await using` */
  [Symbol.asyncDispose](): Promise<void>;
}

/** The `Generator.id` of a model and adapter, from the hashes of their files, without loading them. */
export async function generatorHash(modelPath: string, adapterPath?: string, signal?: AbortSignal): Promise<string> {
  const model = `sha256:${await modelSha256(modelPath, signal)}`;
  return adapterPath === undefined ? model : `${model}+lora:${await fileSha256(adapterPath, signal)}`;
}

/**
 * Throws `io_error`, `invalid_file`, `unsupported_file`, `adapter_mismatch`, `out_of_memory`, `backend_unavailable` or
 * `interrupted`; what is opened throws `inference_ended` when the process of llama.cpp ends.
 */
export async function openLlamaCpp(options: LlamaCppOptions): Promise<LlamaCppGenerator> {
  requireKeys(options, LLAMA_CPP_OPTIONS, 'openLlamaCpp: options');
  if (typeof options.modelPath !== 'string') {
    throw new SparkError(
      'invalid_argument',
      `openLlamaCpp: options.modelPath: expected the path of a GGUF file, got ${options.modelPath}`,
    );
  }
  const { modelPath, adapterPath, signal } = options;
  const { load, info } = checkFiles(options);
  const contexts = contextsFor(options, info.bytes).shares.length;
  // Loading and hashing take long where the other waits for memory or a disk.
  const [id, opened] = await Promise.allSettled([
    generatorHash(modelPath, adapterPath, signal),
    RemoteModel.load(load, contexts, signal),
  ]);
  if (opened.status === 'rejected') throw opened.reason;
  const model = opened.value;
  if (id.status === 'fulfilled') {
    return new LlamaCpp(id.value, model, new RemoteVocabulary(model, info, () => model.unload()), load);
  }
  await model.unload();
  throw id.reason;
}

/** What is wrong with the files is said here, in words that tell more than llama.cpp's. */
function checkFiles(options: LlamaCppOptions): { load: LoadOptions; info: ReturnType<typeof checkModelFile> } {
  const { modelPath, adapterPath, signal } = options;
  throwIfAborted(signal);
  const info = checkModelFile(modelPath);
  if (adapterPath !== undefined) checkAdapterFile(adapterPath, info);
  const { sequences = 1, deterministic = false } = options;
  const load: LoadOptions = {
    modelPath,
    ...(adapterPath === undefined ? {} : { adapterPath }),
    sequences,
    inFlight: checkInFlight(options.inFlight ?? sequences, sequences, deterministic),
    deterministic,
    contextSize: options.contextSize ?? Math.min(4096, info.trainContextSize ?? 4096),
    threads: options.threads ?? 0,
    gpu: options.gpu ?? false,
    kvCacheType: options.kvCacheType ?? 'F16',
    bytes: info.bytes,
  };
  return { load, info };
}

/** Throws `invalid_argument` for more or fewer open sequences than there can be. */
function checkInFlight(inFlight: number, sequences: number, deterministic: boolean): number {
  if (!(Number.isInteger(inFlight) && inFlight >= sequences)) {
    throw new SparkError(
      'invalid_argument',
      `openLlamaCpp: expected inFlight to be at least sequences (${sequences}), got ${inFlight}; raise it, or leave it out`,
    );
  }
  if (!deterministic || inFlight === sequences) return inFlight;
  throw new SparkError(
    'invalid_argument',
    `openLlamaCpp: with deterministic expected inFlight to be sequences (${sequences}), got ${inFlight}: a sequence that lost ` +
      'its place would be evaluated in other batches; raise sequences, or leave inFlight out',
  );
}

/** Tokens of which the log-probs are asked, and of which of them; as in `LlamaCppGenerator.logprobs`. */
export interface Scored {
  readonly tokens: readonly number[]; // (n)
  readonly mask: Uint8Array; // (n)
}

/**
 * (n) log-probs of each of several token sequences, one after another: as a generator's `logprobs`, from whichever process
 * has this file open or none, as it decodes nothing for which the threads of its pool would matter.
 */
export async function scoreTokens(
  options: Omit<LlamaCppOptions, 'sequences'>,
  sequences: readonly Scored[],
  quick: boolean,
): Promise<Float64Array[]> {
  const { load } = checkFiles(options);
  const model = await RemoteModel.load(load, null, options.signal);
  try {
    const rows: Float64Array[] = [];
    for (const { tokens, mask } of sequences) {
      const call = { op: 'logprobs', tokens: [...tokens], mask, quick } as const;
      rows.push(await model.call<'logprobs'>(call, options.signal));
    }
    return rows;
  } finally {
    await model.unload();
  }
}

class LlamaCpp implements LlamaCppGenerator {
  readonly id: string;
  readonly contextSize: number;
  readonly sequences: number;
  readonly chatTemplate: string | null;
  readonly bosText: string;
  readonly eosText: string;
  readonly wantsInstructions: boolean;
  readonly #model: RemoteModel;
  readonly #vocabulary: RemoteVocabulary;
  readonly #open = new OpenSequences<RemoteSequence>('open the model again');

  constructor(id: string, model: RemoteModel, vocabulary: RemoteVocabulary, { contextSize, inFlight }: LoadOptions) {
    this.id = id;
    this.contextSize = contextSize;
    this.sequences = inFlight;
    this.chatTemplate = vocabulary.chatTemplate;
    this.wantsInstructions = vocabulary.wantsInstructions;
    this.bosText = vocabulary.bosText;
    this.eosText = vocabulary.eosText;
    this.#model = model;
    this.#vocabulary = vocabulary;
  }

  get prefixes(): PrefixCounts {
    return this.#model.prefixes;
  }

  get decoding(): Decoding {
    return this.#model.decoding;
  }

  tokenize(text: string, special: boolean): number[] {
    this.#open.check();
    return this.#vocabulary.tokenize(text, special);
  }

  detokenize(tokens: readonly number[]): string {
    this.#open.check();
    return this.#vocabulary.detokenize(tokens);
  }

  async open(signal?: AbortSignal): Promise<WeighingSequence> {
    this.#open.check();
    const name = await this.#model.open(signal);
    try {
      return this.#open.add((onDispose) => new RemoteSequence(this.#model, name, this.contextSize, onDispose));
    } catch (error) {
      // It was disposed meanwhile.
      this.#model.close(name);
      throw error;
    }
  }

  async logprobs(tokens: readonly number[], signal?: AbortSignal, options: LogprobOptions = {}): Promise<Float64Array> {
    checkKeys(options, LOGPROB_OPTIONS, 'generator.logprobs: options');
    this.#open.check();
    if (tokens.length > this.contextSize) {
      throw new SparkError(
        'context_overflow',
        `expected at most ${this.contextSize} tokens, got ${tokens.length}; open the model with a larger contextSize`,
      );
    }
    const { mask, quick = false } = options;
    const call = { op: 'logprobs', tokens: [...tokens], ...(mask === undefined ? {} : { mask }), quick } as const;
    return this.#model.call<'logprobs'>(call, signal);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  dispose(): Promise<void> {
    return this.#open.end(() => this.#vocabulary.dispose()); // and the model with it
  }
}
