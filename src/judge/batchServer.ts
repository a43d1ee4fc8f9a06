/** The files and batches of a server with OpenAI's Batch API, each call with errors that say what to do. */
import { z } from 'zod';
import { abortable, pause, signalOf } from '../abortable.js';
import { SparkError, toSparkError } from '../errors.js';
import { APIError, type ChatClient, createChatClient } from '../inference/openai.js';
import { redact } from '../secrets/redact.js';
import type { Environment } from '../secrets/sources.js';
import type { OpenBatch } from './batchLedger.js';
import type { Endpoint } from './endpoint.js';
import { judgeFailure } from './failure.js';

/** Longest wait for a file, which may have 200 MB. */
const FILE_TIMEOUT_MS = 15 * 60_000;
/** In a batch's metadata: by this it is found again when the reply that named it was lost. */
const MARK = 'spark_rl';
/** Batches looked through for one of ours, newest first. */
const MOST_LISTED = 1000;

const count = z.number().int().min(0);
const batchSchema = z.object({
  id: z.string().min(1),
  status: z.string(),
  output_file_id: z.string().nullish(),
  error_file_id: z.string().nullish(),
  request_counts: z.object({ total: count, completed: count, failed: count }).nullish().catch(null),
  errors: z
    .object({ data: z.array(z.object({ code: z.string().nullish(), message: z.string().nullish() })).nullish() })
    .nullish()
    .catch(null),
  metadata: z.record(z.string(), z.unknown()).nullish().catch(null),
});
export type Batch = z.infer<typeof batchSchema>;

/** States in which nothing of a batch changes any more. */
const ENDED: ReadonlySet<string> = new Set(['completed', 'failed', 'expired', 'cancelled']);

export function hasEnded({ status }: Batch): boolean {
  return ENDED.has(status);
}

export interface BatchServerSettings {
  readonly endpoint: Endpoint;
  readonly env: Environment;
  readonly model: string;
  readonly timeoutMs: number;
  readonly maxRetries: number;
}

export class BatchServer {
  readonly #settings: BatchServerSettings;

  constructor(settings: BatchServerSettings) {
    this.#settings = settings;
  }

