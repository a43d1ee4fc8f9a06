import { type ChildProcess, spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { type LaunchPlan, planLaunch } from './hostLaunch.js';
import type { HostKind, HostReply, HostRequest } from './hostProtocol.js';

type Answer = Exclude<HostReply, { ready: true }>;

const PAGE_BYTES = 4096;
const MEMORY_CHECK_MS = 100;

/** Children of this process that are alive: killed when it exits, whatever they are doing. */
const alive = new Set<ChildProcess>();
let exitHook = false;

/** One sandboxed child. It never keeps the parent alive while idle, and never outlives it. */
export class HostProcess {
  state: 'starting' | 'idle' | 'busy' | 'dying' | 'dead' = 'starting';
  /** Requests sent so far. */
  calls = 0;
  readonly ready: Promise<void>;
  /** Resolves with the reason, in words. Never rejects. */
  readonly exited: Promise<string>;
  private child: ChildProcess | null = null;
  private killed = false;
  private reason = '';
  private stderr = '';
  private pending: { id: number; resolve: (reply: Answer) => void; reject: (error: Error) => void } | null = null;
  private markExited!: (reason: string) => void;

  constructor(kind: HostKind, startTimeoutMs: number) {
    this.exited = new Promise((resolve) => {
      this.markExited = resolve;
    });
    this.ready = this.start(kind, startTimeoutMs);
    // Whoever awaits it sees the failure; nobody awaiting must not bring the process down.
    this.ready.catch(() => undefined);
  }

  request(request: Omit<HostRequest, 'id'>): Promise<Answer> {
    const { child } = this;
    if (this.state !== 'idle' || child === null) throw new Error(`child is ${this.state}`);
    this.state = 'busy';
    this.calls += 1;
    const id = this.calls;
    return new Promise((resolve, reject) => {
      this.pending = { id, resolve, reject };
      child.send({ id, ...request } satisfies HostRequest, (error) => {
        if (error !== null) this.kill(`it could not be reached: ${error.message}`);
      });
    });
  }

  /** Process id, once it runs. The launcher's words replace themselves, so it is Node's own. */
  get pid(): number | undefined {
    return this.child?.pid;
  }

  kill(reason = 'killed'): void {
    this.killed = true;
    if (this.state !== 'dead') this.state = 'dying';
    this.reason ||= reason;
    this.child?.kill('SIGKILL');
  }

  /** Kills the child when its resident memory passes the limit. Linux only: elsewhere the heap limits must do. */
  watchMemory(maxMb: number): { stop(): void } {
    const pid = this.child?.pid;
    if (process.platform !== 'linux' || pid === undefined) return { stop: () => {} };
    const check = async () => {
      const pages = Number((await readFile(`/proc/${pid}/statm`, 'utf8')).split(' ')[1]);
      if (pages * PAGE_BYTES > maxMb * 2 ** 20) this.kill('out of memory');
    };
    const timer = setInterval(() => void check().catch(() => undefined), MEMORY_CHECK_MS);
    return { stop: () => clearInterval(timer) };
  }

  private async start(kind: HostKind, timeoutMs: number): Promise<void> {
    let plan: LaunchPlan;
    try {
      plan = await planLaunch(kind);
    } catch (error) {
      this.end(error instanceof Error ? error.message : String(error));
      throw error;
    }
    if (this.killed) {
      this.end(this.reason);
      throw new Error(this.reason);
    }
    const child = this.launch(plan);
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => this.kill(`it was not ready after ${timeoutMs / 1000} s`), timeoutMs);
      timer.unref();
      child.on('message', (message: HostReply) => {
        if ('ready' in message) {
          clearTimeout(timer);
          if (this.state === 'starting') this.state = 'idle';
          resolve();
        } else this.receive(message);
      });
      void this.exited.then((reason) => {
        clearTimeout(timer);
        reject(new Error(reason));
      });
    });
  }

  private launch(plan: LaunchPlan): ChildProcess {
    // Its own session: Ctrl-C in the terminal is for the parent, which may still need the tool's answer.
    const child = spawn(plan.command, plan.args, {
      ...{ cwd: '/', env: {}, detached: true, serialization: 'json' },
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.child = child;
    alive.add(child);
    killAllAtExit();
    unref(child);
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.stderr = (this.stderr + text).slice(-2000);
    });
    child.on('error', (error) => this.end(error.message));
    child.on('exit', (code, signal) => this.end(this.reason || exitReason(code, signal, this.stderr)));
    return child;
  }

  private receive(message: Answer): void {
    const { pending } = this;
    if (pending === null || message.id !== pending.id || typeof message.observation !== 'string') return;
    this.pending = null;
    if (this.state === 'busy') this.state = 'idle';
    pending.resolve(message);
  }

  private end(reason: string): void {
    if (this.state === 'dead') return;
    this.state = 'dead';
    if (this.child !== null) alive.delete(this.child);
    this.pending?.reject(new Error(reason));
    this.pending = null;
    this.markExited(reason);
  }
}

function exitReason(code: number | null, signal: NodeJS.Signals | null, stderr: string): string {
  if (/heap out of memory|Array buffer allocation failed/.test(stderr)) return 'out of memory';
  const last = stderr.split('\n').find((line) => /Error|denied/.test(line)) ?? '';
  return `its process ended (${signal ?? `exit code ${code}`})${last === '' ? '' : `: ${last.trim()}`}`;
}

/** A child never keeps the parent alive; ToolHost does, while a call is open. */
function unref(child: ChildProcess): void {
  for (const handle of [child, child.channel, child.stderr as unknown as { unref(): void } | null]) handle?.unref();
}

function killAllAtExit(): void {
  if (exitHook) return;
  exitHook = true;
  process.on('exit', () => {
    for (const child of alive) child.kill('SIGKILL');
  });
}
