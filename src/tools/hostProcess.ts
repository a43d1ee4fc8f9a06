/** One sandboxed child process: its start, its requests, its end. */
import type { ChildProcess } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { planLaunch } from './hostLaunch.js';
import type { HostAnswer, HostKind, HostReply, HostRequest } from './hostProtocol.js';
import { endChild, type HostChannel, openNodeChild } from './hostSpawn.js';

const MEMORY_CHECK_MS = 100;

export interface HostProcessOptions {
  readonly kind: HostKind;
  /** The tools of this kind that will be called; absent: all of them. */
  readonly tools?: readonly string[];
  /** Longest time that loading the libraries, or making an image for the next call, may take. */
  readonly startTimeoutMs: number;
  /** After so long `onSlow` is called; absent: never. */
  readonly slowAfterMs?: number;
  readonly onSlow?: () => void;
  /** Files that the child may read beside its libraries. */
  readonly reads?: readonly string[];
  /** Bytes that the child is given at its start. */
  readonly payload?: () => Promise<Uint8Array>;
  /** Gets ready what starts another program than the children of `kind`; all of the above is then not used. */
  readonly prepare?: () => Promise<() => HostChannel>;
  /** Called when the child can take a request. */
  readonly onIdle?: () => void;
}

/**
 * Resident memory in the text of /proc/PID/status, NaN for a process that has ended. /proc/PID/statm counts pages, whose
 * size differs between machines; this is in kB everywhere.
 */
export function residentBytes(status: string): number {
  return Number(/^VmRSS:\s*(\d+) kB$/m.exec(status)?.[1]) * 1024;
}

/** A child does not keep the parent alive, and does not outlive it. */
export class HostProcess {
  /** After each answer `starting` again, until the child has an image for the next call. */
  state: 'starting' | 'idle' | 'busy' | 'dying' | 'dead' = 'starting';
  /** Requests sent so far. */
  calls = 0;
  readonly ready: Promise<void>;
  /** Resolves with the reason in words when the child has ended. Never rejects. */
  readonly exited: Promise<string>;
  #child: ChildProcess | null = null;
  #channel: HostChannel | null = null;
  #killed = false;
  #reason = '';
  #pending: { id: number; resolve: (reply: HostAnswer) => void; reject: (error: Error) => void } | null = null;
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
    // Callers that await `ready` see the failure; without these lines it would be an unhandled rejection when nobody
    // does.
    this.ready.catch(() => undefined);
    failed.catch(() => undefined);
    void this.#start();
  }

  request(request: Omit<HostRequest, 'id'>): Promise<HostAnswer> {
    const channel = this.#channel;
    if (this.state !== 'idle' || channel === null) throw new Error(`child is ${this.state}`);
    this.state = 'busy';
    this.calls += 1;
    const id = this.calls;
    return new Promise((resolve, reject) => {
      this.#pending = { id, resolve, reject };
      channel.send({ id, ...request }, ({ message }) => this.kill(`it could not be reached: ${message}`));
    });
  }

  /** Process id, once started. Launcher programs replace themselves by exec, so this is the id of Node, or of bubblewrap. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  kill(reason = 'killed'): void {
    this.#killed = true;
    if (this.state !== 'dead') this.state = 'dying';
    this.#reason ||= reason;
    if (this.#child === null) this.#end(this.#reason);
    else endChild(this.#child);
  }

  /** Kills the child when its resident memory passes the limit. Only on Linux; elsewhere there are only the heap limits. */
  watchMemory(maxMb: number): { stop(): void } {
    const pid = this.#child?.pid;
    if (process.platform !== 'linux' || pid === undefined) return { stop: () => {} };
    const check = async () => {
      const resident = residentBytes(await readFile(`/proc/${pid}/status`, 'utf8'));
      if (resident > maxMb * 2 ** 20) this.kill('out of memory');
    };
    const timer = setInterval(() => void check().catch(() => undefined), MEMORY_CHECK_MS);
    return { stop: () => clearInterval(timer) };
  }

  async #start(): Promise<void> {
    try {
      const open = await (this.options.prepare ?? (() => this.#prepareNode()))();
      if (this.#killed) return;
      // A payload has limits of its own.
      this.#expectReady();
      this.#launch(open());
    } catch (error) {
      this.#end(error instanceof Error ? error.message : String(error));
    }
  }

  async #prepareNode(): Promise<() => HostChannel> {
    const { kind, tools, reads, payload } = this.options;
    const [plan, bytes] = await Promise.all([planLaunch(kind, kind, tools, reads), payload?.()]);
    return () => openNodeChild(plan, bytes);
  }

  #launch(channel: HostChannel): void {
    const { child } = channel;
    this.#channel = channel;
    this.#child = child;
    channel.receive((message: HostReply) => {
      // Both may have come in one piece. Whoever waits for an answer decides first whether there is a next call for this child.
      if ('ready' in message) queueMicrotask(() => this.#becomeIdle());
      else this.#receive(message);
    });
    child.on('error', (error) => this.#end(error.message));
    child.on('exit', (code, signal) => this.#end(this.#reason || channel.reason(code, signal)));
  }

  #receive(message: HostAnswer): void {
    const pending = this.#pending;
    if (pending === null || message.id !== pending.id) return;
    if (!('declined' in message) && typeof message.observation !== 'string') return;
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
    const { startTimeoutMs: limit, slowAfterMs = limit, onSlow } = this.options;
    const end = () => this.kill(`it was not ready after ${limit / 1000} s`);
    const slow = () => {
      onSlow?.();
      this.#startTimer = setTimeout(end, limit - slowAfterMs).unref();
    };
    this.#startTimer = slowAfterMs < limit ? setTimeout(slow, slowAfterMs) : setTimeout(end, limit);
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
