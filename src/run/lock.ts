/**
 * One process at a time writes into a run folder: two would both append, and training would learn doubles. `run.lock` says
 * who. It is made by a hard link, which either appears whole or fails because the name is taken, on network file systems
 * too. A holder that is dead by its pid and start time is taken over from; one on another machine cannot be looked at.
 *
 * Own code: the libraries that need no install script either do not say who holds the lock, or take one over because its
 * file was not touched for some seconds, which a holder under load or a stopped one (Ctrl-Z) does not manage.
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
  /** Gives the folder free; more than once does no harm. */
  release(): void;
}

/** Throws `run_locked` with the holder's name when another process, or this one, is at work in the folder. */
export function lockRun(folder: string, log: Log): RunLock {
  const file = path.resolve(folder, LOCK_FILE);
  const before = take(file, folder);
  if (before !== null) {
    log.warn(`${folder} was locked by ${nameOf(before)}, which has ended without giving it free; taken over`);
  }
  const mine = held.get(file)!;
  return { release: () => release(file, mine) };
}

/** Locks of this process by file, with what was written into each: given free however the process ends, but for a kill. */
const held = new Map<string, string>();
let watching = false;

function releaseAll(): void {
  for (const [file, id] of held) release(file, id);
}

/** Takes the lock and returns the dead holder it was taken from, if any. */
function take(file: string, folder: string): Holder | null {
  const mine: Holder = { id: randomUUID(), ...ownIdentity(), since: new Date().toISOString(), command: ownCommand() };
  // The one file that is not there yet cannot be damaged, and one that is there is read: no loop without an end.
  for (;;) {
    if (create(file, mine)) return keep(file, mine, null);
    const holder = read(file, folder);
    if (holder === null) continue; // given free meanwhile
    // A network file system may have made the link and lost the answer.
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

/** Of several that find the same dead holder one at a time may replace it: the one that holds the lock on the lock. */
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

/** File systems without hard links: FAT, some that are mounted over a network. */
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

/** Null: there is no such file (any more). */
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
    // Somebody may have removed it by hand, and another process have taken the folder since.
    if ((JSON.parse(readFileSync(file, 'utf8')) as Holder).id === id) rmSync(file, { force: true });
  } catch {
    // Gone, or not to be read: whoever comes next is told of a holder that has ended.
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

/** `spark-rl generate`: the command without its arguments, which may hold what is nobody's business. */
function ownCommand(): string {
  const [, script = 'node', command] = process.argv;
  const name = path.basename(script);
  return name === 'main.js' || name === 'spark-rl' ? `spark-rl ${command ?? ''}`.trim() : name;
}
