/**
 * The generator over a server: vLLM, llama-server, or any other with OpenAI's /v1/completions. Prompts are made, and replies
 * read, with the vocabulary of the GGUF file that is trained on, so the server has to serve that model. It is tried once when
 * it is opened, before anything is paid for.
 */
import { SparkError, throwIfAborted } from '../errors.js';
import { type KeysOf, requireKeys } from '../options.js';
import { fileSha256 } from './fileHash.js';
import type { Generator, GeneratorSequence, PromptTokenizer } from './generator.js';
import { OpenSequences } from './openSequences.js';
import { openTokenizer } from './remoteVocabulary.js';
import { findServed, type Served } from './served.js';
import { ServedVocabulary } from './servedText.js';
import { ServerClient, type ServerClientOptions } from './serverClient.js';
import { type Dialect, llama, plain, vllm } from './serverDialects.js';
import { type ServedBy, ServerSequence } from './serverSequence.js';
import { Slots } from './slots.js';

export interface ServerOptions extends Omit<ServerClientOptions, 'timeoutMs' | 'maxRetries'> {
  /** GGUF file of the model that the server serves. Its weights are not loaded. */
  readonly modelPath: string;
  /** LoRA adapter, which the server has to serve under the same path; absent: the base model. */
  readonly adapterPath?: string | undefined;
  /** Sequences that are open, and so requests, at the same time. Default 16. */
  readonly sequences?: number;
  /** Default: what the model was trained for, at most 4096. */
  readonly contextSize?: number;
  /** Milliseconds for one HTTP request. Default 600,000. */
  readonly timeoutMs?: number;
  /** Retries of a request after a 408, 409, 429, 5xx or a broken connection. Default 4. */
  readonly maxRetries?: number;
  readonly signal?: AbortSignal;
}

const OPTIONS = {
  baseUrl: true,
  model: true,
  apiKey: true,
  env: true,
  modelPath: true,
  adapterPath: true,
  sequences: true,
  contextSize: true,
  timeoutMs: true,
  maxRetries: true,
  signal: true,
} as const satisfies KeysOf<ServerOptions>;

/**
 * Throws `invalid_config` (address, model, adapter, context), `server_unreachable`, `server_key_…`, `server_refused`,
 * `server_mismatch` (another tokenizer), `interrupted`, and as `openTokenizer` does.
 */
export async function openServer(options: ServerOptions): Promise<Generator & AsyncDisposable> {
  requireKeys(options, OPTIONS, 'openServer: options');
  const { modelPath, signal } = options;
  throwIfAborted(signal);
  const client = clientOf(options, options.model);
  const tokenizer = await openTokenizer(modelPath, signal);
  try {
    return await createServerGenerator(tokenizer, client, options);
  } catch (error) {
    await tokenizer.dispose();
    throw error;
  }
}

function clientOf({ baseUrl, apiKey, env, timeoutMs, maxRetries }: ServerOptions, model: string): ServerClient {
  const limits = { timeoutMs: timeoutMs ?? 600_000, maxRetries: maxRetries ?? 4 };
  const key = apiKey === undefined ? {} : { apiKey };
  return new ServerClient({ baseUrl, model, ...limits, ...key, ...(env === undefined ? {} : { env }) });
}

/** As `openServer`, with a vocabulary that is open, of which the generator disposes. */
export async function createServerGenerator(
  tokenizer: PromptTokenizer,
  client: ServerClient,
  options: ServerOptions,
): Promise<Generator & AsyncDisposable> {
  const { adapterPath = null, sequences = 16, signal } = options;
  const contextSize = options.contextSize ?? Math.min(4096, tokenizer.contextSize);
  const served = await findServed(client, adapterPath, signal);
  checkContext(served, contextSize, client);
  const vocabulary = new ServedVocabulary(tokenizer);
  const asked = served.model === client.model ? client : clientOf(options, served.model);
  const name = `"${served.model}" of the server at ${client.address}`;
  const make = (dialect: Dialect): ServedBy => ({ dialect, vocabulary, tokenizer, contextSize, name });
  const by = served.isLlama
    ? await tried(make(llama(asked, vocabulary, served.scales)), signal)
    : await triedWithIds(make, asked, signal);
  const adapter = adapterPath === null ? '' : `+lora:${await fileSha256(adapterPath, signal)}`;
  return new ServerGenerator(`server:${client.model}@${client.address}${adapter}`, by, tokenizer, sequences);
}

