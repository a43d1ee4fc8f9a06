/**
 * The command line of a child: a Node process under the permission model, with an empty environment and read access
 * only to the libraries it needs. Where the machine allows it, it also runs in a network namespace without interfaces
 * (`unshare`) and with a parent-death signal (`setpriv`).
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

/** What protects this machine from a child; for tests. */
export interface Isolation {
  /** Node's permission model: no file writes, no reads outside the libraries, no child processes, no addons. */
  readonly permissionModel: true;
  /** The child has no network interface. When false, only Node's network functions are disabled. */
  readonly networkNamespace: boolean;
  /** The kernel kills the child when its parent ends, even a child in an endless loop. */
  readonly parentDeathSignal: boolean;
}

const PACKAGES: Readonly<Record<HostKind, readonly string[]>> = {
  python: ['pyodide'],
  sympy: ['pyodide'],
  logic: ['z3-solver'],
  math: ['mathjs', 'simple-statistics', 'cephes'],
  chemistry: ['openchemlib'],
  corpus: ['minisearch', 'node-sqlite3-wasm'],
};

const HEAP_MB: Readonly<Record<HostKind, number>> = {
  python: 256,
  sympy: 256,
  logic: 256,
  math: 512,
  chemistry: 512,
  corpus: 512,
};

/**
 * CPU limit of a child without a parent-death signal, so that one in an endless loop does not outlive its parent for
 * ever.
 */
const ORPHAN_CPU_SECONDS = 900;

let entryFolder: Promise<string> | undefined;
let wrapper: readonly string[] | undefined;

/**
 * `mode` is the child's first argument; with `snapshot` it writes the snapshot of `kind` instead of answering calls. `tools`:
 * those of its kind that it makes images for; absent: all. `reads`: files it may read beside its libraries.
 */
export async function planLaunch(
  kind: HostKind,
  mode: HostKind | 'snapshot' = kind,
  tools?: readonly string[],
  reads: readonly string[] = [],
): Promise<LaunchPlan> {
  const folder = await childrensFolder();
  const [command, ...args] = [
    ...launcher(),
    process.execPath,
    ...permissionFlags(kind, folder, reads),
    '--no-warnings',
    '--disallow-code-generation-from-strings',
    '--experimental-vm-modules',
    ...(kind === 'math' ? fewAddresses() : []),
    // With a fixed seed Math.random() gives the same numbers in every realm.
    `--max-old-space-size=${HEAP_MB[kind]}`,
    '--stack-size=900',
    '--random-seed=1',
    join(folder, 'hostChild.js'),
    mode,
    ...(mode === 'snapshot' ? [kind] : []),
    ...(tools === undefined ? [] : [tools.join()]),
  ];
  return { command: command!, args };
}

/** The folder of hostChild.js; the tools are in its subfolder child/. */
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

function permissionFlags(kind: HostKind, folder: string, reads: readonly string[]): string[] {
  const readable = new Set([
    join(folder, '*'),
    ...PACKAGES[kind].map((name) => join(modulesFolder(name), '*')),
    ...reads,
  ]);
  return [
    permissionFlag(process.versions.node),
    ...[...readable].map((path) => `--allow-fs-read=${path}`),
    // z3 is WebAssembly with threads, which need workers. Nothing in its child evaluates JavaScript.
    ...(kind === 'logic' ? ['--allow-worker'] : []),
  ];
}

/**
 * V8 reserves 10 GB of addresses for each WebAssembly memory. Cephes has five in every realm, which came to 500 GB
 * before the first were collected; a system that limits addresses refuses that. Some Node 21 and 22 lack the flag.
 */
function fewAddresses(): string[] {
  const flag = '--disable-wasm-trap-handler';
  return process.allowedNodeEnvironmentFlags.has(flag) ? [flag] : [];
}

/** `--permission` since Node 22.13 and 23.5, `--experimental-permission` before. */
export function permissionFlag(version: string): string {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const stable = major >= 24 || (major === 23 && minor >= 5) || (major === 22 && minor >= 13);
  return stable ? '--permission' : '--experimental-permission';
}

/** The outermost node_modules that contains the package, and so its dependencies. */
function modulesFolder(name: string): string {
  const file = createRequire(import.meta.url).resolve(name);
  const marker = `${sep}node_modules${sep}`;
  const at = file.indexOf(marker);
  return at < 0 ? dirname(file) : file.slice(0, at + marker.length - 1);
}

/** The words before `node`. Found once, by trying: a machine may have the programs and still forbid namespaces. */
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

/** This file's folder in a built package; else a folder with the compiled sources. */
async function findEntryFolder(): Promise<string> {
  const here = dirname(fileURLToPath(import.meta.url));
  if (existsSync(join(here, 'hostChild.js'))) return here;
  const { compileSources } = await import('../compileSources.js');
  const files = ['builtin.ts', 'hostChild.ts', 'hostProtocol.ts', 'observation.ts'];
  return compileSources({ name: 'tool-host', root: here, files, folders: ['child'] });
}
