/**
 * Which process is meant, so that another can say whether it still lives: a pid alone is given out again. That can be said
 * of processes of this machine and this pid namespace (containers have their own), and of all from before it was started.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/** Null where the system does not say. */
export interface ProcessIdentity {
  readonly host: string;
  /** Machine, its last start, and the pid namespace */
  readonly machine: string | null;
  readonly boot: string | null;
  readonly pids: string | null;
  readonly pid: number;
  /** When the process started, in the system's own words */
  readonly started: string | null;
}

export function ownIdentity(): ProcessIdentity {
  return { ...place(), pid: process.pid, started: stateOf(process.pid).started };
}

/** `unknown`: it runs where its pid says nothing here. */
export function fateOf(other: ProcessIdentity): 'alive' | 'dead' | 'unknown' {
  const here = place();
  if (other.host !== here.host) return 'unknown';
  // Hosts of one name are many ("localhost"); with one machine id it is this one, and it was started again since.
  if (other.boot !== here.boot) return other.machine !== null && other.machine === here.machine ? 'dead' : 'unknown';
  if (other.pids !== here.pids) return 'unknown';
  const { alive, started } = stateOf(other.pid);
  if (!alive) return 'dead';
  return started !== null && other.started !== null && started !== other.started ? 'dead' : 'alive';
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
    // EPERM: there, but another user's.
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return DEAD;
  }
  return process.platform === 'linux' ? linuxState(pid) : otherState(pid);
}

/** A zombie has ended: only its parent has not asked how. In a container without an init nobody ever does. */
function linuxState(pid: number): ProcessState {
  try {
    // The name, in brackets, may hold spaces and brackets; the state comes next, and the 20th after it is the start.
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
