/**
 * How a child is started: a Node process under the permission model, with an empty environment and read access to the
 * libraries it needs, and, where the machine has them, inside a network namespace without interfaces (`unshare`) and
 * with a parent-death signal (`setpriv`).
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { HostKind } from './hostProtocol.js';

export interface LaunchPlan {
  readonly command: string;
  readonly args: readonly string[];
}

/** What protects the parent's machine from a child, for `doctor` and for tests that must know. */
export interface Isolation {
  /** Node's permission model: no file writes, no reads outside the libraries, no child processes, no addons. */
  readonly permissionModel: true;
  /** The child has no network interface at all, whatever runs in it. Without it, only JavaScript's doors are shut. */
  readonly networkNamespace: boolean;
  /** The kernel ends the child with its parent, even when the parent is killed and the child is in a loop. */
  readonly parentDeathSignal: boolean;
}

const PACKAGES: Readonly<Record<HostKind, readonly string[]>> = {
  python: ['pyodide'],
  logic: ['z3-solver'],
  math: ['mathjs', 'nerdamer-prime', 'simple-statistics', 'openchemlib'],
  corpus: ['minisearch'],
};

const HEAP_MB: Readonly<Record<HostKind, number>> = { python: 256, logic: 256, math: 512, corpus: 512 };

/** Without a parent-death signal a child caught in a loop by the parent's own death ends after this much CPU time. */
const ORPHAN_CPU_SECONDS = 900;

let entryFolder: Promise<string> | undefined;
let wrapper: readonly string[] | undefined;

/** `mode` is what the child is told to be; `snapshot` makes Python's picture instead of answering calls. */
export async function planLaunch(kind: HostKind, mode: HostKind | 'snapshot' = kind): Promise<LaunchPlan> {
  const folder = await childrensFolder();
  const [command, ...args] = [
    ...launcher(),
    process.execPath,
    ...permissionFlags(kind, folder),
    ...['--no-warnings', '--disallow-code-generation-from-strings', '--experimental-vm-modules'],
    // A fixed seed: Math.random() starts from the same number in every realm.
    ...[`--max-old-space-size=${HEAP_MB[kind]}`, '--stack-size=900', '--random-seed=1'],
    ...[join(folder, 'hostChild.js'), mode],
  ];
  return { command: command!, args };
}

/** Where hostChild.js lies, with what the children load in `child/`. */
export function childrensFolder(): Promise<string> {
  entryFolder ??= findEntryFolder();
  return entryFolder;
}

export function isolation(): Isolation {
  const words = launcher();
  return {
    permissionModel: true,
    networkNamespace: words.includes('--net'),
    parentDeathSignal: words.includes('--pdeathsig'),
  };
}

function permissionFlags(kind: HostKind, folder: string): string[] {
  const readable = new Set([join(folder, '*'), ...PACKAGES[kind].map((name) => join(modulesFolder(name), '*'))]);
  return [
    permissionFlag(process.versions.node),
    ...[...readable].map((path) => `--allow-fs-read=${path}`),
    // z3 is WebAssembly with threads. Nothing in its host evaluates JavaScript.
    ...(kind === 'logic' ? ['--allow-worker'] : []),
  ];
}

/** `--permission` since 22.13 and 23.5; the experimental name before. */
export function permissionFlag(version: string): string {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const stable = major >= 24 || (major === 23 && minor >= 5) || (major === 22 && minor >= 13);
  return stable ? '--permission' : '--experimental-permission';
}

/** The outermost node_modules that holds the package: its own dependencies are found from there. */
function modulesFolder(name: string): string {
  const file = createRequire(import.meta.url).resolve(name);
  const marker = `${sep}node_modules${sep}`;
  const at = file.indexOf(marker);
  return at < 0 ? dirname(file) : file.slice(0, at + marker.length - 1);
}

/** Words before `node`. Tried once: a machine may have the programs and still forbid namespaces. */
function launcher(): readonly string[] {
  wrapper ??= findLauncher();
  return wrapper;
}

function findLauncher(): readonly string[] {
  if (process.platform === 'win32') return [];
  const words: string[] = [];
  const find = (name: string) =>
    ['/usr/bin', '/bin'].map((folder) => join(folder, name)).find((path) => existsSync(path));
  const works = (candidate: readonly string[]) =>
    spawnSync(candidate[0]!, [...candidate.slice(1), process.execPath, '--version'], {
      env: {},
      timeout: 5000,
      stdio: 'ignore',
    }).status === 0;
  const unshare = process.platform === 'linux' ? find('unshare') : undefined;
  if (unshare !== undefined) {
    const candidate = [unshare, '--user', '--map-root-user', '--net', '--'];
    if (works(candidate)) words.push(...candidate);
  }
  const setpriv = process.platform === 'linux' ? find('setpriv') : undefined;
  if (setpriv !== undefined) {
    const candidate = [setpriv, '--no-new-privs', '--pdeathsig', 'KILL', '--'];
    if (works([...words, ...candidate])) return [...words, ...candidate];
  }
  return [...words, '/bin/sh', '-c', `ulimit -t ${ORPHAN_CPU_SECONDS}; exec "$0" "$@"`];
}

/** Beside this file when built, else compiled from the sources beside this file. */
async function findEntryFolder(): Promise<string> {
  const here = dirname(fileURLToPath(import.meta.url));
  if (existsSync(join(here, 'hostChild.js'))) return here;
  const { compileFromSource } = await import('./hostSource.js');
  return compileFromSource(here);
}
