/** A model that is loaded in another process: its calls, and what its end means. */
import path from 'node:path';
import { SparkError, throwIfAborted } from '../errors.js';
import type { Call, FromChild, LoadOptions, Results } from './llamaMessages.js';
import { type Ending, LlamaProcess } from './llamaProcess.js';
import { lastWords } from './probe.js';
import type { PrefixCounts } from './sequencePool.js';

type Named = { readonly id: number } & Call;
type Unnamed<C extends Call> = Omit<C, 'model'>;
type CallOf<Op extends Call['op']> = Unnamed<Extract<Call, { readonly op: Op }>>;

export class RemoteModel {
  /** As the last answer said. */
  prefixes: PrefixCounts = { reused: 0, evaluated: 0 };
  readonly #process: LlamaProcess;
  readonly #name: number;
  readonly #file: string;
  #loaded = false;

  private constructor(process: LlamaProcess, file: string) {
    this.#process = process;
    this.#name = process.newName();
    this.#file = file;
  }

  /** `contexts`: how many decode at the same time. Throws as `call` does. */
  static async load(options: LoadOptions, contexts: number, signal: AbortSignal | undefined): Promise<RemoteModel> {
    throwIfAborted(signal);
    const file = path.resolve(options.modelPath);
    const model = new RemoteModel(await LlamaProcess.take(file, contexts), file);
    try {
      await model.call<'load'>({ op: 'load', options }, signal);
    } catch (error) {
      model.#process.give(file);
      throw error;
    }
    model.#loaded = true;
    return model;
  }

  /** Of the process that it is loaded in. */
  get pid(): number | undefined {
    return this.#process.pid;
  }

  /**
   * Throws what the call throws there, and `inference_ended` when the process ends (while loading `invalid_file` or
   * `out_of_memory`). `onWritten` gets the tokens that the call wrote, also when it fails.
   */
  async call<Op extends Call['op']>(
    call: CallOf<Op>,
    signal?: AbortSignal,
    onWritten?: (tokens: readonly number[]) => void,
  ): Promise<Results[Op]> {
    throwIfAborted(signal);
    const id = this.#process.newName();
    const abort = (): void => this.#process.tell({ op: 'abort', id });
    signal?.addEventListener('abort', abort, { once: true });
    try {
      const { result, failure, written, prefixes } = await this.#ask({ id, model: this.#name, ...call } as Named);
      this.prefixes = prefixes;
      onWritten?.(written);
      if (failure === undefined) return result as Results[Op];
      const { code, message, cause } = failure;
      throw new SparkError(code, message, cause === null ? {} : { cause });
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  /** Waits for a free place, and names the sequence. */
  async open(signal?: AbortSignal): Promise<number> {
    const sequence = this.#process.newName();
    await this.call<'open'>({ op: 'open', sequence }, signal);
    return sequence;
  }

  close(sequence: number): void {
    this.#process.tell({ op: 'close', sequence });
  }

  /** Ends what is under way with `disposed`, and gives the memory back. */
  async unload(): Promise<void> {
    try {
      await this.call<'unload'>({ op: 'unload' });
    } catch {
      // With the process its memory is gone, too.
      this.#process.kill();
    } finally {
      this.#process.give(this.#file);
    }
  }

  async #ask(message: Named): Promise<FromChild> {
    try {
      return await this.#process.ask(message);
    } catch (error) {
      if (!(error instanceof Error)) throw this.#ended(error as Ending);
      throw new SparkError('invalid_argument', `${message.op}: expected plain values, got some that ${error.message}`, {
        cause: error,
      });
    }
  }

  #ended({ how, stderr }: Ending): SparkError {
    const file = this.#file;
    if (this.#loaded) {
      const memory = how === 'SIGKILL' ? ', as a system does that is short of memory' : '';
      return new SparkError(
        'inference_ended',
        `the process in which llama.cpp ran ${file} ended (${how}${memory}: ${lastWords(stderr)}); what is finished is ` +
          'kept: run the same command again, with fewer inference.sequences or a smaller inference.contextSize if memory ' +
          'is short',
      );
    }
    if (this.#process.pid === undefined) {
      return new SparkError('inference_ended', `cannot start a process for llama.cpp: ${how}; end other processes`);
    }
    if (how === 'SIGKILL') {
      return new SparkError(
        'out_of_memory',
        `the system ended the process that loaded ${file}, which may need more memory than there is; free memory, lower ` +
          'inference.sequences or inference.contextSize, or use a smaller model',
      );
    }
    return new SparkError(
      'invalid_file',
      `expected a GGUF model that llama.cpp can load, but ${file} ended the process that loaded it (${how}: ` +
        `${lastWords(stderr)}); the file may be damaged or newer than this llama.cpp: download it again, or update ` +
        'node-llama-cpp',
    );
  }
}