function checkContext({ contextSize }: Served, wanted: number, { address }: ServerClient): void {
  if (contextSize === null || contextSize >= wanted) return;
  throw new SparkError(
    'invalid_config',
    `inference.contextSize: expected at most the ${contextSize} tokens of a sequence at ${address}, got ${wanted}; lower it ` +
      '(--set inference.contextSize=…), or start the server with more (--max-model-len, -c)',
  );
}

/** Control tokens, letters of two and more bytes, digits: what tokenizers differ in. */
const TRIAL = 'Question: Is 1234.5 = 1 234,5 in Zürich (naïve, 文)?\n\tAnswer:';

/** Lets it write two tokens and choose one, which shows whether it can, and whose tokenizer it has. */
async function tried(by: ServedBy, signal: AbortSignal | undefined): Promise<ServedBy> {
  const sequence = new ServerSequence(by, () => {});
  const { tokenizer } = by;
  sequence.append(tokenizer.tokenize(`${tokenizer.bosText}${TRIAL}`, true));
  const sampling = { temperature: 0, seed: 1, ...(signal === undefined ? {} : { signal }) };
  const choices = ['A', 'B'].map((text) => tokenizer.tokenize(text, false));
  await sequence.choose(choices, sampling);
  await sequence.generate({ stop: [], maxTokens: 2, ...sampling });
  return by;
}

/** vLLM where ids come with the text, else any server. */
async function triedWithIds(
  make: (dialect: Dialect) => ServedBy,
  client: ServerClient,
  signal: AbortSignal | undefined,
): Promise<ServedBy> {
  try {
    return await tried(make(vllm(client)), signal);
  } catch (error) {
    // No ids in the reply, or a server that refuses fields it does not know.
    if (!(error instanceof SparkError) || error.code !== 'server_refused') throw error;
    return tried(make(plain(client)), signal);
  }
}

class ServerGenerator implements Generator {
  readonly id: string;
  readonly sequences: number;
  readonly contextSize: number;
  readonly chatTemplate: string | null;
  readonly bosText: string;
  readonly eosText: string;
  readonly wantsInstructions: boolean;
  readonly tokenised?: 'later';
  readonly #by: ServedBy;
  readonly #tokenizer: PromptTokenizer;
  readonly #slots: Slots;
  readonly #open = new OpenSequences<ServerSequence>('open the server again');

  constructor(id: string, by: ServedBy, tokenizer: PromptTokenizer, sequences: number) {
    this.id = id;
    this.sequences = sequences;
    this.contextSize = by.contextSize;
    this.chatTemplate = tokenizer.chatTemplate;
    this.bosText = tokenizer.bosText;
    this.eosText = tokenizer.eosText;
    this.wantsInstructions = tokenizer.wantsInstructions;
    if (by.dialect.kind === 'plain') this.tokenised = 'later';
    this.#by = by;
    this.#tokenizer = tokenizer;
    this.#slots = new Slots(sequences);
  }

  tokenize(text: string, special: boolean): number[] {
    this.#open.check();
    return this.#tokenizer.tokenize(text, special);
  }

  detokenize(tokens: readonly number[]): string {
    this.#open.check();
    return this.#tokenizer.detokenize(tokens);
  }

  async open(signal?: AbortSignal): Promise<GeneratorSequence> {
    this.#open.check();
    await this.#slots.take(signal);
    return this.#open.add(
      (onDispose) =>
        new ServerSequence(this.#by, () => {
          onDispose();
          this.#slots.give();
        }),
    );
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  dispose(): Promise<void> {
    return this.#open.end(() => {
      this.#slots.close(this.#open.disposed());
      return this.#tokenizer.dispose();
    });
  }
}
