/** The npm packages and the addon: whether they are up to date, and making them so. */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { cmakeJsBuild } from './cmakeJs.mjs';
import { run, SetupError, say } from './run.mjs';
import { addToStamp, hashOf, readStamp } from './stamp.mjs';
import { typescriptHash, typescriptOutput } from './typescript.mjs';

const ADDON = 'build/Release/spark_rl.node';

/** @param {string} root @param {'start' | 'test' | 'pack'} goal whoever installs a package builds its addon */
export function readNeeds(root, goal) {
  const stamp = readStamp(root);
  return {
    packages:
      stamp.packages !== packagesHash(root) || !existsSync(path.join(root, 'node_modules/cmake-js/package.json')),
    addon: goal !== 'pack' && (stamp.addon !== addonHash(root) || !existsSync(path.join(root, ADDON))),
    typescript: stamp.typescript !== typescriptHash(root) || !existsSync(path.join(root, typescriptOutput)),
  };
}

/** @param {string} root */
const packagesHash = (root) => hashOf(root, ['package-lock.json']);

/** @param {string} root */
const addonHash = (root) => addonSourceHash(root, lockedVersion(root, 'node-addon-api'));

/**
 * The addon uses every instruction of the processor it was built on: a folder moved to another one is built again.
 * @param {string} root @param {string} napiVersion version of node-addon-api, whose headers are compiled in
 */
export function addonSourceHash(root, napiVersion) {
  const machine = [process.platform, process.arch, os.cpus()[0]?.model ?? ''];
  return hashOf(root, ['native', 'bindings', 'CMakeLists.txt'], [...machine, napiVersion]);
}

/** @param {string} root @param {string} name */
function lockedVersion(root, name) {
  return readLock(path.join(root, 'package-lock.json'))?.[`node_modules/${name}`]?.version ?? '';
}

/** @param {string} file @returns {Record<string, { version?: string, optional?: boolean, devOptional?: boolean }> | null} */
function readLock(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8')).packages;
  } catch {
    return null;
  }
}

/** @param {string} root */
export async function installPackages(root) {
  const before = readStamp(root);
  const hash = packagesHash(root);
  if (isInstalled(root)) {
    say('npm packages: already those of package-lock.json');
  } else {
    // When npm started us, the same npm; else the one on the PATH.
    const npm = process.env.npm_execpath;
    const [command, first] = npm?.endsWith('.js') ? [process.execPath, [npm]] : ['npm', []];
    // No package here needs its install script, and newer npm versions run none: so nobody's should be relied on.
    const args = [...first, 'ci', '--ignore-scripts', '--include=dev', '--include=optional', '--no-audit', '--no-fund'];
    await run('installing npm packages', command, args, {
      cwd: root,
      code: 'setup_npm',
      advice: 'See that the package registry can be reached (npm ping) and run this again.',
    });
  }
  // npm has emptied node_modules, and with it the record of the other steps, whose results are still there.
  addToStamp(root, { ...before, packages: hash });
}

/**
 * npm writes its own record of what it put into node_modules as its last act. When that agrees with the lock file there
 * is nothing to do, whoever installed it.
 * @param {string} root
 */
function isInstalled(root) {
  const wanted = readLock(path.join(root, 'package-lock.json'));
  const present = readLock(path.join(root, 'node_modules/.package-lock.json'));
  if (wanted === null)
    throw new SetupError('setup_npm', 'package-lock.json is missing or damaged: git checkout package-lock.json');
  if (present === null) return false;
  return Object.entries(wanted).every(([at, { version, optional, devOptional }]) => {
    if (at === '') return true;
    // Other platforms' binaries are in the lock file, but not on the disk.
    if (present[at] === undefined) return optional === true || devOptional === true;
    return present[at].version === version && existsSync(path.join(root, at, 'package.json'));
  });
}

/** @param {string} root */
export async function buildAddon(root) {
  const hash = addonHash(root);
  dropUselessCache(root);
  await run('building the addon (C++)', process.execPath, cmakeJsBuild(root), {
    cwd: root,
    code: 'setup_addon',
    advice:
      'If the compiler or a library has changed since the last build, remove the folder build/ and run this again.',
  });
  if (!existsSync(path.join(root, ADDON))) {
    throw new SetupError('setup_addon', `the build ended well but made no ${ADDON}: remove build/ and run this again`);
  }
  addToStamp(root, { addon: hash });
}

/**
 * Removes a build folder that cannot be built in: CMake refuses one that was made under another path, as in a copied or
 * moved clone, and cmake-js does not configure again where a first attempt failed half-way.
 * @param {string} root
 */
function dropUselessCache(root) {
  const build = path.join(root, 'build');
  const cache = path.join(build, 'CMakeCache.txt');
  if (!existsSync(cache)) return;
  const home = /^CMAKE_HOME_DIRECTORY:INTERNAL=(.*)$/m.exec(readFileSync(cache, 'utf8'))?.[1];
  const moved = home !== undefined && path.resolve(home) !== root;
  const configured = ['build.ninja', 'Makefile'].some((name) => existsSync(path.join(build, name)));
  if (moved || !configured) rmSync(build, { recursive: true, force: true });
}
