/**
 * Lets only one process at a time write into a run folder: two would both append, and training would see trajectories
 * twice. The file `run.lock` names the holder. It is created by a hard link, which appears whole or fails because the
 * name is taken, also on network file systems. When the holder is dead, by pid and start time, the lock is taken over.
 * Whether a holder on another machine is dead cannot be known.
 *
 * This is our own code because the libraries that need no install script either do not say who holds the lock, or take
 * it over when its file was not touched for some seconds, as happens when the holder is under load or stopped by
 * Ctrl-Z.
 */
import { randomUUID } from 'node:crypto';
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { isNodeError, SparkError, writeError } from '../errors.js';
import type { Log } from '../log.js';
import { fateOf, ownIdentity } from './processIdentity.js';

export const LOCK_FILE = 'run.lock';

const holderSchema = z.object({
  id: z.string(),
  host: z.string(),
  machine: z.string().nullable(),
  boot: z.string().nullable(),
  pids: z.string().nullable(),
  pid: z.number().int().positive(),
  started: z.string().nullable(),
  /** When the lock was taken, and by what */
  since: z.string(),
  command: z.string(),
});

type Holder = z.infer<typeof holderSchema>;

export interface RunLock {
  /** Releases the lock; may be called more than once. */
  release(): void;
}

/** Throws `run_locked`, naming the holder, when another process or this one already has the lock. */
export function lockRun(folder: string, log: Log): RunLock {
  const file = path.resolve(folder, LOCK_FILE);
  const before = take(file, folder);
  if (before !== null) {
    log.warn(`${folder} was locked by ${nameOf(before)}, which has ended without releasing it; taken over`);
  }
  const mine = held.get(file)!;
  return { release: () => release(file, mine) };
}

/** Locks of this process: by file, the id written into it. Released whenever the process ends, except by a kill. */
const held = new Map<string, string>();
let watching = false;

function releaseAll(): void {
  for (const [file, id] of held) release(file, id);
}

/** Takes the lock and returns the dead holder it was taken from, if any. */
function take(file: string, folder: string): Holder | null {
  const mine: Holder = { id: randomUUID(), ...ownIdentity(), since: new Date().toISOString(), command: ownCommand() };
  // Every pass creates the file, reads its holder, or finds that it has just been released, so this ends.
  for (;;) {
    if (create(file, mine)) return keep(file, mine, null);
    const holder = read(file, folder);
    if (holder === null) continue; // released meanwhile
    // A network file system may have made our link and still reported a failure.
    if (holder.id === mine.id) return keep(file, mine, null);
    if (fateOf(holder) !== 'dead') throw locked(holder, file, folder);
    if (replaceDead(file, folder, holder, mine)) return keep(file, mine, holder);
  }
}

function keep(file: string, mine: Holder, before: Holder | null): Holder | null {
  held.set(file, mine.id);
  if (!watching) process.on('exit', releaseAll);
  watching = true;
  return before;
}

/** Replaces a dead holder. Several processes may find it, so only the one that holds a second lock may replace it. */
function replaceDead(file: string, folder: string, dead: Holder, mine: Holder): boolean {
  const claim = `${file}.takeover`;
  take(claim, folder);
  try {
    if (read(file, folder)?.id !== dead.id) return false;
    const whole = writeTemporary(file, mine);
    renameSync(whole, file);
    return true;
  } catch (error) {
    throw writeError(error, file);
  } finally {
    release(claim, held.get(claim)!);
  }
}

function create(file: string, holder: Holder): boolean {
  let whole: string | null = null;
  try {
    whole = writeTemporary(file, holder);
    linkSync(whole, file);
    return true;
  } catch (error) {
    const code = isNodeError(error) ? error.code : undefined;
    if (code === 'EEXIST') return false;
    if (code !== undefined && NO_LINKS.has(code)) return createWithoutLinks(file, holder);
    throw writeError(error, file);
  } finally {
    if (whole !== null) rmSync(whole, { force: true });
  }
}

/** Errors of file systems without hard links: FAT, some network mounts. */
const NO_LINKS: ReadonlySet<string> = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK']);

function createWithoutLinks(file: string, holder: Holder): boolean {
  try {
    writeFileSync(file, text(holder), { flag: 'wx' });
    return true;
  } catch (error) {
    if (isNodeError(error) && error.code === 'EEXIST') return false;
    throw writeError(error, file);
  }
}

function writeTemporary(file: string, holder: Holder): string {
  const temporary = `${file}.${holder.id}.tmp`;
  writeFileSync(temporary, text(holder));
  return temporary;
}

function text(holder: Holder): string {
  return `${JSON.stringify(holder, null, 2)}\n`;
}

/** The holder; null when the file does not exist (any more). */
function read(file: string, folder: string): Holder | null {
  let content: string;
  try {
    content = readFileSync(file, 'utf8');
  } catch (error) {
    if (isNodeError(error) && error.code === 'ENOENT') return null;
    throw new SparkError('io_error', `cannot read ${file}: ${(error as Error).message}`, { cause: error });
  }
  try {
    return holderSchema.parse(JSON.parse(content));
  } catch (error) {
    throw new SparkError(
      'invalid_file',
      `${file} does not say who is at work in ${folder}: expected a lock with host and pid, got ${content === '' ? 'an empty file' : 'something else'}; ` +
        'when nothing else works on this run, remove it and run again',
      { cause: error },
    );
  }
}

function release(file: string, id: string): void {
  if (held.get(file) !== id) return;
  held.delete(file);
  try {
    // Removed only when it is still ours: somebody may have deleted it, and another process may have taken the lock
    // since.
    if ((JSON.parse(readFileSync(file, 'utf8')) as Holder).id === id) rmSync(file, { force: true });
  } catch {
    // Missing or unreadable. If it is still there, the next process finds its holder dead and takes over.
  }
}

function locked(holder: Holder, file: string, folder: string): SparkError {
  const who = nameOf(holder);
  const own = ownIdentity();
  if (fateOf(holder) === 'unknown') {
    return new SparkError(
      'run_locked',
      `${folder} is locked by ${who}; whether that still runs cannot be seen from ${own.host}. Wait for it, use another --run, ` +
        `or, when you know that it has ended, remove ${file} and run again`,
    );
  }
  return new SparkError(
    'run_locked',
    `${folder} is in use by ${holder.pid === own.pid ? 'this process' : who}: expected one writer at a time. ` +
      'Wait for it, or use another --run',
  );
}

function nameOf({ host, pid, since, command }: Holder): string {
  return `"${command}" (pid ${pid} on ${host}, since ${since})`;
}

/** `spark-rl generate`: the command without its arguments, which may be private. */
function ownCommand(): string {
  const [, script = 'node', command] = process.argv;
  const name = path.basename(script);
  return name === 'main.js' || name === 'spark-rl' ? `spark-rl ${command ?? ''}`.trim() : name;
}
