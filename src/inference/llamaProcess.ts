/**
 * This process's end of llamaChild.ts: a process in which llama.cpp runs, asked call by call. It does not keep this
 * process alive unless a call is under way, and ends with it, killed or not. Loading the library takes it half a second,
 * so who opens the same file again shares it, and one without a model is kept a minute for the next.
 */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { MessageChannel, receiveMessageOnPort, Worker } from 'node:worker_threads';
import '../openmp.js';
import { withoutSecrets } from '../secrets/sources.js';
import type { Ending, FromChild, FromThread, ToChild } from './llamaMessages.js';
import type { ThreadData } from './llamaThread.js';

type Asked = Extract<ToChild, { readonly id: number }>;

interface Pending {
  answer(message: FromChild): void;
  end(ending: Ending): void;
}

/** How long `askAndWait` stands still, and with it this process. A vocabulary answers in less than a millisecond. */
const PATIENCE_MS = 60_000;

/** How long a process without a model waits for the next: a run trains, then asks whether llama.cpp reads the adapter. */
const IDLE_MS = 60_000;

/** Those that live, last used last. */
const alive: LlamaProcess[] = [];

export class LlamaProcess {
  /** Why the process is gone; null while it lives. */
  ending: Ending | null = null;
  /** Undefined when it could not be started. */
  pid: number | undefined;
  readonly #thread: Worker;
  readonly #waiting = new MessageChannel();
  readonly #answers = new Int32Array(new SharedArrayBuffer(4));
  /** Threads of its pool */
  readonly #pool: number;
  /** Resolves when `pid` is known. */
  readonly #started: Promise<void>;
  readonly #pending = new Map<number, Pending>();
  /** The file of each model that it has or loads. */
  readonly #files: string[] = [];
  #names = 0;
  #idle: NodeJS.Timeout | null = null;

