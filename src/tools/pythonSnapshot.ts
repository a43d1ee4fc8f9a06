/**
 * The snapshots of Python's memory that its children start from, one with SymPy and one without. A child without any input
 * makes one, in 4 s, with SymPy in about 20. They are kept in the user's cache folder, under a hash of everything they
 * depend on.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { inCacheFolder } from '../cacheFolder.js';
import { packed } from './child/sympyPayload.js';
import { childrensFolder, planLaunch } from './hostLaunch.js';
import { exitReason, spawnChild } from './hostSpawn.js';
import { keepPicture, MAX_BYTES, readPicture } from './pictureFile.js';
import { readWheels, wheelPins } from './wheels.js';

/** Our files that the snapshots depend on; they also depend on pyodide and Node. */
export const SOURCES = ['python.js', 'pyodide.js', 'pythonDriver.js', 'pythonIntact.js', 'pythonPlain.js', 'realm.js'];
/** Those that the one with SymPy depends on beside them, and beside the wheels. */
export const SYMPY_SOURCES = [
  'algebra.js',
  'algebraCalculus.js',
  'algebraDriver.js',
  'algebraForms.js',
  'algebraNames.js',
  'algebraParser.js',
  'algebraPhrases.js',
  'algebraRead.js',
  'algebraScript.js',
  'algebraShow.js',
  'algebraSolve.js',
  'algebraText.js',
  'algebraTokens.js',
  'algebraTree.js',
  'latex.js',
  'normalize.js',
  'sympy.js',
  'sympyPayload.js',
];

let plain: Promise<Uint8Array> | undefined;
let symbolic: Promise<Uint8Array> | undefined;

/** What a child of the kind `python` is given. */
export function pythonSnapshot(): Promise<Uint8Array> {
  plain ??= keptOrMade('python', SOURCES).catch((error: unknown) => {
    // So that the next child tries again.
    plain = undefined;
    throw error;
  });
  return plain;
}

/** What a child of the kind `sympy` is given: wheels and snapshot. Throws `tool_unavailable` without the wheels. */
export function sympyPayload(): Promise<Uint8Array> {
  symbolic ??= withWheels().catch((error: unknown) => {
    symbolic = undefined;
    throw error;
  });
  return symbolic;
}

async function withWheels(): Promise<Uint8Array> {
  const wheels = await readWheels();
  const empty = packed({ wheels, snapshot: new Uint8Array() });
  const facts = (await wheelPins()).map(({ sha256 }) => sha256);
  return packed({ wheels, snapshot: await keptOrMade('sympy', [...SOURCES, ...SYMPY_SOURCES], facts, empty) });
}

async function keptOrMade(
  kind: 'python' | 'sympy',
  sources: readonly string[],
  facts: readonly string[] = [],
  payload?: Uint8Array,
): Promise<Uint8Array> {
  const file = inCacheFolder(`${kind}-${await versions(sources, facts)}.${kind === 'python' ? 'snapshot' : 'sympy'}`);
  const kept = await readPicture(file);
  if (kept !== null) return kept;
  const made = await make(kind, payload);
  await keepPicture(file, made).catch(() => undefined); // Without a writable cache folder it is made again each time.
  return made;
}

/** A hash of everything a snapshot depends on. */
async function versions(sources: readonly string[], facts: readonly string[]): Promise<string> {
  const hash = createHash('sha256');
  const { version } = createRequire(import.meta.url)('pyodide/package.json') as { version: string };
  hash.update(JSON.stringify([version, process.version, process.platform, process.arch, ...facts]));
  const folder = await childrensFolder();
  for (const name of sources) hash.update(await readFile(path.join(folder, 'child', name)));
  return hash.digest('hex').slice(0, 16);
}

async function make(kind: 'python' | 'sympy', payload: Uint8Array | undefined): Promise<Uint8Array> {
  const { child, pipe, stderr } = spawnChild(await planLaunch(kind, 'snapshot'));
  pipe.end(payload);
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let size = 0;
    pipe.on('data', (part: Buffer) => {
      parts.push(part);
      size += part.length;
      if (size > MAX_BYTES) child.kill('SIGKILL');
    });
    child.on('error', reject);
    child.on('close', (code, signal) => {
      if (code === 0 && size > 0) resolve(Buffer.concat(parts));
      else reject(new Error(exitReason(code, signal, stderr())));
    });
  });
}
