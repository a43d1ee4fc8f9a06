/** A model that is loaded in another process: its calls, and what its end means. */
import path from 'node:path';
import { SparkError, throwIfAborted } from '../errors.js';
import type { Call, Ending, Failure, FromChild, LoadOptions, Results, VocabularyFacts } from './llamaMessages.js';
import { LlamaProcess } from './llamaProcess.js';
import type { Decoding } from './rounds.js';
import type { PrefixCounts } from './sequencePool.js';

type Named = { readonly id: number } & Call;
type Unnamed<C extends Call> = Omit<C, 'model'>;
type CallOf<Op extends Call['op']> = Op extends unknown ? Unnamed<Extract<Call, { readonly op: Op }>> : never;

/** How long a call that loads may go on after it was aborted. */
const ABORTED_MS = 2000;

export class RemoteModel {
  /** As the last answer said. */
  prefixes: PrefixCounts = { reused: 0, evaluated: 0, again: 0 };
  decoding: Decoding = { busyMs: 0, spanMs: 0 };
  readonly #process: LlamaProcess;
  readonly #name: number;
  readonly #file: string;
  /** Null while it loads. */
  #facts: VocabularyFacts | null = null;
  /** Why the process was ended while it loaded. */
  #gaveUp: string | null = null;

  private constructor(process: LlamaProcess, file: string) {
    this.#process = process;
    this.#name = process.newName();
    this.#file = file;
  }

  /** `contexts`: how many decode at the same time, as `LlamaProcess.take` has it. Throws as `call` does. */
  static async load(options: LoadOptions, contexts: number | null, signal?: AbortSignal): Promise<RemoteModel> {
    throwIfAborted(signal);
    const file = path.resolve(options.modelPath);
    const model = new RemoteModel(await LlamaProcess.take(file, contexts), file);
    await model.#load({ op: 'load', options }, options.bytes, signal);
    return model;
  }

  /** The vocabulary alone; `bytes`: the size of the model's files. */
  static async loadVocabulary(modelPath: string, bytes: number): Promise<RemoteModel> {
    const file = path.resolve(modelPath);
    const model = new RemoteModel(await LlamaProcess.take(file, null), file);
    await model.#load({ op: 'loadVocabulary', modelPath }, bytes, undefined);
    return model;
  }

  /** A damaged file may keep llama.cpp loading for ever: then the process is ended. */
  async #load(call: CallOf<'load' | 'loadVocabulary'>, bytes: number, signal: AbortSignal | undefined): Promise<void> {
    const giveUp = (how: string): void => {
      this.#gaveUp = how;
      this.#process.kill();
    };
    // Loading maps the file and reads all weights once; a disk gives 20 MB/s or more.
    const patience = 120_000 + bytes / 20_000;
    const late = setTimeout(() => giveUp(`no answer in ${Math.round(patience / 1000)} seconds`), patience);
    let aborted: NodeJS.Timeout | undefined;
    const abort = (): void => {
      aborted = setTimeout(() => giveUp('interrupted'), ABORTED_MS);
    };
    signal?.addEventListener('abort', abort, { once: true });
    try {
      this.#facts = await this.call<'load' | 'loadVocabulary'>(call, signal);
    } catch (error) {
      this.#process.give(this.#file);
      throwIfAborted(signal);
      throw error;
    } finally {
      clearTimeout(late);
      clearTimeout(aborted);
      signal?.removeEventListener('abort', abort);
    }
  }

  get facts(): VocabularyFacts {
    if (this.#facts === null) throw new SparkError('internal', 'expected a model that is loaded, got one that loads');
    return this.#facts;
  }

  /** With its process: no call will be answered. */
  get ended(): boolean {
    return this.#process.ending !== null;
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
      const answer = await this.#ask({ id, model: this.#name, ...call } as Named);
      const { result, failure, written } = answer;
      this.prefixes = answer.prefixes;
      this.decoding = answer.decoding;
      onWritten?.(written);
      if (failure !== undefined) throw failed(failure);
      return result as Results[Op];
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  /** The answer itself: this thread stands still for it. Throws as `call` does. */
  callAndWait<Op extends 'tokenize' | 'detokenize'>(call: CallOf<Op>): Results[Op] {
    const message = { id: this.#process.newName(), model: this.#name, ...call } as Named;
    try {
      const { result, failure } = this.#process.askAndWait(message);
      if (failure !== undefined) throw failed(failure);
      return result as Results[Op];
    } catch (error) {
      throw this.#named(error, message.op);
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
      throw this.#named(error, message.op);
    }
  }

  /** An Ending, or what was thrown because a message cannot be sent, as an error with a code. */
  #named(error: unknown, op: string): SparkError {
    if (error instanceof SparkError) return error;
    if (!(error instanceof Error)) return this.#ended(error as Ending);
    return new SparkError('invalid_argument', `${op}: expected plain values, got some that ${error.message}`, {
      cause: error,
    });
  }

  #ended({ how, stderr }: Ending): SparkError {
    const file = this.#file;
    if (this.#facts !== null) {
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
    if (how === 'SIGKILL' && this.#gaveUp === null) {
      return new SparkError(
        'out_of_memory',
        `the system ended the process that loaded ${file}, which may need more memory than there is; free memory, lower ` +
          'inference.sequences or inference.contextSize, or use a smaller model',
      );
    }
    return new SparkError(
      'invalid_file',
      `expected a GGUF model that llama.cpp can load, but ${file} ended the process that loaded it ` +
        `(${this.#gaveUp ?? `${how}: ${lastWords(stderr)}`}); the file may be damaged or newer than this llama.cpp: ` +
        'download it again, or update node-llama-cpp',
    );
  }
}

function failed({ code, message, cause }: Failure): SparkError {
  return new SparkError(code, message, cause === null ? {} : { cause });
}

/** The line of stderr about a failed assertion or an uncaught exception; else the last line. */
function lastWords(stderr: string): string {
  const lines = stderr.split('\n').filter((line) => line.trim() !== '');
  return (lines.find((line) => /assert|abort|what\(\)|fatal/i.test(line)) ?? lines.at(-1) ?? 'no words').trim();
}
