/** Starts child processes. They do not keep this process alive, and are killed when it exits. */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Duplex } from 'node:stream';
import type { LaunchPlan } from './hostLaunch.js';
import { type HostReply, type HostRequest, PAYLOAD_FD } from './hostProtocol.js';

/** Running children of this process, to be killed when it exits. */
const alive = new Set<ChildProcess>();
let exitHook = false;

export interface SpawnedChild {
  readonly child: ChildProcess;
  /** The other end of the child's PAYLOAD_FD. */
  readonly pipe: Duplex;
  /** The end of what the child wrote to stderr. */
  stderr(): string;
}

/** A started child that answers requests, however it is talked to. */
export interface HostChannel {
  readonly child: ChildProcess;
  /** `failed`: called where the child cannot be reached. */
  send(request: HostRequest, failed: (error: Error) => void): void;
  /** To be called once, at once. */
  receive(take: (message: HostReply) => void): void;
  /** Why it ended, in words. */
  reason(code: number | null, signal: NodeJS.Signals | null): string;
}

/** A child that is our own program in Node: it is talked to by Node's messages, and given the payload. */
export function openNodeChild(plan: LaunchPlan, payload: Uint8Array | undefined): HostChannel {
  const { child, pipe, stderr } = spawnChild(plan);
  pipe.end(payload);
  return {
    child,
    send: (request, failed) => {
      child.send(request, (error) => {
        if (error !== null) failed(error);
      });
    },
    receive: (take) => child.on('message', take),
    reason: (code, signal) => exitReason(code, signal, stderr()),
  };
}

export function spawnChild(plan: LaunchPlan): SpawnedChild {
  const { child, stderr } = spawnQuietly(plan, ['ignore', 'ignore', 'pipe', 'ipc', 'pipe']);
  return { child, pipe: child.stdio[PAYLOAD_FD] as Duplex, stderr };
}

/** Any program, with nothing in its environment. */
export function spawnQuietly(
  plan: LaunchPlan,
  stdio: readonly ('ignore' | 'ipc' | 'pipe')[],
): { readonly child: ChildProcess; stderr(): string } {
  // `detached` gives it its own session: Ctrl-C must reach only the parent, which may still need the child's answer.
  const options = { cwd: '/', env: {}, detached: true, serialization: 'json' } as const;
  const child = spawn(plan.command, plan.args, { ...options, stdio: [...stdio] });
  alive.add(child);
  killAllAtExit();
  child.on('exit', () => alive.delete(child));
  child.on('error', () => alive.delete(child));
  // An error of a pipe means that the child ended before reading everything; its exit is reported elsewhere.
  for (const pipe of child.stdio) pipe?.on('error', () => {});
  for (const handle of [child, child.channel, ...child.stdio]) (handle as { unref?(): void } | null)?.unref?.();
  let stderr = '';
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-2000);
  });
  return { child, stderr: () => stderr };
}

/**
 * Kills a child and what it started: all of its group, as bubblewrap, killed early, would leave a process behind that waits for it
 * for ever.
 */
export function endChild(child: ChildProcess): void {
  const { pid, exitCode, signalCode } = child;
  if (pid === undefined || exitCode !== null || signalCode !== null) return;
  try {
    if (process.platform === 'win32') child.kill('SIGKILL');
    else process.kill(-pid, 'SIGKILL');
  } catch {
    // It has not made its group yet, or has just ended.
    child.kill('SIGKILL');
  }
}

export function exitReason(code: number | null, signal: NodeJS.Signals | null, stderr: string): string {
  if (/heap out of memory|Array buffer allocation failed/.test(stderr)) return 'out of memory';
  // Of an uncaught error Node prints the line that threw it first, which may name errors, too.
  const lines = stderr.split('\n');
  const last = lines.find((line) => /^\w*Error\b/.test(line)) ?? lines.find((line) => /Error|denied/.test(line)) ?? '';
  return `its process ended (${signal ?? `exit code ${code}`})${last === '' ? '' : `: ${last.trim()}`}`;
}

function killAllAtExit(): void {
  if (exitHook) return;
  exitHook = true;
  process.on('exit', () => {
    for (const child of alive) endChild(child);
  });
}
