/** What must be on the machine: Node, a C++20 compiler, cmake, and three libraries' headers. */
import { output, run, SetupError, say } from './run.mjs';

const MIN_NODE = [20, 19];
const MIN_CMAKE = [3, 20];

/**
 * The headers to look for and the packages that bring them. `test`: needed for the native tests and
 * benchmarks only.
 * @type {readonly { header: string, what: string, test?: boolean, apt: string, dnf: string, brew: string }[]}
 */
const LIBRARIES = [
  { header: 'dnnl.hpp', what: 'oneDNN', apt: 'libdnnl-dev', dnf: 'onednn-devel', brew: 'onednn' },
  {
    header: 'nlohmann/json.hpp',
    what: 'nlohmann/json',
    apt: 'nlohmann-json3-dev',
    dnf: 'json-devel',
    brew: 'nlohmann-json',
  },
  {
    header: 'doctest/doctest.h',
    what: 'doctest',
    test: true,
    apt: 'doctest-dev',
    dnf: 'doctest-devel',
    brew: 'doctest',
  },
  { header: 'CLI/CLI.hpp', what: 'CLI11', test: true, apt: 'libcli11-dev', dnf: 'cli11-devel', brew: 'cli11' },
];

/** @typedef {'apt' | 'dnf' | 'brew'} Manager */

/** Throws `setup_platform` on Windows, `setup_node` on a Node that is too old. */
export function checkNode() {
  if (process.platform === 'win32') {
    throw new SetupError(
      'setup_platform',
      'expected Linux or macOS, got Windows: use WSL 2 (wsl --install) and clone inside it',
    );
  }
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (!isAtLeast([major, minor], MIN_NODE)) {
    throw new SetupError(
      'setup_node',
      `expected Node ${MIN_NODE.join('.')} or newer, got ${process.versions.node}: see nodejs.org`,
    );
  }
}

/**
 * Names what is missing, installs libraries where that needs no password.
 * @param {'start' | 'test' | 'pack'} goal @param {AbortSignal} [signal]
 */
export async function checkToolchain(goal, signal) {
  const manager = findManager();
  checkCmake(manager);
  const compiler = findCompiler(manager);
  const wanted = LIBRARIES.filter((library) => goal === 'test' || !library.test);
  const missing = missingLibraries(compiler, wanted);
  if (missing.length === 0) return;
  await installLibraries(manager, missing, signal);
  const still = missingLibraries(compiler, wanted);
  if (still.length > 0) throw packagesError(manager, still, 'installed, but the compiler still does not find');
}

/** @param {Manager | null} manager */
function checkCmake(manager) {
  const found = /(\d+)\.(\d+)/.exec(output('cmake', ['--version']) ?? '');
  const fix = { apt: 'apt-get install -y cmake make', dnf: 'dnf install -y cmake make', brew: 'brew install cmake' };
  const wanted = `cmake ${MIN_CMAKE.join('.')} or newer`;
  if (found === null) throw missingTool('setup_cmake', `${wanted}, got none`, manager, fix);
  const version = [Number(found[1]), Number(found[2])];
  if (!isAtLeast(version, MIN_CMAKE))
    throw missingTool('setup_cmake', `${wanted}, got ${version.join('.')}`, manager, fix);
  if (output('make', ['--version']) === null && output('ninja', ['--version']) === null) {
    const make = { apt: 'apt-get install -y make', dnf: 'dnf install -y make', brew: 'brew install ninja' };
    throw missingTool('setup_cmake', 'make or ninja (cmake builds with one of them), got neither', manager, make);
  }
}

/** @param {Manager | null} manager @returns {string} */
function findCompiler(manager) {
  const names = process.env.CXX ? [process.env.CXX] : ['c++', 'g++', 'clang++'];
  const there = names.filter((name) => compilerOutput(name, ['--version']) !== null);
  const source =
    '#if __cplusplus >= 202002L && __has_include(<span>) && __has_include(<concepts>)\nSPARK_CXX20\n#endif\n';
  const able = there.find((name) =>
    compilerOutput(name, ['-std=c++20', '-E', '-x', 'c++', '-'], source)?.includes('SPARK_CXX20'),
  );
  if (able !== undefined) return able;
  const got =
    there.length === 0 ? `none (tried ${names.join(', ')})` : `${there.join(', ')}, which knows too little of it`;
  throw missingTool('setup_compiler', `a C++20 compiler (GCC 11, Clang 14, Xcode 15 or newer), got ${got}`, manager, {
    apt: 'apt-get install -y g++',
    dnf: 'dnf install -y gcc-c++',
    brew: 'xcode-select --install',
  });
}

