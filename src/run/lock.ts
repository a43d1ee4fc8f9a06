/**
 * Lets only one process at a time write into a run folder: two would both append, and training would see trajectories
 * twice. The file `run.lock` names the holder (lockFile.ts).
 */
import { hostname } from 'node:os';
import path from 'node:path';
import { SparkError } from '../errors.js';
import { type BusyLock, type LockHolder, takeLock } from '../lockFile.js';
import type { Log } from '../log.js';

export const LOCK_FILE = 'run.lock';

export interface RunLock {
  /** Releases the lock; may be called more than once. */
  release(): void;
}

/** Throws `run_locked`, naming the holder, when another process or this one already has the lock. */
export function lockRun(folder: string, log: Log): RunLock {
  const file = path.resolve(folder, LOCK_FILE);
  const lock = takeLock(file);
  if ('holder' in lock) throw locked(lock, file, folder);
  if (lock.before !== null) {
    log.warn(`${folder} was locked by ${nameOf(lock.before)}, which has ended without releasing it; taken over`);
  }
  return lock;
}

function locked({ holder, fate }: BusyLock, file: string, folder: string): SparkError {
  const who = nameOf(holder);
  if (fate === 'unknown') {
    return new SparkError(
      'run_locked',
      `${folder} is locked by ${who}; whether that still runs cannot be seen from ${hostname()}. Wait for it, use another --run, ` +
        `or, when you know that it has ended, remove ${file} and run again`,
    );
  }
  return new SparkError(
    'run_locked',
    `${folder} is in use by ${holder.pid === process.pid ? 'this process' : who}: expected one writer at a time. ` +
      'Wait for it, or use another --run',
  );
}

function nameOf({ host, pid, since, command }: LockHolder): string {
  return `"${command}" (pid ${pid} on ${host}, since ${since})`;
}
