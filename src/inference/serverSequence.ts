/**
 * A sequence that a server continues. Each generation is one request with all tokens so far, of which servers keep the
 * start (prefix caches); a choice is one request at each fork of the options' trie.
 */

import { SparkError } from '../errors.js';
import { mixSeeds } from '../random.js';
import { checkGenerate, checkSampling, checkTokens } from './checkCall.js';
import type { Generated, GenerateOptions, GeneratorSequence, PromptTokenizer } from './generator.js';
import { disposedSequence, OneCall } from './oneCall.js';
import { checkRoom } from './sequence.js';
import { cutAtStop, type ServedVocabulary } from './servedText.js';
import type { Answered, Asked, Dialect } from './serverDialects.js';
import { buildTrie } from './tokenTrie.js';

/** What a sequence has to know of its server and vocabulary. */
export interface ServedBy {
  readonly dialect: Dialect;
  readonly vocabulary: ServedVocabulary;
  readonly tokenizer: Pick<PromptTokenizer, 'tokenize' | 'bosText'>;
  readonly contextSize: number;
  /** For messages: `"NAME" of the server at URL`. */
  readonly name: string;
}

type Sampling = Omit<GenerateOptions, 'stop' | 'maxTokens'>;

export class ServerSequence implements GeneratorSequence {
  readonly #by: ServedBy;
  readonly #onDisposed: () => void;
  readonly #tokens: number[] = [];
  readonly #calls = new OneCall();

  constructor(by: ServedBy, onDisposed: () => void) {
    this.#by = by;
    this.#onDisposed = onDisposed;
  }

  get tokens(): readonly number[] {
    return this.#tokens;
  }

  append(tokens: readonly number[]): void {
    this.#calls.check();
    checkTokens(tokens);
    checkRoom(this.#tokens.length + tokens.length, this.#by.contextSize);
    for (const token of tokens) this.#tokens.push(token);
  }

  generate(options: GenerateOptions): Promise<Generated> {
    checkGenerate(options);
    return this.#calls.run(this.#tokens, async () => {
      const { stop, maxTokens, signal } = options;
      if (maxTokens <= 0) return { tokens: [], text: '', finish: 'length' };
      checkRoom(this.#tokens.length + 1, this.#by.contextSize);
      const room = this.#by.contextSize - this.#tokens.length;
      const limit = Math.min(maxTokens, room);
      const answer = await this.#ask({ ...this.#sampling(options), stop, maxTokens: limit }, signal);
      const written = answer.tokens === null ? this.#tokenised(answer, stop) : this.#checked(answer, limit, stop);
      for (const token of written.tokens) this.#tokens.push(token);
      // As where the model is here: the token after the last that has room is missed.
      if (written.finish === 'length' && limit < maxTokens) checkRoom(this.#tokens.length + 1, this.#by.contextSize);
      return written;
    });
  }

  choose(options: readonly (readonly number[])[], sampling: Sampling): Promise<number> {
    checkSampling(sampling);
    return this.#calls.run(this.#tokens, async () => {
      let node = buildTrie(options);
      checkRoom(this.#tokens.length + Math.max(...options.map((option) => option.length)), this.#by.contextSize);
      while (node.option === null) {
        const candidates = [...node.children.keys()];
        const token = candidates.length === 1 ? candidates[0]! : await this.#pick(candidates, sampling);
        this.#tokens.push(token);
        node = node.children.get(token)!;
      }
      return node.option;
    });
  }

