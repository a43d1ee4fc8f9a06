/**
 * Identifies a process, so that another process can tell whether it still runs; a pid alone may have been reused. This
 * can be told for processes in our pid namespace (containers have their own), and for those from before the machine's
 * last start.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/** Fields are null when the system does not say. */
export interface ProcessIdentity {
  readonly host: string;
  /** Ids of the machine, of its last start, and of the pid namespace */
  readonly machine: string | null;
  readonly boot: string | null;
  readonly pids: string | null;
  readonly pid: number;
  /** When the process started, in a format of the system */
  readonly started: string | null;
}

export function ownIdentity(): ProcessIdentity {
  return { ...place(), pid: process.pid, started: stateOf(process.pid).started };
}

/** `unknown`: the process belongs to another machine or pid namespace. */
export function fateOf(other: ProcessIdentity): 'alive' | 'dead' | 'unknown' {
  const here = place();
  if (other.host !== here.host) return 'unknown';
  // Another boot id. With the same machine id this machine was restarted since; else it is another machine, because
  // several can have the same name ("localhost").
  if (other.boot !== here.boot) return other.machine !== null && other.machine === here.machine ? 'dead' : 'unknown';
  if (other.pids !== here.pids) return 'unknown';
  const { alive, started } = stateOf(other.pid);
  if (!alive) return 'dead';
  return started !== null && other.started !== null && started !== other.started ? 'dead' : 'alive';
}

/** Whether a process of this pid runs here; it may be another than the one that had it before. */
export function isRunning(pid: number): boolean {
  return stateOf(pid).alive;
}

let own: string | undefined;

/**
 * A process in a file's name: `<pid>-<started>-<machine>-<boot>`, the last three as hashes. `fateOfTag` reads it as `fateOf` does
 * an identity.
 */
export function ownTag(): string {
  own ??= `${process.pid}-${short(stateOf(process.pid).started)}-${machineTag()}-${short(place().boot)}`;
  return own;
}

export function fateOfTag(tag: string): 'alive' | 'dead' | 'unknown' {
  const [pid = '', started, machine, boot] = tag.split('-');
  const here = place();
  if (machine !== machineTag()) return 'unknown';
  if (boot !== short(here.boot)) return here.machine === null ? 'unknown' : 'dead';
  const state = stateOf(Number(pid));
  if (!state.alive) return 'dead';
  const known = state.started !== null && started !== short(null);
  return known && started !== short(state.started) ? 'dead' : 'alive';
}

function machineTag(): string {
  const { host, machine, pids } = place();
  return short(JSON.stringify([host, machine, pids]));
}

/** `0` where the system does not say. */
function short(text: string | null): string {
  return text === null ? '0' : createHash('sha256').update(text).digest('hex').slice(0, 8);
}

function place() {
  return {
    host: hostname(),
    machine: orNull(() => readFileSync('/etc/machine-id', 'utf8').trim()),
    boot: orNull(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()),
    pids: orNull(() => readlinkSync('/proc/self/ns/pid')),
  };
}

function orNull(read: () => string): string | null {
  try {
    return read() || null;
  } catch {
    return null;
  }
}

interface ProcessState {
  readonly alive: boolean;
  readonly started: string | null;
}

const DEAD: ProcessState = { alive: false, started: null };

function stateOf(pid: number): ProcessState {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: the process exists but belongs to another user.
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return DEAD;
  }
  return process.platform === 'linux' ? linuxState(pid) : otherState(pid);
}

/** A zombie counts as dead: it has ended, and in a container without an init it may stay a zombie for ever. */
function linuxState(pid: number): ProcessState {
  try {
    // Everything up to the name, which is in brackets and may contain brackets and spaces, is cut off. Then field 0 is
    // the state, and field 19 the start time.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? DEAD : { alive: true, started: fields[19] ?? null };
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? DEAD : { alive: true, started: null };
  }
}

function otherState(pid: number): ProcessState {
  try {
    const env = { ...process.env, LC_ALL: 'C', TZ: 'UTC' };
    const started = execFileSync('ps', ['-o', 'lstart=', '-p', `${pid}`], { env, stdio: ['ignore', 'pipe', 'ignore'] });
    return { alive: true, started: started.toString().trim() };
  } catch {
    return { alive: true, started: null };
  }
}