/** CXX may hold more than a name: `ccache g++`. @param {string} compiler @param {string[]} args @param {string} [input] */
function compilerOutput(compiler, args, input) {
  const [command = '', ...first] = compiler.trim().split(/\s+/);
  return output(command, [...first, ...args], input);
}

/**
 * Asks the compiler itself, which knows its search path best. Where CMake has been told of another place
 * (CMAKE_PREFIX_PATH, dnnl_DIR and the like), CMake decides.
 * @template {{ header: string }} L
 * @param {string} compiler @param {readonly L[]} libraries @returns {L[]}
 */
function missingLibraries(compiler, libraries) {
  if (process.env.CMAKE_PREFIX_PATH || process.env.dnnl_DIR || process.env.nlohmann_json_DIR) return [];
  const source = libraries.map(({ header }, i) => `#if __has_include(<${header}>)\nSPARK_HAS_${i}_\n#endif\n`).join('');
  const brew = process.platform === 'darwin' ? ['-I/opt/homebrew/include', '-I/usr/local/include'] : [];
  const seen = compilerOutput(compiler, ['-std=c++20', ...brew, '-E', '-x', 'c++', '-'], source) ?? '';
  return libraries.filter((_, i) => !seen.includes(`SPARK_HAS_${i}_`));
}

/** @param {Manager | null} manager @param {typeof LIBRARIES} missing @param {AbortSignal | undefined} signal */
async function installLibraries(manager, missing, signal) {
  const superuser = process.getuid?.() === 0 ? [] : output('sudo', ['-n', 'true']) !== null ? ['sudo', '-n'] : null;
  // Homebrew and dnf change more than they are asked for; there the command is shown instead.
  if (manager !== 'apt' || superuser === null) throw packagesError(manager, missing, 'missing');
  const packages = missing.map((library) => library.apt);
  const aptGet = async (/** @type {string} */ what, /** @type {string[]} */ args) => {
    const [command = '', ...rest] = [...superuser, 'env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get', ...args];
    const advice = `Install them by hand and run this again:\n  ${installCommand('apt', packages)}`;
    await run(what, command, rest, { cwd: '/', code: 'setup_packages', advice, signal });
  };
  const wait = ['-o', 'DPkg::Lock::Timeout=120'];
  const install = ['install', '-y', '--no-install-recommends', ...wait, ...packages];
  try {
    await aptGet(`installing ${packages.join(', ')}`, install);
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    // Fresh containers come without package lists.
    say('that did not work; once more with fresh package lists');
    await aptGet('fetching package lists', ['update', ...wait]);
    await aptGet(`installing ${packages.join(', ')}`, install);
  }
}

/** @param {Manager | null} manager @param {typeof LIBRARIES} missing @param {string} how */
function packagesError(manager, missing, how) {
  const names = missing.map((library) => `${library.what} (<${library.header}>)`).join(', ');
  const commands = managersToShow(manager).map(
    (name) =>
      `  ${installCommand(
        name,
        missing.map((library) => library[name]),
      )}`,
  );
  return new SetupError('setup_packages', `${how} ${names}. Install with\n${commands.join('\n')}\nand run this again`);
}

/** @param {string} code @param {string} expected @param {Manager | null} manager @param {Record<Manager, string>} fix */
function missingTool(code, expected, manager, fix) {
  const commands = managersToShow(manager).map((name) => `  ${name === 'brew' ? '' : prefix()}${fix[name]}`);
  return new SetupError(code, `expected ${expected}. Install with\n${commands.join('\n')}\nand run this again`);
}

/** @param {Manager} manager @param {string[]} packages */
function installCommand(manager, packages) {
  if (manager === 'brew') return `brew install ${packages.join(' ')}`;
  return `${prefix()}${manager === 'apt' ? 'apt-get' : 'dnf'} install -y ${packages.join(' ')}`;
}

const prefix = () => (process.getuid?.() === 0 ? '' : 'sudo ');

/** The machine's own, or all of them where it has none that we know. @param {Manager | null} manager @returns {Manager[]} */
const managersToShow = (manager) => (manager === null ? ['apt', 'dnf', 'brew'] : [manager]);

/** @returns {Manager | null} */
function findManager() {
  if (process.platform === 'darwin') return 'brew';
  if (output('apt-get', ['--version']) !== null) return 'apt';
  return output('dnf', ['--version']) !== null ? 'dnf' : null;
}

/** @param {readonly number[]} version @param {readonly number[]} least */
function isAtLeast([major = 0, minor = 0], [leastMajor = 0, leastMinor = 0]) {
  return major > leastMajor || (major === leastMajor && minor >= leastMinor);
}