  /** Uploads the lines of a batch; returns the file's id. */
  async upload(lines: readonly string[], name: string, signal?: AbortSignal): Promise<string> {
    const file = await this.#ask(FILE_TIMEOUT_MS, signal, 'upload', (client, options) =>
      client.files.create(
        { file: new File([lines.join('')], name, { type: 'application/jsonl' }), purpose: 'batch' },
        options,
      ),
    );
    return this.#parse(z.object({ id: z.string().min(1) }), file).id;
  }

  /**
   * Makes a batch, never two: when the server's reply is lost, the batch may have been made all the same, so it is looked
   * for by its mark, which the caller has stored, before it is asked for again.
   */
  async create(fileId: string, mark: string, signal?: AbortSignal): Promise<Batch> {
    for (let attempt = 0; ; attempt++) {
      try {
        const body = {
          input_file_id: fileId,
          endpoint: '/v1/chat/completions' as const,
          completion_window: '24h' as const,
          metadata: { [MARK]: mark },
        };
        const batch = await this.#ask(this.#settings.timeoutMs, signal, 'make', (client, options) =>
          client.batches.create(body, { ...options, maxRetries: 0 }),
        );
        return this.#parse(batchSchema, batch);
      } catch (error) {
        const lost = error instanceof SparkError && ['judge_unreachable', 'judge_unparsable'].includes(error.code);
        if (!lost) throw error;
        const made = await this.find(mark, signal);
        if (made !== null) return made;
        if (attempt >= this.#settings.maxRetries) throw error;
        await pause(Math.min(30_000, 250 * 2 ** attempt), signal);
      }
    }
  }

  /** The batch with the mark; null when there is none. */
  async find(mark: string, signal?: AbortSignal): Promise<Batch | null> {
    return this.#ask(this.#settings.timeoutMs, signal, 'list', async (client, options) => {
      let seen = 0;
      for await (const listed of client.batches.list({ limit: 100 }, options)) {
        const batch = batchSchema.safeParse(listed);
        if (batch.success && batch.data.metadata?.[MARK] === mark) return batch.data;
        if (++seen >= MOST_LISTED) break;
      }
      return null;
    });
  }

  /** The id of a batch of the ledger, looked for where the process ended before it knew it; null: it was not made. */
  async idOf({ batchId, fileId, mark }: OpenBatch, signal?: AbortSignal): Promise<string | null> {
    if (batchId !== null) return batchId;
    // Before the file's id is known, no batch of it can have been made.
    return fileId === null ? null : ((await this.find(mark, signal))?.id ?? null);
  }

  async get(id: string, signal?: AbortSignal): Promise<Batch> {
    const batch = await this.#ask(this.#settings.timeoutMs, signal, id, (client, options) =>
      client.batches.retrieve(id, options),
    );
    return this.#parse(batchSchema, batch);
  }

  async cancel(id: string, signal?: AbortSignal): Promise<Batch> {
    const batch = await this.#ask(this.#settings.timeoutMs, signal, id, (client, options) =>
      client.batches.cancel(id, options),
    );
    return this.#parse(batchSchema, batch);
  }

  /** The lines of a result file. */
  async lines(fileId: string, signal?: AbortSignal): Promise<string[]> {
    const text = await this.#ask(FILE_TIMEOUT_MS, signal, fileId, async (client, options) => {
      const response = await client.files.content(fileId, options);
      return response.text();
    });
    return text.split('\n').filter((line) => line.trim() !== '');
  }

  /** Deletes files that are not needed any more. One that cannot be deleted stays: that is no reason to end anything. */
  async forget(fileIds: readonly string[], signal?: AbortSignal): Promise<void> {
    for (const id of fileIds) {
      try {
        await this.#ask(this.#settings.timeoutMs, signal, id, (client, options) =>
          client.files.delete(id, { ...options, maxRetries: 0 }),
        );
      } catch (error) {
        if (toSparkError(error).code === 'interrupted') throw error;
      }
    }
  }

  /** `what`: an id that the server gave, or what is asked of it. */
  async #ask<T>(
    timeoutMs: number,
    signal: AbortSignal | undefined,
    what: string,
    call: (client: ChatClient, options: { readonly signal?: AbortSignal }) => Promise<T>,
  ): Promise<T> {
    const { endpoint, env, maxRetries } = this.#settings;
    let attempts = 0;
    const client = createChatClient({
      ...{ baseUrl: endpoint.baseUrl, apiKey: endpoint.apiKey, timeoutMs, maxRetries, env, bodiesAreFiles: true },
      beforeAttempt: async () => void attempts++,
    });
    try {
      return await abortable(call(client, signalOf({ signal })), signal);
    } catch (error) {
      const { status } = error instanceof APIError ? error : { status: undefined };
      if (status === 404 || status === 405 || status === 501) throw this.#missing(error as APIError, what);
      throw judgeFailure(error, { ...this.#settings, timeoutMs, attempts });
    }
  }

  #missing(error: APIError, what: string): SparkError {
    const { baseUrl } = this.#settings.endpoint;
    const said = redact(error.message);
    if (!['upload', 'make', 'list'].includes(what)) {
      return new SparkError(
        'judge_batch_failed',
        `the server at ${baseUrl} does not know ${what} any more (${said}): was it made with the key of another project, or more ` +
          'than 30 days ago? Use that key again, or see what can be done about the batch at the server',
        { cause: error },
      );
    }
    return new SparkError(
      'judge_batch_unsupported',
      `the server at ${baseUrl} has no Batch API (${said}): expected OpenAI's /files and /batches; leave out batch: true of ` +
        'this judge, and it is asked directly',
      { cause: error },
    );
  }

  #parse<T>(schema: z.ZodType<T>, reply: unknown): T {
    const parsed = schema.safeParse(reply);
    if (parsed.success) return parsed.data;
    throw new SparkError(
      'judge_unparsable',
      `the server at ${this.#settings.endpoint.baseUrl} answered with something that is no file or batch: ` +
        'expected OpenAI’s Batch API; see judge.baseUrl (most end in /v1)',
      { cause: parsed.error },
    );
  }
}
