/**
 * A completions server on 127.0.0.1 in the shapes of vLLM (0.10.2 and later), of llama-server, and of one that knows OpenAI's
 * fields alone. What it writes says a script, one character a token. llamaServer.test.ts has the real llama-server.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SparkError } from '../../../src/errors.js';
import type { PromptTokenizer } from '../../../src/inference/generator.js';
import { END, type Script } from './scripted.js';

export type Kind = 'vllm' | 'llama' | 'plain';

/** One character a token; `tags` are control tokens, from 1 on, and so is the end of turn. */
export interface ServersVocabulary extends Pick<PromptTokenizer, 'tokenize' | 'detokenize'> {
  /** Without control tokens but those in `kept`. */
  plainText(tokens: readonly number[], kept?: readonly string[]): string;
}

export class CharacterVocabulary implements PromptTokenizer, ServersVocabulary {
  readonly contextSize = 100_000;
  readonly chatTemplate = null;
  readonly bosText = '';
  readonly eosText = '';
  readonly wantsInstructions = false;
  readonly tags: readonly string[];
  disposed = false;

  constructor(tags: readonly string[] = []) {
    this.tags = ['\0', ...tags];
  }

  tokenize(text: string, special: boolean): number[] {
    const tokens: number[] = [];
    for (let at = 0; at < text.length; ) {
      const tag = special ? this.tags.findIndex((one) => text.startsWith(one, at)) : -1;
      const code = text.codePointAt(at)!;
      // Never a control token where none is meant.
      tokens.push(tag >= 0 ? tag : code < this.tags.length ? 0xfffd : code);
      at += tag >= 0 ? this.tags[tag]!.length : String.fromCodePoint(code).length;
    }
    return tokens;
  }

  detokenize(tokens: readonly number[]): string {
    const foreign = tokens.find((token) => token > 0x10ffff);
    if (foreign !== undefined) throw new SparkError('invalid_argument', `no token ${foreign}`);
    return tokens.map((token) => this.tags[token] ?? String.fromCodePoint(token)).join('');
  }

  plainText(tokens: readonly number[], kept: readonly string[] = []): string {
    return this.detokenize(
      tokens.filter((token) => kept.includes(this.tags[token] ?? '') || token >= this.tags.length),
    );
  }

  async dispose(): Promise<void> {
    this.disposed = true;
  }
}

/** What goes wrong with one completion; the request after it is answered again. */
export type Fault =
  | { readonly status: number; readonly error: Record<string, unknown>; readonly headers?: Record<string, string> }
  | 'reset'
  | 'hang'
  | 'echoKey'
  /** The reply, changed. */
  | ((reply: Record<string, unknown>) => unknown);

export interface ServerScript {
  readonly kind: Kind;
  readonly script: Script;
  readonly vocabulary?: ServersVocabulary;
  readonly contextSize?: number;
  /** Paths of the adapters that it serves. */
  readonly adapters?: readonly string[];
}

interface Body {
  readonly prompt: number[];
  readonly model?: string;
  readonly max_tokens?: number;
  readonly n_predict?: number;
  readonly stop?: string[];
  readonly temperature: number;
  readonly seed: number;
  readonly allowed_token_ids?: number[];
  readonly logit_bias?: Record<string, number> | [number, number][];
  readonly preserved_tokens?: string[];
}

export interface CompletionServer {
  readonly baseUrl: string;
  readonly bodies: (Body & Record<string, unknown>)[];
  readonly keys: (string | undefined)[];
  readonly mostInFlight: () => number;
  /** The next `count` requests are answered when all of them have come. */
  gather(count: number): void;
  fail(...faults: Fault[]): void;
  close(): Promise<void>;
}

interface Written {
  readonly tokens: number[];
  readonly finish: 'stop' | 'end' | 'length';
  readonly stop: string | null;
}

