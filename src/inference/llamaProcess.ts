/**
 * This process's end of llamaChild.ts: a process in which llama.cpp runs, asked call by call. It does not keep this
 * process alive unless a call is under way, and ends with it, killed or not. One that served its model is kept a few
 * seconds for the next, because loading the library takes half a second.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import '../openmp.js';
import { SparkError, throwIfAborted } from '../errors.js';
import { withoutSecrets } from '../secrets/sources.js';
import type { Call, FromChild, Results, ToChild } from './llamaMessages.js';
import { lastWords } from './probe.js';
import type { PrefixCounts } from './sequencePool.js';

type CallOf<Op extends Call['op']> = Extract<Call, { readonly op: Op }>;

interface Pending {
  answer(message: FromChild): void;
  end(error: SparkError): void;
}

/** How long a process without a model waits for the next. */
const IDLE_MS = 5000;

/** Without a model; last used last. */
const idle: LlamaProcess[] = [];

export class LlamaProcess {
  prefixes: PrefixCounts = { reused: 0, evaluated: 0 };
  readonly #child: ChildProcess;
  /** Threads of its pool */
  readonly #pool: number;
  readonly #pending = new Map<number, Pending>();
  #ids = 0;
  #stderr = '';
  #ended: string | null = null;
  #modelPath = '';
  #loaded = false;
  #idleTimer: NodeJS.Timeout | null = null;

