/** A model's vocabulary as llama.cpp has it, with or without the weights: in the process of llamaChild.ts. */
import path from 'node:path';
import type { LlamaModel, Token } from 'node-llama-cpp';
import '../openmp.js';
import { firstPart } from './ggufParts.js';
import { sharedLlama } from './llamaContexts.js';
import type { VocabularyFacts } from './llamaMessages.js';
import { loadFailure } from './loadFailure.js';

/**
 * All ASCII characters, and characters of two, three and four bytes: llama.cpp ends the process when a vocabulary has no
 * token for one of them.
 */
const TEXT = `${Array.from({ length: 128 }, (_, code) => String.fromCharCode(code)).join('')}ü ½ € 文 😀`;

export class LlamaVocabulary {
  readonly facts: VocabularyFacts;
  readonly #model: LlamaModel;

  constructor(model: LlamaModel) {
    this.#model = model;
    const { shouldPrependBosToken, bosString, eosString } = model.tokens;
    this.facts = { bosText: shouldPrependBosToken ? (bosString ?? '') : '', eosText: eosString ?? '' };
    this.detokenize(this.tokenize(TEXT, false)); // now, while a vocabulary that cannot is a file that does not load
  }

  /** Without weights. Throws `invalid_file`, `out_of_memory`, `backend_unavailable`. */
  static async load(modelPath: string): Promise<LlamaVocabulary> {
    const llama = await sharedLlama(false);
    try {
      return new LlamaVocabulary(
        await llama.loadModel({ modelPath: path.resolve(firstPart(modelPath)), vocabOnly: true }),
      );
    } catch (error) {
      throw loadFailure(error, { modelPath }, false);
    }
  }

  tokenize(text: string, special: boolean): number[] {
    // The text is a piece of a longer one, so the space that some tokenizers put before every text is trimmed.
    return this.#model.tokenize(text, special, 'trimLeadingSpace') as number[];
  }

  detokenize(tokens: readonly number[]): string {
    // `true` keeps control tokens: in a tokenizer made for the step format its tags are such tokens.
    return this.#model.detokenize(tokens as Token[], true);
  }

  dispose(): Promise<void> {
    return this.#model.dispose();
  }
}
