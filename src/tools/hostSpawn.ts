/** Starts a child process by its plan. No child keeps this process alive, and none outlives it. */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Duplex } from 'node:stream';
import type { LaunchPlan } from './hostLaunch.js';
import { PAYLOAD_FD } from './hostProtocol.js';

/** Children of this process that are alive: killed when it exits, whatever they are doing. */
const alive = new Set<ChildProcess>();
let exitHook = false;

export interface SpawnedChild {
  readonly child: ChildProcess;
  /** The other end of the child's PAYLOAD_FD. */
  readonly pipe: Duplex;
  /** The last words on its standard error. */
  stderr(): string;
}

export function spawnChild(plan: LaunchPlan): SpawnedChild {
  // Its own session: Ctrl-C in the terminal is for the parent, which may still need the tool's answer.
  const child = spawn(plan.command, plan.args, {
    ...{ cwd: '/', env: {}, detached: true, serialization: 'json' },
    stdio: ['ignore', 'ignore', 'pipe', 'ipc', 'pipe'],
  });
  alive.add(child);
  killAllAtExit();
  child.on('exit', () => alive.delete(child));
  child.on('error', () => alive.delete(child));
  const pipe = child.stdio[PAYLOAD_FD] as Duplex;
  // A child that dies before it has read everything: its exit says why.
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
  const last = stderr.split('\n').find((line) => /Error|denied/.test(line)) ?? '';
  return `its process ended (${signal ?? `exit code ${code}`})${last === '' ? '' : `: ${last.trim()}`}`;
}

function killAllAtExit(): void {
  if (exitHook) return;
  exitHook = true;
  process.on('exit', () => {
    for (const child of alive) child.kill('SIGKILL');
  });
}