  dispose(): void {
    if (this.#calls.dispose()) this.#onDisposed();
  }

  #sampling({ temperature, seed }: Sampling): Pick<Asked, 'temperature' | 'seed'> {
    return { temperature, seed: mixSeeds(seed, this.#tokens.length) };
  }

  async #ask(asked: Omit<Asked, 'prompt'>, signal: AbortSignal | undefined): Promise<Answered> {
    const answer = await this.#by.dialect.ask({ ...asked, prompt: [...this.#tokens] }, signal);
    if (this.#calls.disposed) throw disposedSequence();
    return answer;
  }

  async #pick(candidates: readonly number[], sampling: Sampling): Promise<number> {
    const asked = { ...this.#sampling(sampling), stop: [], maxTokens: 1, allowed: candidates };
    const { tokens, text } = await this.#ask(asked, sampling.signal);
    const { vocabulary, name } = this.#by;
    if (tokens !== null) {
      const [token] = tokens;
      if (token !== undefined && candidates.includes(token)) return token;
      const problem = vocabulary.problem(tokens);
      if (problem !== null) throw mismatch(name, `ids of this vocabulary (${problem})`);
      const got = token === undefined ? 'none' : JSON.stringify(vocabulary.textOf([token]));
      throw notAChoice(name, texts(candidates, vocabulary), got);
    }
    const meant = candidates.filter((token) => vocabulary.textOf([token]) === text);
    if (meant.length === 1) return meant[0]!;
    throw notAChoice(name, texts(candidates, vocabulary), JSON.stringify(text));
  }

  /** The text of a server without ids, in tokens of ours. It does not say whether a stop or an end of turn came. */
  #tokenised({ text, finish }: Answered, stops: readonly string[]): Generated {
    const stop = finish === 'stopped' ? stops.find((one) => one !== '') : undefined;
    const tokens = this.#by.tokenizer.tokenize(text, false);
    if (stop !== undefined) tokens.push(...this.#by.tokenizer.tokenize(stop, true));
    checkRoom(this.#tokens.length + tokens.length, this.#by.contextSize);
    return { tokens, text, finish: finish === 'length' ? 'length' : stop === undefined ? 'end' : 'stop' };
  }

  #checked({ tokens: given, text: said, finish }: Answered, limit: number, stops: readonly string[]): Generated {
    const { vocabulary, name, contextSize } = this.#by;
    const drawn = [...given!];
    const problem = vocabulary.problem(drawn);
    if (problem !== null) throw mismatch(name, `ids of this vocabulary (${problem})`);
    if (!vocabulary.agrees(said, drawn, stops)) {
      throw mismatch(name, `the text ${quoted(vocabulary.textOf(drawn))} of its token ids, got ${quoted(said)}`);
    }
    const cut = cutAtStop(drawn, stops, vocabulary.textOf);
    if (cut !== null) return { tokens: drawn.slice(0, cut.count), text: cut.text, finish: 'stop' };
    if (finish === 'end') {
      const last = drawn.pop();
      if (last === undefined || !vocabulary.isEnd(last)) {
        const got = last === undefined ? 'no token' : quoted(vocabulary.textOf([last]));
        throw mismatch(name, `an end of turn as the last token, got ${got}`);
      }
      return { tokens: drawn, text: vocabulary.textOf(drawn), finish };
    }
    if (finish === 'full' || (finish === 'length' && drawn.length < limit)) {
      throw new SparkError(
        'context_overflow',
        `${name}: its context was full after ${this.#tokens.length + drawn.length} tokens, expected room for ${contextSize}; ` +
          'lower inference.contextSize, or start it with a longer one',
      );
    }
    if (finish !== 'length' || drawn.length > limit) {
      throw mismatch(name, `at most ${limit} tokens and one of the stops, got ${drawn.length} tokens and "${finish}"`);
    }
    return { tokens: drawn, text: vocabulary.textOf(drawn), finish };
  }
}

function texts(tokens: readonly number[], vocabulary: ServedVocabulary): string {
  return tokens.map((token) => JSON.stringify(vocabulary.textOf([token]))).join(', ');
}

function quoted(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 79)}…` : text);
}

function notAChoice(name: string, candidates: string, got: string): SparkError {
  return new SparkError(
    'server_refused',
    `${name} does not keep a choice to the tokens that are allowed: expected one of ${candidates}, got ${got}. Rollouts need ` +
      'allowed_token_ids (vLLM) or logit_bias (llama-server, and servers that honour it as OpenAI does)',
  );
}

function mismatch(name: string, what: string): SparkError {
  return new SparkError(
    'server_mismatch',
    `${name}: expected ${what}. It has another tokenizer than model.path: serve the model of which that GGUF file was made`,
  );
}
