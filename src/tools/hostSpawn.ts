/** Starts child processes. They do not keep this process alive, and are killed when it exits. */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Duplex } from 'node:stream';
import type { LaunchPlan } from './hostLaunch.js';
import { PAYLOAD_FD } from './hostProtocol.js';

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

export function spawnChild(plan: LaunchPlan): SpawnedChild {
  // `detached` gives it its own session: Ctrl-C must reach only the parent, which may still need the child's answer.
  const child = spawn(plan.command, plan.args, {
    cwd: '/',
    env: {},
    detached: true,
    serialization: 'json',
    stdio: ['ignore', 'ignore', 'pipe', 'ipc', 'pipe'],
  });
  alive.add(child);
  killAllAtExit();
  child.on('exit', () => alive.delete(child));
  child.on('error', () => alive.delete(child));
  const pipe = child.stdio[PAYLOAD_FD] as Duplex;
  // An error here means that the child ended before reading everything; its exit is reported elsewhere.
  pipe.on('error', () => {});
  for (const handle of [child, child.channel, child.stderr, pipe]) (handle as { unref?(): void } | null)?.unref?.();
  let stderr = '';
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-2000);
  });
  return { child, pipe, stderr: () => stderr };
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
    for (const child of alive) child.kill('SIGKILL');
  });
}
