/** Runs tool calls in sandboxed children: queue, deadlines, replacement of children. */
import { SparkError, throwIfAborted } from '../errors.js';
import type { Log } from '../log.js';
import { HostProcess, type HostProcessOptions } from './hostProcess.js';
import type { HostAnswer } from './hostProtocol.js';
import { timedOut } from './inTime.js';
import { clip, oneLine, printable } from './observation.js';
import type { ToolContext, ToolResult } from './tool.js';

export interface ToolHostOptions extends Omit<HostProcessOptions, 'onIdle' | 'onSlow'> {
  /** Calls that may run at once; further calls wait their turn. */
  readonly size: number;
  /** A child is replaced after this many calls. */
  readonly retireAfter: number;
  /**
   * A child that has answered calls may decline one, which is then given to one that has answered none. From the first such
   * call on, or the first that uses its child up, one of those is kept ready.
   */
  readonly mayDecline?: boolean;
  /** Resident memory at which a child is killed (Linux), in MB. */
  readonly maxRssMb: number;
  /** Is told of a child that takes long to be ready. */
  readonly log?: Log | undefined;
}

interface Job {
  readonly tool: string;
  readonly input: string;
  readonly context: ToolContext;
  readonly settle: (result: ToolResult) => void;
  readonly fail: (error: unknown) => void;
  readonly detach: () => void;
  /** True once the call has been settled or aborted. */
  closed: boolean;
  /** True once a child has declined it: it needs a child that has answered no call. */
  unused: boolean;
}

const MAX_START_FAILURES = 2;

/**
 * Each child runs one call at a time. The time limit of a call starts when a ready child takes it, so that neither
 * waiting nor a cold start counts. When it is over, the child is killed. When a child takes its last call, the next
 * child is started at once, so that it loads while the call runs.
 */
export class ToolHost {
  readonly #children = new Set<HostProcess>();
  readonly #queue: Job[] = [];
  readonly #running = new Map<HostProcess, Job>();
  /** Whether an unused child is kept ready beside a used one. */
  #keepsUnused = false;
  #startFailures = 0;
  #lastFailure = '';
  #disposed = false;
  /** Children do not keep the parent alive. While a call is awaited, this timer does. */
  #hold: NodeJS.Timeout | null = null;
  #awaited = 0;

  constructor(private readonly options: ToolHostOptions) {}

