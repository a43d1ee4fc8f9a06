/**
 * This process's end of llamaChild.ts: a process in which llama.cpp runs, asked call by call. It does not keep this
 * process alive unless a call is under way, and ends with it, killed or not. Loading the library takes it half a second,
 * so who opens the same file again shares it, and one without a model is kept a few seconds for the next.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import '../openmp.js';
import { withoutSecrets } from '../secrets/sources.js';
import type { FromChild, ToChild } from './llamaMessages.js';

/** How a process ended: a signal or an exit code, and what it wrote to stderr. */
export interface Ending {
  readonly how: string;
  readonly stderr: string;
}

interface Pending {
  answer(message: FromChild): void;
  end(ending: Ending): void;
}

/** How long a process without a model waits for the next. */
const IDLE_MS = 5000;

/** Those that live, last used last. */
const alive: LlamaProcess[] = [];

export class LlamaProcess {
  /** Why the process is gone; null while it lives. */
  ending: Ending | null = null;
  readonly #child: ChildProcess;
  /** Threads of its pool */
  readonly #pool: number;
  readonly #pending = new Map<number, Pending>();
  /** The file of each model that it has or loads. */
  readonly #files: string[] = [];
  #names = 0;
  #stderr = '';
  #idle: NodeJS.Timeout | null = null;

  private constructor(child: ChildProcess, pool: number) {
    this.#child = child;
    this.#pool = pool;
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-4000);
    });
    child.on('message', (message: FromChild) => {
      this.#pending.get(message.id)?.answer(message);
      this.#settle(message.id);
    });
    child.on('error', (error) => this.#end(error.message));
    // `close`, not `exit`: only then has all its stderr arrived.
    child.on('close', (code, signal) => this.#end(signal ?? `exit code ${code}`));
    this.#keepAlive(false);
  }

  /**
   * A process for a model of as many contexts as decode at the same time: one that has this file open, or none, or a new
   * one. Another file's is left alone, because loading a damaged file may end the process.
   */
  static async take(file: string, contexts: number): Promise<LlamaProcess> {
    const child = await entry();
    let found = alive.findLast((one) => one.#pool === contexts && one.#files.every((name) => name === file));
    if (found === undefined) {
      found = new LlamaProcess(start(child, contexts), contexts);
      alive.push(found);
    }
    if (found.#idle !== null) clearTimeout(found.#idle);
    found.#idle = null;
    found.#files.push(file);
    return found;
  }

  /** Gives back what `take` gave: the model of `file` is unloaded. */
  give(file: string): void {
    this.#files.splice(this.#files.indexOf(file), 1);
    if (this.#files.length > 0 || this.ending !== null) return;
    this.#idle = setTimeout(() => this.kill(), IDLE_MS).unref();
  }

  /** Undefined when it could not be started. */
  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** A name for a call, a model or a sequence, which no other of this process has had. */
  newName(): number {
    this.#names += 1;
    return this.#names;
  }

  /** Resolves with the answer to `message.id`; rejects with an Ending when the process ends before. */
  ask(message: Extract<ToChild, { readonly id: number }>): Promise<FromChild> {
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

  /** Says something that has no answer. */
  tell(message: ToChild): void {
    if (this.ending !== null || !this.#child.connected) return;
    // A message that does not arrive means that the process has ended, which `close` reports.
    this.#child.send(message, () => undefined);
  }

  kill(): void {
    this.#leave();
    this.#child.kill('SIGKILL');
  }

  #settle(id: number): void {
    if (this.#pending.delete(id) && this.#pending.size === 0) this.#keepAlive(false);
  }

  #end(how: string): void {
    if (this.ending !== null) return;
    this.ending = { how, stderr: this.#stderr };
    this.#leave();
    for (const pending of this.#pending.values()) pending.end(this.ending);
    this.#pending.clear();
    this.#keepAlive(false);
  }

  #leave(): void {
    const at = alive.indexOf(this);
    if (at >= 0) alive.splice(at, 1);
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
      // llama.cpp's calls run on libuv's pool. Where they change threads they change cores, and then they are slow: with one
      // thread SmolLM2 decodes 1.6 times as fast on two cores (bench/decoding.ts).
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