export async function startCompletionServer(options: ServerScript): Promise<CompletionServer> {
  const { vocabulary = new CharacterVocabulary() } = options;
  const faults: Fault[] = [];
  const bodies: CompletionServer['bodies'] = [];
  const keys: CompletionServer['keys'] = [];
  let inFlight = 0;
  let most = 0;
  let gathered = 0;
  const waiting: (() => void)[] = [];
  const complete = (request: IncomingMessage, response: ServerResponse, body: Body & Record<string, unknown>) => {
    bodies.push(body);
    keys.push(request.headers.authorization);
    const fault = faults.shift();
    if (fault === 'hang') return;
    if (fault === 'reset') return request.socket.resetAndDestroy();
    if (fault === 'echoKey') return send(response, 401, { error: { message: `bad ${request.headers.authorization}` } });
    if (typeof fault === 'object') return send(response, fault.status, { error: fault.error }, fault.headers);
    const reply = REPLIES[options.kind](body, write(options, vocabulary, body), vocabulary);
    send(response, 200, fault === undefined ? reply : fault(reply));
  };
  const server = createServer((request, response) => {
    let text = '';
    request.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    request.on('end', () => {
      const page = request.method === 'GET' ? pageAt(request.url!, options) : null;
      if (page !== null) return send(response, 200, page);
      const path = options.kind === 'llama' ? '/completion' : '/v1/completions';
      if (request.method !== 'POST' || request.url !== path)
        return send(response, 404, { error: { message: 'nothing' } });
      inFlight += 1;
      most = Math.max(most, inFlight);
      response.once('close', () => {
        inFlight -= 1;
      });
      const answer = () => complete(request, response, JSON.parse(text) as Body & Record<string, unknown>);
      if (gathered === 0) return answer();
      waiting.push(answer);
      if (waiting.length === gathered) {
        gathered = 0;
        for (const held of waiting.splice(0)) held();
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    ...{ bodies, keys, mostInFlight: () => most },
    gather: (count) => {
      gathered = count;
    },
    fail: (...given) => void faults.push(...given),
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function pageAt(url: string, { kind, adapters = [], contextSize = 100_000 }: ServerScript): unknown {
  if (url === '/v1/models') {
    const base = { id: 'm', object: 'model', ...(kind === 'vllm' ? { root: '/m', max_model_len: contextSize } : {}) };
    const loras = adapters.map((root, at) => ({ id: `lora-${at}`, object: 'model', root, parent: 'm' }));
    return { object: 'list', data: [base, ...(kind === 'vllm' ? loras : [])] };
  }
  if (kind !== 'llama') return null;
  if (url === '/props') return { default_generation_settings: { n_ctx: contextSize }, total_slots: 4 };
  if (url === '/lora-adapters') return adapters.map((path, id) => ({ id, path, scale: 1 }));
  return null;
}

/** The script's text, character by character, as far as the request lets it. */
function write({ kind, script }: ServerScript, vocabulary: ServersVocabulary, body: Body): Written {
  const { prompt, stop = [], logit_bias = [] } = body;
  const most = kind === 'llama' ? body.n_predict! : body.max_tokens!;
  const biased = Array.isArray(logit_bias) ? logit_bias.map(([token]) => token) : Object.keys(logit_bias).map(Number);
  const allowed = body.allowed_token_ids ?? biased;
  const tokens: number[] = [];
  while (tokens.length < most) {
    const text = script(vocabulary.detokenize([...prompt, ...tokens]));
    const liked = text === null ? END : vocabulary.tokenize(text, true)[0]!;
    const token = allowed.length === 0 || allowed.includes(liked) ? liked : allowed[0]!;
    tokens.push(token);
    if (token === END) return { tokens, finish: 'end', stop: null };
    const said = kind === 'vllm' ? vocabulary.detokenize(tokens) : vocabulary.plainText(tokens, body.preserved_tokens);
    const found = stop.find((one) => said.includes(one));
    if (found !== undefined) return { tokens, finish: 'stop', stop: found };
  }
  return { tokens, finish: 'length', stop: null };
}

function before(text: string, stop: string | null): string {
  return stop === null ? text : text.slice(0, text.indexOf(stop));
}

const REPLIES: Record<Kind, (body: Body, written: Written, vocabulary: ServersVocabulary) => Record<string, unknown>> =
  {
    vllm: ({ model, prompt }, { tokens, finish, stop }, vocabulary) => ({
      ...{ id: 'cmpl-0', object: 'text_completion', created: 0, model },
      choices: [
        {
          ...{ index: 0, text: vocabulary.detokenize(tokens), logprobs: null },
          ...{ finish_reason: finish === 'length' ? 'length' : 'stop', stop_reason: stop, prompt_logprobs: null },
          ...{ token_ids: tokens, prompt_token_ids: prompt },
        },
      ],
      usage: { prompt_tokens: prompt.length, completion_tokens: tokens.length },
    }),
    llama: ({ prompt, preserved_tokens }, { tokens, finish, stop }, vocabulary) => ({
      ...{
        index: 0,
        content: before(vocabulary.plainText(tokens, preserved_tokens), stop),
        tokens,
        id_slot: 0,
        stop: true,
      },
      ...{ model: 'm', tokens_predicted: tokens.length, tokens_evaluated: prompt.length, generation_settings: {} },
      ...{ prompt: vocabulary.detokenize(prompt), has_new_line: false, truncated: false },
      ...{ stop_type: { stop: 'word', end: 'eos', length: 'limit' }[finish], stopping_word: stop ?? '', timings: {} },
    }),
    plain: ({ model, prompt }, { tokens, finish, stop }, vocabulary) => ({
      ...{ id: 'cmpl-0', object: 'text_completion', created: 0, model },
      choices: [
        {
          ...{ index: 0, text: before(vocabulary.plainText(tokens), stop), logprobs: null },
          finish_reason: finish === 'length' ? 'length' : 'stop',
        },
      ],
      usage: { prompt_tokens: prompt.length, completion_tokens: tokens.length },
    }),
  };

function send(response: ServerResponse, status: number, value: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value));
}