  private constructor(child: ChildProcess, pool: number) {
    this.#child = child;
    this.#pool = pool;
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-4000);
    });
    child.on('message', (message: FromChild) => this.#receive(message));
    child.on('error', (error) => this.#end(error.message));
    // `close`, not `exit`: only then has all its stderr arrived.
    child.on('close', (code, signal) => this.#end(signal ?? `exit code ${code}`));
    this.#keepAlive(false);
  }

  /** For as many contexts as decode at the same time. A process that waits for a model, or a new one. */
  static async take(contexts: number): Promise<LlamaProcess> {
    const at = idle.findLastIndex((one) => one.#pool === contexts);
    const kept = at < 0 ? undefined : idle.splice(at, 1)[0]!;
    if (kept === undefined) return new LlamaProcess(start(await entry(), contexts), contexts);
    clearTimeout(kept.#idleTimer!);
    kept.prefixes = { reused: 0, evaluated: 0 };
    return kept;
  }

  /** Process id; undefined when it could not be started. */
  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Why the process is gone, as an error; null while it lives. */
  get failure(): SparkError | null {
    return this.#ended === null ? null : this.#failure(this.#ended);
  }

  async load(options: CallOf<'load'>['options'], signal: AbortSignal | undefined): Promise<void> {
    this.#modelPath = options.modelPath;
    this.#stderr = '';
    await this.call({ op: 'load', options }, signal);
    this.#loaded = true;
  }

  /**
   * Throws what the child says, and `inference_ended` (while loading `invalid_file` or `out_of_memory`) when its process
   * ends. `written` gets the tokens that the call wrote, also when it fails.
   */
  async call<Op extends Call['op']>(
    call: CallOf<Op>,
    signal?: AbortSignal,
    written?: (tokens: readonly number[]) => void,
  ): Promise<Results[Op]> {
    throwIfAborted(signal);
    if (this.#ended !== null) throw this.#failure(this.#ended);
    this.#ids += 1;
    const id = this.#ids;
    const abort = (): void => this.#send({ op: 'abort', id });
    const replied = new Promise<FromChild>((answer, end) => {
      this.#pending.set(id, { answer, end });
    });
    if (this.#pending.size === 1) this.#keepAlive(true);
    signal?.addEventListener('abort', abort, { once: true });
    try {
      this.#send({ id, ...(call as Call) });
      const { result, failure, ...rest } = await replied;
      this.prefixes = rest.prefixes;
      written?.(rest.written);
      if (failure === undefined) return result as Results[Op];
      const { code, message, cause } = failure;
      throw new SparkError(code, message, cause === null ? {} : { cause });
    } finally {
      signal?.removeEventListener('abort', abort);
      this.#settled(id); // what cannot be sent is never answered
    }
  }

  /** A name for a sequence, which no other of this process has had. */
  newName(): number {
    this.#ids += 1;
    return this.#ids;
  }

  close(sequence: number): void {
    this.#send({ op: 'close', sequence });
  }

  /** Unloads the model, and keeps the process for the next one. */
  async release(): Promise<void> {
    if (this.#ended !== null) return;
    try {
      await this.call({ op: 'unload' });
    } catch {
      this.kill();
      return;
    }
    this.#loaded = false;
    idle.push(this);
    this.#idleTimer = setTimeout(() => this.kill(), IDLE_MS).unref();
  }

  kill(): void {
    this.#leaveIdle();
    this.#child.kill('SIGKILL');
  }

  #leaveIdle(): void {
    const at = idle.indexOf(this);
    if (at >= 0) idle.splice(at, 1);
  }

  #send(message: ToChild): void {
    if (this.#ended !== null || !this.#child.connected) return;
    // A message that does not arrive means that the process has ended, which `close` reports.
    this.#child.send(message, () => undefined);
  }

  #receive(message: FromChild): void {
    const pending = this.#pending.get(message.id);
    if (pending === undefined) return;
    this.#settled(message.id);
    pending.answer(message);
  }

  #settled(id: number): void {
    if (this.#pending.delete(id) && this.#pending.size === 0) this.#keepAlive(false);
  }

  #end(how: string): void {
    if (this.#ended !== null) return;
    this.#ended = how;
    this.#leaveIdle();
    for (const pending of this.#pending.values()) pending.end(this.#failure(how));
    this.#pending.clear();
    this.#keepAlive(false);
  }

  #failure(how: string): SparkError {
    const model = this.#modelPath;
    if (this.#loaded) {
      const memory = how === 'SIGKILL' ? ', as a system does that is short of memory' : '';
      return new SparkError(
        'inference_ended',
        `the process in which llama.cpp ran ${model} ended (${how}${memory}: ${lastWords(this.#stderr)}); what is ` +
          'finished is kept: run the same command again, with fewer inference.sequences or a smaller ' +
          'inference.contextSize if memory is short',
      );
    }
    if (this.#child.pid === undefined) {
      return new SparkError('inference_failed', `cannot start a process for llama.cpp: ${how}; end other processes`);
    }
    if (how === 'SIGKILL') {
      return new SparkError(
        'out_of_memory',
        `the system ended the process that loaded ${model}, which may need more memory than there is; free memory, lower ` +
          'inference.sequences or inference.contextSize, or use a smaller model',
      );
    }
    return new SparkError(
      'invalid_file',
      `expected a GGUF model that llama.cpp can load, but ${model} ended the process that loaded it (${how}: ` +
        `${lastWords(this.#stderr)}); the file may be damaged or newer than this llama.cpp: download it again, or update ` +
        'node-llama-cpp',
    );
  }

  /** Whether this process waits for the child before it ends. */
  #keepAlive(yes: boolean): void {
    const { channel, stderr } = this.#child;
    for (const handle of [this.#child, channel, stderr]) {
      const { ref, unref } = (handle ?? {}) as { ref?(): void; unref?(): void };
      (yes ? ref : unref)?.call(handle);
    }
  }
}

function start(file: string, pool: number): ChildProcess {
  return fork(file, {
    // Its own session: Ctrl-C must reach only this process, which then says what is to be aborted.
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    serialization: 'advanced',
    execArgv: [],
    env: {
      ...withoutSecrets(process.env),
      // llama.cpp's calls run on libuv's pool. Where they change threads they change cores, and then they are slow: one
      // thread made decoding twice as fast as four (SmolLM2, two cores).
      UV_THREADPOOL_SIZE: String(pool),
      // Otherwise ggml starts a debugger on an abort, for a backtrace that nobody reads.
      GGML_NO_BACKTRACE: '1',
    },
  });
}

let found: Promise<string> | undefined;

function entry(): Promise<string> {
  found ??= findEntry();
  return found;
}

/** Beside this file in a built package; else compiled from the sources. */
async function findEntry(): Promise<string> {
  const here = path.dirname(fileURLToPath(import.meta.url));
  const built = path.join(here, 'llamaChild.js');
  if (existsSync(built)) return built;
  const { compileSources } = await import('../compileSources.js');
  const root = path.dirname(here);
  const folder = await compileSources({ name: 'llama', root, files: [], folders: ['.', 'secrets', 'inference'] });
  return path.join(folder, 'inference', 'llamaChild.js');
}
