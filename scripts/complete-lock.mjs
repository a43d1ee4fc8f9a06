#!/usr/bin/env node
/**
 * Adds to package-lock.json the platform packages that a registry mirror did not have when the lock file was made. `npm
 * ci` refuses a lock file without them, and their platforms would not get their binaries. Version and platform are
 * known from the package that depends on them; the checksum is not known, and npm does without it. Run this after every
 * `npm install` behind such a mirror:
 *
 *   node scripts/complete-lock.mjs           says what it added
 */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** Names of systems in the names of platform packages, and npm's names for them. */
const OS = {
  mac: 'darwin',
  win: 'win32',
  darwin: 'darwin',
  win32: 'win32',
  linux: 'linux',
  android: 'android',
  freebsd: 'freebsd',
  openbsd: 'openbsd',
  netbsd: 'netbsd',
  openharmony: 'openharmony',
};
const CPU = ['x64', 'arm64', 'arm', 'ia32', 'riscv64', 'ppc64', 's390x', 'loong64'];
const LIBC = { gnu: 'glibc', gnueabihf: 'glibc', musl: 'musl', musleabihf: 'musl' };

/** @typedef {{ version?: string, dev?: boolean, optional?: boolean, os?: string[], cpu?: string[], libc?: string[], optionalDependencies?: Record<string, string> }} Entry */

const file = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', 'package-lock.json');
const lock = JSON.parse(readFileSync(file, 'utf8'));
/** @type {Record<string, Entry>} */
const packages = lock.packages;
const added = [];
for (const [at, entry] of Object.entries(packages)) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    if (isThere(at, name)) continue;
    packages[`node_modules/${name}`] = platformEntry(name, version, entry.dev === true);
    added.push(`${name}@${version}`);
  }
}
if (added.length > 0) {
  const [own, ...rest] = Object.entries(packages);
  lock.packages = Object.fromEntries([
    /** @type {[string, Entry]} */ (own),
    ...rest.sort(([a], [b]) => a.localeCompare(b, 'en')),
  ]);
  writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
}
console.log(added.length === 0 ? 'package-lock.json is complete' : `added ${added.join(', ')}`);

/** Whether Node would find the package beside `at` or further out. @param {string} at @param {string} name */
function isThere(at, name) {
  for (let folder = at; folder !== ''; folder = folder.slice(0, Math.max(0, folder.lastIndexOf('/node_modules/')))) {
    if (packages[`${folder}/node_modules/${name}`]) return true;
  }
  return packages[`node_modules/${name}`] !== undefined;
}

/** @param {string} name @param {string} version @param {boolean} dev @returns {Entry} */
function platformEntry(name, version, dev) {
  const words = name.split(/[/-]/);
  const os = words.flatMap((word) => (word in OS ? [OS[/** @type {keyof typeof OS} */ (word)]] : []));
  const cpu = words.filter((word) => CPU.includes(word));
  const libc = words.flatMap((word) => (word in LIBC ? [LIBC[/** @type {keyof typeof LIBC} */ (word)]] : []));
  if (os.length !== 1 || cpu.length !== 1 || !/^\d+\.\d+\.\d+/.test(version)) {
    throw new Error(`${name}@${version} is no platform package of a fixed version: add it to the lock file by hand`);
  }
  return {
    version,
    cpu,
    ...(dev ? { dev } : {}),
    ...(os[0] === 'linux' && libc.length > 0 ? { libc } : {}),
    optional: true,
    os,
  };
}
