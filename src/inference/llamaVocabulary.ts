/**
 * A model's vocabulary in this process: tokenising is not waited for, so it cannot be asked of another process. Loaded
 * without weights and contexts; those who have the same file open share it.
 */
import path from 'node:path';
import type { LlamaModel, Token } from 'node-llama-cpp';
import '../openmp.js';
import { SparkError, throwIfAborted } from '../errors.js';
import type { PromptTokenizer } from './generator.js';
import { checkModelFile } from './ggufCheck.js';
import { firstPart, modelSha256 } from './ggufParts.js';
import { library, sharedLlama } from './llamaContexts.js';
import { loadFailure } from './loadFailure.js';
import { probeOnce } from './probe.js';

type Info = ReturnType<typeof checkModelFile>;

interface Shared {
  readonly model: Promise<LlamaModel>;
  users: number;
}

const shared = new Map<string, Shared>();

/** A model's vocabulary alone, without its weights; `contextSize` is what it was trained for. The text of a token is that of the generator's `detokenize`. */
export async function openTokenizer(modelPath: string, signal?: AbortSignal): Promise<PromptTokenizer> {
  throwIfAborted(signal);
  return openVocabulary(modelPath, checkModelFile(modelPath), signal);
}

/** As `openTokenizer`, with what `checkModelFile` said of the file. */
export async function openVocabulary(modelPath: string, info: Info, signal?: AbortSignal): Promise<PromptTokenizer> {
  const sha256 = await probe(modelPath, info.bytes, signal);
  // The path too: what a message says of a file is said of the one that was asked for.
  const key = `${path.resolve(modelPath)}\0${sha256}`;
  const entry = shared.get(key) ?? { model: load(modelPath), users: 0 };
  shared.set(key, entry);
  entry.users += 1;
  const release = async (): Promise<void> => {
    entry.users -= 1;
    if (entry.users > 0) return;
    if (shared.get(key) === entry) shared.delete(key);
    await (await entry.model).dispose();
  };
  try {
    const model = await entry.model;
    return new Vocabulary(model, info, release);
  } catch (error) {
    // Whoever asks again tries again.
    shared.delete(key);
    throw error;
  }
}

async function load(modelPath: string): Promise<LlamaModel> {
  const llama = await sharedLlama(false);
  try {
    return await llama.loadModel({ modelPath: path.resolve(firstPart(modelPath)), vocabOnly: true });
  } catch (error) {
    throw loadFailure(error, { modelPath }, false);
  }
}

/** llama.cpp's assertions would end this process, so a file that is new here is opened by another first. */
async function probe(modelPath: string, bytes: number, signal: AbortSignal | undefined): Promise<string> {
  const { getModuleVersion } = await library();
  const [sha256, version] = await Promise.all([modelSha256(modelPath, signal), getModuleVersion()]);
  await probeOnce({ modelPath: firstPart(modelPath), sha256, library: version, bytes, signal });
  return sha256;
}

class Vocabulary implements PromptTokenizer {
  readonly contextSize: number;
  readonly chatTemplate: string | null;
  readonly bosText: string;
  readonly eosText: string;
  readonly wantsInstructions: boolean;
  readonly #model: LlamaModel;
  readonly #release: () => Promise<void>;
  #disposing: Promise<void> | null = null;

  constructor(model: LlamaModel, info: Info, release: () => Promise<void>) {
    const { tokens } = model;
    this.contextSize = info.trainContextSize ?? 4096;
    this.chatTemplate = info.chatTemplate;
    this.wantsInstructions = info.wantsInstructions;
    this.bosText = tokens.shouldPrependBosToken ? (tokens.bosString ?? '') : '';
    this.eosText = tokens.eosString ?? '';
    this.#model = model;
    this.#release = release;
  }

  tokenize(text: string, special: boolean): number[] {
    this.#checkUsable();
    // The text is a piece of a longer one, so the space that some tokenizers put before every text is trimmed.
    return this.#model.tokenize(text, special, 'trimLeadingSpace') as number[];
  }

  detokenize(tokens: readonly number[]): string {
    this.#checkUsable();
    // `true` keeps control tokens: in a tokenizer made for the step format its tags are such tokens.
    return this.#model.detokenize(tokens as Token[], true);
  }

  dispose(): Promise<void> {
    this.#disposing ??= this.#release();
    return this.#disposing;
  }

  #checkUsable(): void {
    if (this.#disposing === null) return;
    throw new SparkError('disposed', 'this tokenizer was disposed; open the model again');
  }
}
