import type { ChildProcess } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { type LaunchPlan, planLaunch } from './hostLaunch.js';
import type { HostKind, HostReply, HostRequest } from './hostProtocol.js';
import { exitReason, spawnChild } from './hostSpawn.js';

type Answer = Exclude<HostReply, { ready: true }>;

const PAGE_BYTES = 4096;
const MEMORY_CHECK_MS = 100;

export interface HostProcessOptions {
  readonly kind: HostKind;
  /** Longest time a child may take to load its libraries, or to make the image of its next call. */
  readonly startTimeoutMs: number;
  /** What the child is given to start from. */
  readonly payload?: () => Promise<Uint8Array>;
  /** Told when a child that has answered can take its next request. */
  readonly onIdle?: () => void;
}

/** One sandboxed child. It never keeps the parent alive while idle, and never outlives it. */
export class HostProcess {
  /** `starting` again after each answer, until the child has made the image of its next call. */
  state: 'starting' | 'idle' | 'busy' | 'dying' | 'dead' = 'starting';
  /** Requests sent so far. */
  calls = 0;
  readonly ready: Promise<void>;
  /** Resolves with the reason, in words. Never rejects. */
  readonly exited: Promise<string>;
  #child: ChildProcess | null = null;
  #killed = false;
  #reason = '';
  #pending: { id: number; resolve: (reply: Answer) => void; reject: (error: Error) => void } | null = null;
  #startTimer: NodeJS.Timeout | null = null;
  #markReady!: () => void;
  #markExited!: (reason: string) => void;

  constructor(private readonly options: HostProcessOptions) {
    this.exited = new Promise((resolve) => {
      this.#markExited = resolve;
    });
    const ready = new Promise<void>((resolve) => {
      this.#markReady = resolve;
    });
    const failed = this.exited.then((reason) => Promise.reject(new Error(reason)));
    this.ready = Promise.race([ready, failed]);
    // Whoever awaits it sees the failure; nobody awaiting must not bring the process down.
    this.ready.catch(() => undefined);
    failed.catch(() => undefined);
    void this.#start();
  }

  request(request: Omit<HostRequest, 'id'>): Promise<Answer> {
    const child = this.#child;
    if (this.state !== 'idle' || child === null) throw new Error(`child is ${this.state}`);
    this.state = 'busy';
    this.calls += 1;
    const id = this.calls;
    return new Promise((resolve, reject) => {
      this.#pending = { id, resolve, reject };
      child.send({ id, ...request } satisfies HostRequest, (error) => {
        if (error !== null) this.kill(`it could not be reached: ${error.message}`);
      });
    });
  }

  /** Process id, once it runs. The launcher's words replace themselves, so it is Node's own. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  kill(reason = 'killed'): void {
    this.#killed = true;
    if (this.state !== 'dead') this.state = 'dying';
    this.#reason ||= reason;
    if (this.#child === null) this.#end(this.#reason);
    else this.#child.kill('SIGKILL');
  }

  /** Kills the child when its resident memory passes the limit. Linux only: elsewhere the heap limits must do. */
  watchMemory(maxMb: number): { stop(): void } {
    const pid = this.#child?.pid;
    if (process.platform !== 'linux' || pid === undefined) return { stop: () => {} };
    const check = async () => {
      const pages = Number((await readFile(`/proc/${pid}/statm`, 'utf8')).split(' ')[1]);
      if (pages * PAGE_BYTES > maxMb * 2 ** 20) this.kill('out of memory');
    };
    const timer = setInterval(() => void check().catch(() => undefined), MEMORY_CHECK_MS);
    return { stop: () => clearInterval(timer) };
  }

  async #start(): Promise<void> {
    const { kind, payload } = this.options;
    this.#expectReady();
    try {
      const [plan, bytes] = await Promise.all([planLaunch(kind), payload?.()]);
      if (!this.#killed) this.#launch(plan, bytes);
    } catch (error) {
      this.#end(error instanceof Error ? error.message : String(error));
    }
  }

  #launch(plan: LaunchPlan, payload: Uint8Array | undefined): void {
    const { child, pipe, stderr } = spawnChild(plan);
    this.#child = child;
    pipe.end(payload);
    child.on('message', (message: HostReply) => {
      if ('ready' in message) this.#becomeIdle();
      else this.#receive(message);
    });
    child.on('error', (error) => this.#end(error.message));
    child.on('exit', (code, signal) => this.#end(this.#reason || exitReason(code, signal, stderr())));
  }

  #receive(message: Answer): void {
    const pending = this.#pending;
    if (pending === null || message.id !== pending.id || typeof message.observation !== 'string') return;
    this.#pending = null;
    if (this.state === 'busy') {
      this.state = 'starting';
      this.#expectReady();
    }
    pending.resolve(message);
  }

  #becomeIdle(): void {
    if (this.state !== 'starting') return;
    this.#clearStartTimer();
    this.state = 'idle';
    this.#markReady();
    this.options.onIdle?.();
  }

  #expectReady(): void {
    const { startTimeoutMs } = this.options;
    this.#startTimer = setTimeout(() => this.kill(`it was not ready after ${startTimeoutMs / 1000} s`), startTimeoutMs);
    this.#startTimer.unref();
  }

  #clearStartTimer(): void {
    if (this.#startTimer !== null) clearTimeout(this.#startTimer);
    this.#startTimer = null;
  }

  #end(reason: string): void {
    if (this.state === 'dead') return;
    this.state = 'dead';
    this.#clearStartTimer();
    this.#pending?.reject(new Error(reason));
    this.#pending = null;
    this.#markExited(reason);
  }
}
