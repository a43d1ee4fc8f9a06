/** The vocabulary of a model that is loaded in another process. Each call stands still until that process has answered. */
import path from 'node:path';
import { SparkError, throwIfAborted } from '../errors.js';
import type { PromptTokenizer } from './generator.js';
import { checkModelFile } from './ggufCheck.js';
import { modelSha256 } from './ggufParts.js';
import { RemoteModel } from './remoteModel.js';

type Info = ReturnType<typeof checkModelFile>;

/** Prompts are made of the same pieces again and again, and an answer from there takes half a millisecond. */
const REMEMBERED = { texts: 1000, characters: 500 };

export class RemoteVocabulary implements PromptTokenizer {
  /** What the model was trained for. */
  readonly contextSize: number;
  readonly chatTemplate: string | null;
  readonly bosText: string;
  readonly eosText: string;
  readonly wantsInstructions: boolean;
  readonly #model: RemoteModel;
  readonly #release: () => Promise<void>;
  readonly #size: number;
  readonly #known = new Map<string, readonly number[]>();
  #disposing: Promise<void> | null = null;

  /** `release` lets go of the model. */
  constructor(model: RemoteModel, info: Info, release: () => Promise<void>) {
    this.contextSize = info.trainContextSize ?? 4096;
    this.chatTemplate = info.chatTemplate;
    this.wantsInstructions = info.wantsInstructions;
    this.bosText = model.facts.bosText;
    this.eosText = model.facts.eosText;
    this.#size = info.vocabularySize;
    this.#model = model;
    this.#release = release;
  }

  tokenize(text: string, special: boolean): number[] {
    this.#checkUsable();
    const key = `${special}\0${text}`;
    const known = this.#known.get(key);
    if (known !== undefined) return [...known];
    const tokens = this.#model.callAndWait<'tokenize'>({ op: 'tokenize', text, special });
    if (text.length <= REMEMBERED.characters) {
      if (this.#known.size >= REMEMBERED.texts) this.#known.clear();
      this.#known.set(key, [...tokens]);
    }
    return tokens;
  }

  detokenize(tokens: readonly number[]): string {
    this.#checkUsable();
    // llama.cpp would end its process.
    const foreign = tokens.find((token) => !(token >= 0 && token < this.#size));
    if (foreign !== undefined) {
      throw new SparkError(
        'invalid_argument',
        `detokenize: expected token ids of 0 to ${this.#size - 1}, got ${foreign}; they are of another model's vocabulary`,
      );
    }
    return this.#model.callAndWait<'detokenize'>({ op: 'detokenize', tokens });
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

interface Shared {
  readonly loading: ReturnType<typeof RemoteModel.loadVocabulary>;
  users: number;
}

/** Those who have the same file open share it. */
const shared = new Map<string, Shared>();

/**
 * A model's vocabulary alone, without its weights; `contextSize` is what it was trained for. The text of a token is that of
 * the generator's `detokenize`. Throws as `openLlamaCpp` does.
 */
export async function openTokenizer(modelPath: string, signal?: AbortSignal): Promise<PromptTokenizer> {
  throwIfAborted(signal);
  const info = checkModelFile(modelPath);
  // The path too: what a message says of a file is said of the one that was asked for.
  const key = `${path.resolve(modelPath)}\0${await modelSha256(modelPath, signal)}`;
  const entry = shared.get(key) ?? { loading: RemoteModel.loadVocabulary(modelPath, info.bytes), users: 0 };
  shared.set(key, entry);
  entry.users += 1;
  const forget = (): void => {
    if (shared.get(key) === entry) shared.delete(key);
  };
  try {
    const model = await entry.loading;
    if (model.ended) {
      forget();
      return openTokenizer(modelPath, signal);
    }
    return new RemoteVocabulary(model, info, async () => {
      entry.users -= 1;
      if (entry.users > 0) return;
      forget();
      await model.unload();
    });
  } catch (error) {
    forget(); // whoever asks again tries again
    throw error;
  }
}