  /**
   * Starts a child when there is none; resolves when one is ready, or the host is disposed. Throws `tool_unavailable`
   * when none could be started, tried as often as for a call.
   */
  async warm(): Promise<void> {
    for (let failures = 0; !this.#disposed; ) {
      this.#spare();
      try {
        return await this.#holding(Promise.any(this.#serving().map((child) => child.ready)));
      } catch {
        failures += 1;
        if (this.#disposed || failures < MAX_START_FAILURES) continue;
        throw this.#unavailable();
      }
    }
  }

  /** Throws `tool_unavailable` when no child starts, and `interrupted` on an abort; all else is in the result. */
  run(tool: string, input: string, context: ToolContext): Promise<ToolResult> {
    throwIfAborted(context.signal);
    if (this.#disposed) return Promise.resolve(failed(`${tool} has been shut down`));
    return new Promise<ToolResult>((resolve, reject) => {
      const onAbort = () => this.#abort(job);
      const job: Job = {
        tool,
        input,
        context,
        closed: false,
        unused: false,
        settle: resolve,
        fail: reject,
        detach: () => context.signal?.removeEventListener('abort', onAbort),
      };
      context.signal?.addEventListener('abort', onAbort, { once: true });
      this.#acquire();
      this.#queue.push(job);
      this.#pump();
    });
  }

  /** Process ids of the children that run now, the oldest first; not of those that have been told to end. */
  pids(): readonly number[] {
    return [...this.#children].flatMap(({ pid, state }) => (pid === undefined || state === 'dying' ? [] : [pid]));
  }

  async dispose(): Promise<void> {
    this.#disposed = true;
    for (const job of this.#queue.splice(0)) this.#finish(job, failed(`${job.tool} has been shut down`));
    const children = [...this.#children];
    for (const child of children) child.kill();
    await this.#holding(Promise.all(children.map((child) => child.exited)));
  }

  /** Hands queued jobs to idle children, and starts more children, up to `size`, when jobs are left. */
  #pump(): void {
    for (const job of [...this.#queue]) {
      if (this.#running.size + this.#renewing() >= this.options.size) break;
      const child = this.#idle(job);
      if (child === undefined) continue;
      this.#queue.splice(this.#queue.indexOf(job), 1);
      this.#assign(child, job);
    }
    if (this.#queue.some(({ unused }) => unused)) this.#spare();
    let starting = [...this.#children].filter((child) => child.state === 'starting').length;
    let serving = this.#serving().length;
    while (!this.#disposed && serving < this.options.size && starting < this.#queue.length) {
      this.#spawn();
      starting += 1;
      serving += 1;
    }
  }

  /** An idle child for the job. One that has answered calls is preferred: the others are for jobs that need them. */
  #idle(job: Job): HostProcess | undefined {
    const idle = [...this.#children].filter(({ state }) => state === 'idle');
    const used = job.unused ? undefined : idle.find(({ calls }) => calls > 0);
    return used ?? idle.find(({ calls }) => calls === 0);
  }

  /** How many children have answered and are about to be ready for the next call: a job waits for them. */
  #renewing(): number {
    return [...this.#children].filter(({ state, calls }) => state === 'starting' && calls > 0).length;
  }

  /** The children that will take another call. */
  #serving(): HostProcess[] {
    const { retireAfter } = this.options;
    return [...this.#children].filter(
      ({ state, calls }) => state !== 'dying' && state !== 'dead' && calls < retireAfter,
    );
  }

  #spawn(): void {
    const child = new HostProcess({
      ...this.options,
      onIdle: () => this.#pump(),
      onSlow: () => this.#sayThatItIsSlow(),
    });
    this.#children.add(child);
    child.ready.then(
      () => {
        this.#startFailures = 0;
      },
      (error: unknown) => this.#startFailed(error),
    );
    void child.exited.then(async (reason) => {
      // So that `startFailed` counts a failed start before another child is started.
      await child.ready.catch(() => undefined);
      this.#children.delete(child);
      const job = this.#running.get(child);
      this.#running.delete(child);
      if (job !== undefined) {
        if (this.#mayRepeat(child, job)) this.#repeat(job);
        else this.#finish(job, failed(`${job.tool} stopped: ${reason}`));
      }
      if (child.calls > 0) this.#spare();
      this.#pump();
    });
  }

  /** A machine at its limits is no broken installation: the run waits, and says for what. */
  #sayThatItIsSlow(): void {
    const { kind, slowAfterMs = 0, startTimeoutMs, log } = this.options;
    log?.warn(
      `a child process of the ${kind} tools is not ready after ${slowAfterMs / 1000} s, as happens on a busy machine; waiting for it, ` +
        `${startTimeoutMs / 1000} s at most`,
    );
  }

  /** Starts a child when none would take the next call, whatever it is, so that this call will find one ready. */
  #spare(): void {
    if (this.#disposed) return;
    if (!this.#serving().some(({ calls }) => !this.#keepsUnused || calls === 0)) this.#spawn();
  }

  /** Whether it was for the calls before that the child has not answered. */
  #mayRepeat(child: HostProcess, job: Job): boolean {
    return this.options.mayDecline === true && !this.#disposed && child.calls > 1 && !job.unused && !job.closed;
  }

  /** Puts a job first in the queue again, for a child that has answered no call. */
  #repeat(job: Job): void {
    job.unused = true;
    this.#keepsUnused = true;
    this.#queue.unshift(job);
  }

  #startFailed(error: unknown): void {
    this.#startFailures += 1;
    this.#lastFailure = error instanceof Error ? error.message : String(error);
    if (this.#startFailures < MAX_START_FAILURES) return;
    this.#startFailures = 0;
    for (const job of this.#queue.splice(0)) {
      this.#close(job);
      job.fail(this.#unavailable());
    }
  }

  /** Thrown, not observed: nothing is wrong with the input, and no model should learn from a broken installation. */
  #unavailable(): SparkError {
    return new SparkError(
      'tool_unavailable',
      `expected the child process of the ${this.options.kind} tools to start, but it did not: ` +
        `${oneLine(this.#lastFailure)}; spark-rl doctor tries each tool`,
    );
  }

  #assign(child: HostProcess, job: Job): void {
    this.#running.set(child, job);
    const { timeoutMs, maxObservationChars } = job.context;
    const timer = setTimeout(() => {
      this.#running.delete(child);
      child.kill();
      this.#finish(job, timedOut(job.context));
    }, timeoutMs);
    const watch = child.watchMemory(this.options.maxRssMb);
    const request = { tool: job.tool, input: job.input, maxChars: maxObservationChars };
    const answer = child.request(request);
    this.#spare();
    void answer
      .then((reply) => {
        this.#running.delete(child);
        const repeat = 'declined' in reply && this.#mayRepeat(child, job);
        if (this.options.mayDecline === true) this.#keepsUnused ||= reply.retire === true;
        // One that was needed unused goes at once: there are enough used ones.
        if (child.calls >= this.options.retireAfter || reply.retire === true || job.unused) child.kill();
        if (repeat) this.#repeat(job);
        else this.#finish(job, toResult(reply, maxObservationChars));
        this.#pump();
      })
      // The child ended first: its `exited` handler settles the job.
      .catch(() => undefined)
      .finally(() => {
        clearTimeout(timer);
        watch.stop();
      });
  }

  #abort(job: Job): void {
    const queued = this.#queue.indexOf(job);
    if (queued >= 0) this.#queue.splice(queued, 1);
    for (const [child, current] of this.#running) {
      if (current !== job) continue;
      this.#running.delete(child);
      child.kill();
    }
    this.#close(job);
    job.fail(new SparkError('interrupted', 'interrupted by the caller', { cause: job.context.signal?.reason }));
  }

  #finish(job: Job, result: ToolResult): void {
    this.#close(job);
    job.settle(result);
  }

  #close(job: Job): void {
    if (job.closed) return;
    job.closed = true;
    job.detach();
    this.#release();
  }

  async #holding(work: Promise<unknown>): Promise<void> {
    this.#acquire();
    try {
      await work;
    } finally {
      this.#release();
    }
  }

  #acquire(): void {
    this.#awaited += 1;
    this.#hold ??= setInterval(() => {}, 2 ** 30);
  }

  #release(): void {
    this.#awaited -= 1;
    if (this.#awaited > 0 || this.#hold === null) return;
    clearInterval(this.#hold);
    this.#hold = null;
  }
}

function toResult(reply: HostAnswer, maxChars: number): ToolResult {
  if ('declined' in reply) return failed('a new process would not take the call');
  const text = printable(String(reply.observation));
  if (reply.ok) return { ok: true, observation: clip(text, maxChars) };
  return {
    ok: false,
    code: reply.code === 'tool_failed' ? 'tool_failed' : 'tool_input',
    observation: clip(oneLine(text), maxChars),
  };
}

function failed(observation: string): ToolResult {
  return { ok: false, code: 'tool_failed', observation };
}
