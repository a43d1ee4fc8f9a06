/**
 * The part of set-up that concerns the machine: finds out which tools and libraries are missing, installs them with the
 * package manager, and runs commands with progress. Plain JavaScript without packages, as scripts/setup.mjs.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';

const started = Date.now();
let silent = false;

/** A failure the user can do something about; its message says what was expected, what came instead, and what to do. */
export class SetupError extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

const MANAGERS = {
  apt: {
    install: ['apt-get', 'install', '-y'],
    unsaid: ['--no-install-recommends', '-o', 'DPkg::Lock::Timeout=120'],
    // Fresh containers come without package lists.
    refresh: ['apt-get', 'update', '-o', 'DPkg::Lock::Timeout=120'],
  },
  dnf: { install: ['dnf', 'install', '-y'] },
  // No `refresh`: on Arch, fresh package lists without upgrading everything can break the system.
  pacman: { install: ['pacman', '-S', '--needed', '--noconfirm'] },
  brew: { install: ['brew', 'install'] },
};

const COMPILERS = 'GCC 11, Clang 14, Xcode 15 or newer';
/** `packages`: names for apt, dnf, pacman, brew; `got(compiler)`: what was found instead, falsy when it is there. */
const NEEDS = [
  need('setup_cmake', 'cmake 3.20 or newer', 'plans the build', 'cmake cmake cmake cmake', () => {
    const version = /\d+\.\d+/.exec(output('cmake', ['--version']) ?? '')?.[0] ?? 'none';
    return !isAtLeast(version, 3, 20) && version;
  }),
  need('setup_cmake', 'make or ninja', 'runs the build', 'make make make ninja', () => {
    return ['make', 'ninja'].every((name) => output(name, ['--version']) === null) && 'neither';
  }),
  need('setup_compiler', `a C++20 compiler (${COMPILERS})`, 'compiles the engine', 'g++ gcc-c++ gcc -', (compiler) => {
    return compiler === undefined && `none (tried ${compilers().join(', ')})`;
  }),
  // Comes with GCC, but not with clang.
  { ...library('omp.h', 'OpenMP', 'threads', 'libomp-dev libomp-devel openmp libomp'), ofCompiler: true },
  library('dnnl.hpp', 'oneDNN', 'matrix products', 'libdnnl-dev onednn-devel onednn onednn'),
  library('hwy/highway.h', 'Highway', 'vectors of any processor', 'libhwy-dev highway-devel highway highway'),
  library('nlohmann/json.hpp', 'JSON', 'file headers', 'nlohmann-json3-dev json-devel nlohmann-json nlohmann-json'),
  { ...library('doctest/doctest.h', 'doctest', 'its tests', 'doctest-dev doctest-devel doctest doctest'), test: true },
  { ...library('CLI/CLI.hpp', 'CLI11', 'its benchmarks', 'libcli11-dev cli11-devel cli11 cli11'), test: true },
];

function need(code, what, why, packages, got) {
  return { code, what, why, packages: packages.split(' '), got };
}

function library(header, what, why, packages) {
  const got = (compiler) => !preprocesses(compiler, `__has_include(<${header}>)`) && 'none';
  return { ...need('setup_packages', `${what} (<${header}>)`, why, packages, got), header };
}

function isAtLeast(version, major, minor) {
  const [a = 0, b = 0] = version.split('.').map(Number);
  return a > major || (a === major && b >= minor);
}

export function checkNode() {
  if (process.platform === 'win32') {
    const advice = 'use WSL 2 (wsl --install) and clone inside it';
    throw new SetupError('setup_platform', `expected Linux or macOS, got Windows: ${advice}`);
  }
  const { node } = process.versions;
  if (!isAtLeast(node, 20, 19)) {
    throw new SetupError('setup_node', `expected Node 20.19 or newer, got ${node}: see nodejs.org`);
  }
}

/** CXX may be more than a name: `ccache g++`. */
const compilers = () => (process.env.CXX ? [process.env.CXX] : ['c++', 'g++', 'clang++']);