  private constructor({ thread, child }: Files, pool: number) {
    this.#pool = pool;
    const { port1, port2 } = this.#waiting;
    const answers = this.#answers.buffer;
    const workerData: ThreadData = { file: child, env: environment(pool), port: port2, answers };
    this.#thread = new Worker(thread, { workerData, transferList: [port2], execArgv: [] });
    port1.unref();
    this.#started = new Promise((resolve) => {
      this.#thread.on('message', (message: FromThread) => {
        this.#hear(message);
        resolve();
      });
      this.#thread.on('error', (error) => {
        this.#end({ how: error.message, stderr: '' });
        resolve();
      });
    });
  }

  /**
   * A process for a model of as many contexts as decode at the same time, or for one that decodes nothing (null): one that
   * has this file open, or none, or a new one. Another file's is left alone, because loading a damaged file may end the
   * process.
   */
  static async take(file: string, contexts: number | null): Promise<LlamaProcess> {
    const files = await entries();
    const fits = (one: LlamaProcess) => contexts === null || one.#pool === contexts;
    let found = alive.findLast((one) => fits(one) && one.#files.every((name) => name === file));
    if (found === undefined) {
      found = new LlamaProcess(files, contexts ?? 1);
      alive.push(found);
    }
    if (found.#idle !== null) clearTimeout(found.#idle);
    found.#idle = null;
    found.#files.push(file);
    await found.#started;
    if (found.#pending.size === 0) found.#keepAlive(false);
    return found;
  }

  /** Gives back what `take` gave: the model of `file` is unloaded. */
  give(file: string): void {
    this.#files.splice(this.#files.indexOf(file), 1);
    if (this.#files.length > 0 || this.ending !== null) return;
    this.#idle = setTimeout(() => this.kill(), IDLE_MS).unref();
  }

  /** A name for a call, a model or a sequence, which no other of this process has had. */
  newName(): number {
    this.#names += 1;
    return this.#names;
  }

  /** Resolves with the answer to `message.id`; rejects with an Ending when the process ends before. */
  ask(message: Asked): Promise<FromChild> {
    const answered = new Promise<FromChild>((answer, end) => {
      if (this.ending !== null) end(this.ending);
      else this.#pending.set(message.id, { answer, end });
    });
    if (this.#pending.size === 1) this.#keepAlive(true);
    try {
      this.tell(message);
    } catch (error) {
      this.#settle(message.id); // what cannot be sent is never answered
      throw error;
    }
    return answered;
  }

  /** The answer itself: this thread stands still for it. Throws an Ending when the process ends before. */
  askAndWait(message: Asked): FromChild {
    const { port1 } = this.#waiting;
    if (this.ending !== null) throw this.ending;
    let seen = Atomics.load(this.#answers, 0);
    port1.postMessage(message);
    for (;;) {
      const waited = Atomics.wait(this.#answers, 0, seen, PATIENCE_MS);
      const heard = receiveMessageOnPort(port1)?.message as FromThread | undefined;
      if (heard !== undefined && 'answer' in heard && heard.answer.id === message.id) return heard.answer;
      if (heard !== undefined && 'ending' in heard) throw heard.ending;
      if (waited === 'timed-out') {
        this.kill();
        throw { how: `no answer in ${PATIENCE_MS / 1000} seconds`, stderr: '' } satisfies Ending;
      }
      seen = Atomics.load(this.#answers, 0);
    }
  }

  /** Says something that has no answer. */
  tell(message: ToChild): void {
    if (this.ending === null) this.#thread.postMessage(message);
  }

  kill(): void {
    this.#leave();
    if (this.ending === null) this.#thread.postMessage('kill');
  }

  #hear(message: FromThread): void {
    if ('ending' in message) this.#end(message.ending);
    else if ('pid' in message) this.pid = message.pid;
    else {
      this.#pending.get(message.answer.id)?.answer(message.answer);
      this.#settle(message.answer.id);
    }
  }

  #settle(id: number): void {
    if (this.#pending.delete(id) && this.#pending.size === 0) this.#keepAlive(false);
  }

  #end(ending: Ending): void {
    if (this.ending !== null) return;
    this.ending = ending;
    this.#leave();
    for (const pending of this.#pending.values()) pending.end(ending);
    this.#pending.clear();
    void this.#thread.terminate();
  }

  #leave(): void {
    const at = alive.indexOf(this);
    if (at >= 0) alive.splice(at, 1);
  }

  /** Whether this process waits for the other before it ends. */
  #keepAlive(yes: boolean): void {
    if (yes) this.#thread.ref();
    else this.#thread.unref();
  }
}

function environment(pool: number): NodeJS.ProcessEnv {
  return {
    ...withoutSecrets(process.env),
    // llama.cpp's calls run on libuv's pool. Where they change threads they change cores, and then they are slow: with one
    // thread SmolLM2 decodes 1.6 times as fast on two cores (bench/decoding.ts).
    UV_THREADPOOL_SIZE: String(pool),
    // Otherwise ggml starts a debugger on an abort, for a backtrace that nobody reads.
    GGML_NO_BACKTRACE: '1',
  };
}

interface Files {
  readonly thread: string;
  readonly child: string;
}

let found: Promise<Files> | undefined;

function entries(): Promise<Files> {
  found ??= findEntries();
  return found;
}

/** Beside this file in a built package; else compiled from the sources. */
async function findEntries(): Promise<Files> {
  let here = path.dirname(fileURLToPath(import.meta.url));
  if (!existsSync(path.join(here, 'llamaChild.js'))) {
    const { compileSources } = await import('../compileSources.js');
    const root = path.dirname(here);
    const folder = await compileSources({ name: 'llama', root, files: [], folders: ['.', 'secrets', 'inference'] });
    here = path.join(folder, 'inference');
  }
  return { thread: path.join(here, 'llamaThread.js'), child: path.join(here, 'llamaChild.js') };
}
