/**
 * A lock is a file that names its holder. It is created by a hard link, which appears whole or fails because the name is
 * taken, also on network file systems. When the holder is dead, by pid and start time, the lock is taken over. Whether a
 * holder on another machine is dead cannot be known.
 *
 * This is our own code because the libraries that need no install script either do not say who holds the lock, or take
 * it over when its file was not touched for some seconds, as happens when the holder is under load or stopped by
 * Ctrl-Z.
 */
import { randomUUID } from 'node:crypto';
import { linkSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { draftOf } from './drafts.js';
import { isNodeError, SparkError, writeError } from './errors.js';
import { fateOf, ownIdentity } from './processIdentity.js';

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

export type LockHolder = z.infer<typeof holderSchema>;

/** The lock is ours, taken from the dead holder `before` if there was one; `release` may be called more than once. */
export interface TakenLock {
  readonly before: LockHolder | null;
  release(): void;
}

/** Somebody else has it. `unknown`: a process of another machine, which may be dead. */
export interface BusyLock {
  readonly holder: LockHolder;
  readonly fate: 'alive' | 'unknown';
}

/** When a lock is given up of whose holder nothing can be known: milliseconds since its file was written. */
export interface Patience {
  /** The holder is of another machine or container. */
  readonly unknown: number;
  /** The file names no holder: a power cut may leave half of one. */
  readonly unreadable: number;
}

const NEVER: Patience = { unknown: Number.POSITIVE_INFINITY, unreadable: Number.POSITIVE_INFINITY };

/**
 * Takes the lock unless it is held, by another process or by this one. Throws `invalid_file` for a file that is no lock, unless
 * that is given up.
 */
export function takeLock(given: string, patience: Patience = NEVER): TakenLock | BusyLock {
  const file = path.resolve(given);
  const mine: LockHolder = {
    id: randomUUID(),
    ...ownIdentity(),
    since: new Date().toISOString(),
    command: ownCommand(),
  };
  // Every pass creates the file, reads its holder, or finds that it has just been released, so this ends.
  for (;;) {
    if (create(file, mine)) return keep(file, mine, null);
    const found = look(file, patience);
    if (found === null) continue; // released meanwhile
    const { holder, fate } = found;
    // A network file system may have made our link and still reported a failure.
    if (holder?.id === mine.id) return keep(file, mine, null);
    if (holder !== null && fate !== 'dead') return { holder, fate };
    const claim = takeLock(`${file}.takeover`, patience);
    if ('holder' in claim) return claim;
    if (replaceDead(file, { dead: found, mine, claim, patience })) return keep(file, mine, holder);
  }
}

/** Locks of this process: by file, the id written into it. Released whenever the process ends, except by a kill. */
const held = new Map<string, string>();
let watching = false;

function releaseAll(): void {
  for (const [file, id] of held) release(file, id);
}

function keep(file: string, { id }: LockHolder, before: LockHolder | null): TakenLock {
  held.set(file, id);
  if (!watching) process.on('exit', releaseAll);
  watching = true;
  return { before, release: () => release(file, id) };
}

interface Replacing {
  readonly dead: Found;
  readonly mine: LockHolder;
  readonly claim: TakenLock;
  readonly patience: Patience;
}

/**
 * Several processes may find a dead holder, so only the one that holds a second lock, `claim`, may replace it, and only what it
 * finds still there: by then another may have replaced it, worked, and gone.
 */
function replaceDead(file: string, { dead, mine, claim, patience }: Replacing): boolean {
  try {
    const now = look(file, patience);
    if (now === null || now.text !== dead.text || now.fate !== 'dead') return false;
    renameSync(writeTemporary(file, mine), file);
    return true;
  } catch (error) {
    throw writeError(error, file);
  } finally {
    claim.release();
  }
}

function create(file: string, holder: LockHolder): boolean {
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

function createWithoutLinks(file: string, holder: LockHolder): boolean {
  try {
    writeFileSync(file, text(holder), { flag: 'wx' });
    return true;
  } catch (error) {
    if (isNodeError(error) && error.code === 'EEXIST') return false;
    throw writeError(error, file);
  }
}

function writeTemporary(file: string, holder: LockHolder): string {
  const temporary = draftOf(file);
  writeFileSync(temporary, text(holder));
  return temporary;
}

function text(holder: LockHolder): string {
  return `${JSON.stringify(holder, null, 2)}\n`;
}

interface Found {
  readonly text: string;
  /** Null: given up, it names none. */
  readonly holder: LockHolder | null;
  /** `dead`: also one that is given up. */
  readonly fate: 'alive' | 'dead' | 'unknown';
}

/** Who has the lock; null when the file does not exist (any more). */
function look(file: string, { unknown, unreadable }: Patience): Found | null {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if (isNodeError(error) && error.code === 'ENOENT') return null;
    throw new SparkError('io_error', `cannot read ${file}: ${(error as Error).message}`, { cause: error });
  }
  try {
    const holder = holderSchema.parse(JSON.parse(text));
    const fate = fateOf(holder);
    return { text, holder, fate: fate === 'unknown' && isOlder(file, unknown) ? 'dead' : fate };
  } catch (error) {
    if (isOlder(file, unreadable)) return { text, holder: null, fate: 'dead' };
    throw new SparkError(
      'invalid_file',
      `${file} does not say who is at work in ${path.dirname(file)}: expected a lock with host and pid, got ${text === '' ? 'an empty file' : 'something else'}; ` +
        'when nothing else works there, remove it and run again',
      { cause: error },
    );
  }
}

/** Milliseconds since the file was written. False for one that is gone. */
export function isOlder(file: string, ms: number): boolean {
  if (ms === Number.POSITIVE_INFINITY) return false;
  const found = statSync(file, { throwIfNoEntry: false });
  return found !== undefined && Date.now() - found.mtimeMs > ms;
}

function release(file: string, id: string): void {
  if (held.get(file) !== id) return;
  held.delete(file);
  try {
    // Removed only when it is still ours: somebody may have deleted it, and another process may have taken the lock
    // since.
    if ((JSON.parse(readFileSync(file, 'utf8')) as LockHolder).id === id) rmSync(file, { force: true });
  } catch {
    // Missing or unreadable. If it is still there, the next process finds its holder dead and takes over.
  }
}

/** `spark-rl generate`: the command without its arguments, which may be private. */
function ownCommand(): string {
  const [, script = 'node', command] = process.argv;
  const name = path.basename(script);
  return name === 'main.js' || name === 'spark-rl' ? `spark-rl ${command ?? ''}`.trim() : name;
}