/** Whether the compiler's preprocessor finds the condition true; it knows best where it looks for headers. */
function preprocesses(compiler, condition) {
  if (compiler === undefined) return false;
  const [command, ...first] = compiler.trim().split(/\s+/);
  const brew = ['/opt/homebrew', '/usr/local'].flatMap((at) => [`-I${at}/include`, `-I${at}/opt/libomp/include`]);
  const args = [...first, '-std=c++20', ...(process.platform === 'darwin' ? brew : []), '-E', '-x', 'c++', '-'];
  return output(command, args, `#if ${condition}\nSPARK_YES\n#endif\n`)?.includes('SPARK_YES') === true;
}

function whatIsMissing(goal) {
  const modern = '__cplusplus >= 202002L && __has_include(<span>) && __has_include(<concepts>)';
  const compiler = compilers().find((name) => preprocesses(name, modern));
  const { CXX, CMAKE_PREFIX_PATH, dnnl_DIR, hwy_DIR, nlohmann_json_DIR } = process.env;
  // Libraries are not checked when CMake was given other places for them, nor before a wrong CXX is corrected.
  const unseen = CMAKE_PREFIX_PATH || dnnl_DIR || hwy_DIR || nlohmann_json_DIR || (CXX && compiler === undefined);
  return NEEDS.filter((need) => !need.test || goal === 'test')
    .filter((need) => !need.header || !unseen)
    .filter((need) => !need.ofCompiler || compiler !== undefined)
    .map((need) => ({ ...need, got: need.got(compiler) }))
    .filter((need) => need.got);
}

/** One step when something is missing, else none. */
export function systemSteps(goal, signal) {
  const missing = whatIsMissing(goal);
  if (missing.length === 0) return [];
  const manager =
    process.platform === 'darwin'
      ? 'brew'
      : ['apt', 'dnf', 'pacman'].find((name) => output(MANAGERS[name].install[0], ['--version']) !== null);
  const says = [
    `system packages: ${packagesOf(manager ?? 'apt', missing).join(' ')}`,
    ...missing.map(({ what, why }) => `    ${what}: ${why}`),
  ];
  return [{ says, make: () => installSystemPackages(manager, missing, goal, signal) }];
}

function packagesOf(manager, needs) {
  const column = Object.keys(MANAGERS).indexOf(manager);
  return needs.map(({ packages }) => packages[column]).filter((name) => name !== '-');
}

async function installSystemPackages(manager, missing, goal, signal) {
  const refusal = whyNot(manager, missing);
  if (refusal) throw missingError(manager, missing, refusal);
  const { install, unsaid = [], refresh } = MANAGERS[manager];
  const packages = packagesOf(manager, missing);
  const advice = `Install them by hand and run this again:\n${typed(manager, missing).join('\n')}`;
  const call = async (what, words) => {
    const sudo = process.getuid() === 0 ? [] : ['sudo', '-n'];
    const [command, ...args] = [...sudo, 'env', 'DEBIAN_FRONTEND=noninteractive', ...words];
    // Without `signal`, because a package manager must not be stopped half-way, and because sudo needs the terminal,
    // which a process group of its own would not have.
    await run(what, command, args, { cwd: '/', code: 'setup_packages', advice });
    signal?.throwIfAborted();
  };
  const all = () => call(`installing ${packages.join(', ')}`, [...install, ...packages, ...unsaid]);
  try {
    await all();
  } catch (error) {
    if (!refresh || signal?.aborted) throw error;
    say('that did not work; once more with fresh package lists');
    await call('fetching package lists', refresh);
    await all();
  }
  const still = whatIsMissing(goal);
  if (still.length > 0) throw missingError(manager, still, 'that has been done, and it still is not found');
}

/** Why packages are not installed here; null when they can be. */
function whyNot(manager, missing) {
  if (process.env.SPARK_RL_NO_SYSTEM) return 'not done here: SPARK_RL_NO_SYSTEM is set';
  if (manager === undefined) return 'not done here: expected apt-get, dnf or pacman, got none of them';
  if (manager === 'brew') return 'not done here: Homebrew is yours to run';
  if (process.env.CXX && missing.some(({ code }) => code === 'setup_compiler'))
    return 'or set CXX to one that is there';
  if (process.getuid() === 0 || output('sudo', ['-n', 'true']) !== null) return null;
  return 'not done here: it takes root, and there is no sudo without a password';
}

