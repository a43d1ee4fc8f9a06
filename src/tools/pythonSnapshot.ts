/**
 * The snapshots of Python's memory that its children start from, one with SymPy and one without. A child without any input
 * makes one: in 4 s, with SymPy in half a minute, so set-up does that beforehand. A file's name has a hash of everything it
 * depends on, so that another pyodide or wheel makes another; damaged ones are made again (`pictureFile.ts`).
 */
import { createHash } from 'node:crypto';
import { access, constants, mkdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { pause } from '../abortable.js';
import { inCacheFolder } from '../cacheFolder.js';
import { throwIfAborted } from '../errors.js';
import { takeLock } from '../lockFile.js';
import { type Log, silentLog } from '../log.js';
import { packed } from './child/sympyPayload.js';
import { childrensFolder, planLaunch } from './hostLaunch.js';
import { exitReason, spawnChild } from './hostSpawn.js';
import { keepPicture, MAX_BYTES, readPicture } from './pictureFile.js';
import { readWheels, WHEELS_FOLDER, wheelPins } from './wheels.js';

/** Our files that the snapshots depend on; they also depend on pyodide and Node. */
export const SOURCES = [
  ...['python.js', 'pyodide.js', 'pythonCore.js', 'pythonDriver.js', 'pythonIntact.js', 'pythonPlain.js', 'realm.js'],
];
/** Those that the one with SymPy depends on beside them, the wheels, and the program of `algebra`, which counts by its text. */
export const SYMPY_SOURCES = ['sympy.js', 'sympyPayload.js'];

/** Far longer than a slow machine takes. */
const MAKING_MS = 600_000;
const LOOK_AGAIN_MS = 200;

let plain: Promise<Uint8Array> | undefined;
let symbolic: Promise<Uint8Array> | undefined;

/** What a child of the kind `python` is given. */
export function pythonSnapshot(): Promise<Uint8Array> {
  plain ??= pythonName()
    .then((name) => keptOrMade([inCacheFolder(name)], () => make('python')))
    .catch((error: unknown) => {
      // So that the next child tries again.
      plain = undefined;
      throw error;
    });
  return plain;
}

/**
 * What a child of the kind `sympy` is given: wheels and snapshot. `log` is told when the snapshot has to be made. Throws
 * `tool_unavailable` without the wheels.
 */
export function sympyPayload(log: Log = silentLog): Promise<Uint8Array> {
  symbolic ??= withWheels(log).catch((error: unknown) => {
    symbolic = undefined;
    throw error;
  });
  return symbolic;
}

/** Whether the snapshot with SymPy is there. For set-up. */
export async function hasSympy(): Promise<boolean> {
  return (await firstOf(placesOf(await sympyName()))) !== null;
}

/**
 * Makes the snapshot with SymPy for all later processes, unless it is there: in the package, or, where that is read-only, in
 * the user's cache folder. Throws `interrupted`. For set-up.
 */
export async function prepareSympy(log: Log, signal: AbortSignal): Promise<void> {
  const places = placesOf(await sympyName());
  const writable = await access(WHEELS_FOLDER, constants.W_OK).then(
    () => true,
    () => false,
  );
  const at = writable ? places[0]! : places[1]!;
  const told = 'SymPy is being loaded: half a minute or more, once';
  await keptOrMade(places, makeSympy(log, told, signal), { at, kept: 1, log, signal });
}

const placesOf = (name: string): string[] => [path.join(WHEELS_FOLDER, name), inCacheFolder(name)];

async function withWheels(log: Log): Promise<Uint8Array> {
  const places = placesOf(await sympyName());
  const told =
    'SymPy is being loaded for algebra and python: half a minute or more, once; npx spark-rl setup does it before';
  const snapshot = await keptOrMade(places, makeSympy(log, told), { at: places.at(-1)!, log });
  return packed({ wheels: await readWheels(), snapshot });
}

function makeSympy(log: Log, told: string, signal?: AbortSignal): () => Promise<Uint8Array> {
  return async () => {
    const payload = packed({ wheels: await readWheels(), snapshot: new Uint8Array() });
    log.info(told);
    const began = performance.now();
    const made = await make('sympy', payload, signal);
    log.info(
      `SymPy is loaded after ${((performance.now() - began) / 1000).toFixed(0)} s; later starts take about a second`,
    );
    return made;
  };
}

/** Where and how a snapshot is kept; `log` is told when it cannot be, `signal` ends the wait for another process. */
interface Keep {
  readonly at: string;
  readonly kept?: number;
  readonly log?: Log;
  readonly signal?: AbortSignal;
}

/**
 * The snapshot of the first place that has it whole; else one that is made and kept in the last place, or at `keep.at`. Of
 * several processes one makes it, and the others wait for it. Exported for tests.
 */
export async function keptOrMade(
  places: readonly string[],
  work: () => Promise<Uint8Array>,
  keep: Keep = { at: places.at(-1)! },
): Promise<Uint8Array> {
  for (;;) {
    const there = await firstOf(places);
    if (there !== null) return there;
    const lock = await lockOf(keep.at);
    if (lock === 'busy') {
      await pause(LOOK_AGAIN_MS, keep.signal);
      continue;
    }
    try {
      // Another process may have made it since this one looked.
      const kept = await readPicture(keep.at);
      if (kept !== null) return kept;
      const made = await work();
      await keepPicture(keep.at, made, keep.kept).catch(({ message }: Error) =>
        keep.log?.warn(`the loaded SymPy cannot be kept, so that each process loads it again: ${message}`),
      );
      return made;
    } finally {
      lock?.release();
    }
  }
}

async function firstOf(places: readonly string[]): Promise<Uint8Array | null> {
  for (const place of places) {
    const kept = await readPicture(place);
    if (kept !== null) return kept;
  }
  return null;
}

/** null where there can be none, as in a folder that cannot be written, or one whose holder is on another machine. */
async function lockOf(file: string): Promise<{ release(): void } | 'busy' | null> {
  try {
    await mkdir(path.dirname(file), { recursive: true });
    const lock = takeLock(`${file}.lock`);
    if (!('holder' in lock)) return lock;
    return lock.fate === 'alive' ? 'busy' : null;
  } catch {
    return null;
  }
}

async function pythonName(): Promise<string> {
  return `python-${await hashOf(SOURCES, [])}.snapshot`;
}

async function sympyName(): Promise<string> {
  const { ALGEBRA } = await import('./child/algebraDriver.js');
  const wheels = (await wheelPins()).map(({ sha256 }) => sha256);
  return `sympy-${await hashOf([...SOURCES, ...SYMPY_SOURCES], [...wheels, ALGEBRA])}.sympy`;
}

/** A hash of everything a snapshot depends on; the same for our sources and for the built package. */
async function hashOf(sources: readonly string[], facts: readonly string[]): Promise<string> {
  const hash = createHash('sha256');
  const { version } = createRequire(import.meta.url)('pyodide/package.json') as { version: string };
  hash.update(JSON.stringify([version, process.version, process.platform, process.arch, ...facts]));
  const folder = await childrensFolder();
  for (const name of sources) {
    const text = await readFile(path.join(folder, 'child', name), 'utf8');
    hash.update(text.replace(/\/\/# sourceMappingURL=.*\s*$/, '').trim());
  }
  return hash.digest('hex').slice(0, 16);
}

async function make(kind: 'python' | 'sympy', payload?: Uint8Array, signal?: AbortSignal): Promise<Uint8Array> {
  throwIfAborted(signal);
  const { child, pipe, stderr } = spawnChild(await planLaunch(kind, 'snapshot'));
  pipe.end(payload);
  const stop = () => child.kill('SIGKILL');
  signal?.addEventListener('abort', stop, { once: true });
  const late = setTimeout(() => child.kill('SIGKILL'), MAKING_MS);
  return new Promise<Uint8Array>((resolve, reject) => {
    const parts: Buffer[] = [];
    let size = 0;
    pipe.on('data', (part: Buffer) => {
      parts.push(part);
      size += part.length;
      if (size > MAX_BYTES) child.kill('SIGKILL');
    });
    child.on('error', reject);
    child.on('close', (code, ending) => {
      if (code === 0 && size > 0) resolve(Buffer.concat(parts));
      else reject(new Error(exitReason(code, ending, stderr())));
    });
  }).finally(() => {
    clearTimeout(late);
    signal?.removeEventListener('abort', stop);
    throwIfAborted(signal);
  });
}