function missingError(manager, missing, note) {
  const expected = missing.map(({ what, got }) => `${what}, got ${got}`).join('; ');
  const commands = (manager ? [manager] : ['apt', 'dnf', 'pacman']).flatMap((name) => typed(name, missing));
  const message = `expected ${expected}. Install with\n${commands.join('\n')}\nand run this again (${note})`;
  return new SetupError(missing[0].code, message);
}

/** The commands that a user has to type. */
function typed(manager, missing) {
  const packages = packagesOf(manager, missing);
  const sudo = manager === 'brew' || process.getuid() === 0 ? [] : ['sudo'];
  const install = `  ${[...sudo, ...MANAGERS[manager].install, ...packages].join(' ')}`;
  // Apple's compiler is not a package of Homebrew.
  return [
    ...(packages.length < missing.length ? ['  xcode-select --install'] : []),
    ...(packages.length ? [install] : []),
  ];
}

export const elapsed = () => `${((Date.now() - started) / 1000).toFixed(1)} s`;

/** Turns off messages; errors still contain everything. */
export function beSilent() {
  silent = true;
}

const isTerminal = () => process.stderr.isTTY === true && !silent;
/** On a terminal: takes away the line of progress that a command beside may have written. */
const CLEAR = '\r\u001b[K';

/** Prints to stderr, because stdout is for results. */
export function say(message) {
  if (!silent) process.stderr.write(`${isTerminal() ? CLEAR : ''}setup ${elapsed().padStart(8)}  ${message}\n`);
}

/**
 * Runs a command to its end, showing its last line of output as progress, and its last forty when it fails. An abort by
 * `signal` ends the command with everything it has started, and throws the reason. A failure throws SetupError with
 * `code` and `advice`.
 */
export async function run(what, command, args, { cwd, code, advice, signal, onLine }) {
  signal?.throwIfAborted();
  say(`${what} …`);
  const begun = Date.now();
  const seconds = () => ((Date.now() - begun) / 1000).toFixed(0);
  const tail = [];
  // With a signal it gets a process group of its own, so that compilers started by cmake can be ended with it.
  const child = spawn(command, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'], detached: signal !== undefined });
  const stop = () => {
    try {
      process.kill(-child.pid, 'SIGTERM');
    } catch {
      // It has already ended.
    }
  };
  signal?.addEventListener('abort', stop);
  const tty = isTerminal();
  const show = () => {
    const news = `${seconds()} s  ${tail.at(-1) ?? ''}`;
    if (tty) process.stderr.write(`${CLEAR}${`  ${news}`.slice(0, (process.stderr.columns ?? 80) - 1)}`);
    else say(`${what} … ${news}`);
  };
  const timer = setInterval(show, tty ? 250 : 15_000);
  for (const input of [child.stdout, child.stderr]) {
    createInterface({ input }).on('line', (line) => {
      onLine?.(line);
      if (line.trim() !== '') tail.push(line);
      if (tail.length > 40) tail.shift();
    });
  }
  const end = await new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (status, killer) => resolve(status ?? killer));
  });
  clearInterval(timer);
  signal?.removeEventListener('abort', stop);
  if (tty) process.stderr.write(CLEAR);
  signal?.throwIfAborted();
  if (end === 0) return say(`${what}: done in ${seconds()} s`);
  const lines = tail.length === 0 ? '  (no output)' : tail.map((line) => `  ${line}`).join('\n');
  const words = [command, ...args].join(' ');
  const message = `${what} failed (${end}). The command was\n  ${words}\nand its last lines were\n${lines}\n${advice}`;
  throw new SetupError(code, message);
}

/** Output of a short command; null when the command does not exist or fails. */
export function output(command, args, input = '') {
  const done = spawnSync(command, args, { input, encoding: 'utf8', timeout: 60_000 });
  return done.status === 0 ? done.stdout : null;
}
