#!/usr/bin/env node
/**
 * Checks two rules for which there is no ready-made tool:
 * - native code includes downwards only (docs/architecture.md, Who may import whom), and each outside library is included
 *   only by the parts listed below;
 * - only src/engine loads the addon.
 * Prints every breach as file:line and exits 1.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');

/** For each part of the native code the parts it may include. Only `factory` names backends; only bindings include it. */
const MAY_INCLUDE = {
  core: ['core'],
  ops: ['ops', 'core'],
  cpu: ['cpu', 'ops', 'core'],
  cuda: ['cuda', 'ops', 'core'],
  model: ['model', 'ops', 'core'],
  train: ['train', 'model', 'ops', 'core'],
  factory: ['factory', 'train', 'cpu', 'cuda', 'ops', 'core'],
  bench: ['bench', 'factory', 'train', 'model', 'cpu', 'cuda', 'ops', 'core'],
  bindings: ['bindings', 'train', 'factory', 'core/error'],
};

/** Headers of outside libraries, and the only parts that may include them. */
const OUTSIDE = [
  { header: /^(cuda|cublas|cub\/|cutlass|nvtx|nccl)/, parts: ['cuda', 'bench'] }, // bench: cuBLASLt alone
  { header: /^(dnnl|oneapi\/dnnl)/, parts: ['cpu', 'bench'] },
  { header: /^hwy\//, parts: ['cpu'] },
  { header: /^(napi|node|js_native|uv|v8)/, parts: ['bindings'] },
  { header: /^CLI\//, parts: ['bench'] },
  { header: /^doctest/, parts: [] },
];

/** @type {string[]} */
const breaches = [];

for (const file of filesOf('native', /\.(h|hpp|cuh|cpp|cu)$/).concat(filesOf('bindings', /\.(h|cpp)$/))) {
  const part = partOf(file);
  for (const { line, name, own } of includesOf(file)) {
    if (own) checkOwn(file, part, line, name);
    else checkOutside(file, part, line, name);
  }
}

for (const file of filesOf('src', /\.ts$/)) {
  if (file.startsWith('src/engine/')) continue;
  eachLine(file, (text, line) => {
    if (/process\.dlopen|['"`/][\w-]+\.node['"`]/.test(text))
      breaches.push(`${file}:${line}: only src/engine may load the addon`);
  });
}

if (breaches.length > 0) {
  console.error(`${breaches.join('\n')}\n${breaches.length} breaches of the import directions`);
  process.exitCode = 1;
} else {
  console.log('includes: every direction is kept');
}

/** @param {string} file @param {string} part @param {number} line @param {string} name */
function checkOwn(file, part, line, name) {
  const target = targetOf(file, name);
  if (target === null) {
    breaches.push(`${file}:${line}: "${name}" is not there`);
    return;
  }
  const to = partOf(target);
  const allowed = MAY_INCLUDE[/** @type {keyof typeof MAY_INCLUDE} */ (part)] ?? [];
  // An entry such as core/error allows this one header of core.
  const ok = allowed.includes(to) || allowed.some((entry) => target === `native/${entry}.h`);
  if (!ok)
    breaches.push(`${file}:${line}: ${part} may include ${allowed.join(', ') || 'nothing'}, not ${to} ("${name}")`);
}

/** @param {string} file @param {string} part @param {number} line @param {string} name */
function checkOutside(file, part, line, name) {
  const rule = OUTSIDE.find(({ header }) => header.test(name));
  if (rule !== undefined && !rule.parts.includes(part)) {
    breaches.push(
      `${file}:${line}: <${name}> belongs into ${rule.parts.join(' or ') || 'test/native'} only, not into ${part}`,
    );
  }
  // A header of ours in angle brackets would escape the rules of checkOwn.
  if (targetOf(file, name) !== null) breaches.push(`${file}:${line}: <${name}> is ours: write it in quotes`);
}

/** `native/cpu/rope.cpp` → cpu, `native/factory.h` → factory, `bindings/…` → bindings. @param {string} file */
function partOf(file) {
  const [top = '', second = ''] = file.split('/');
  return top === 'bindings' ? 'bindings' : second.replace(/\.\w+$/, '').replace(/^factory.*/, 'factory');
}

/** The header beside the file or under native/, as the compiler finds it. @param {string} file @param {string} name */
function targetOf(file, name) {
  const places = [path.posix.join(path.posix.dirname(file), name), path.posix.join('native', name)];
  return places.find((place) => existsSync(path.join(root, place))) ?? null;
}

/** @param {string} file */
function includesOf(file) {
  /** @type {{ line: number, name: string, own: boolean }[]} */
  const found = [];
  eachLine(file, (text, line) => {
    const match = /^\s*#\s*include\s*(["<])([^">]+)[">]/.exec(text);
    if (match) found.push({ line, name: String(match[2]), own: match[1] === '"' });
  });
  return found;
}

/** @param {string} file @param {(text: string, line: number) => void} use */
function eachLine(file, use) {
  readFileSync(path.join(root, file), 'utf8')
    .split('\n')
    .forEach((text, index) => {
      use(text, index + 1);
    });
}

/** @param {string} folder @param {RegExp} kind @returns {string[]} relative to the root, with slashes */
function filesOf(folder, kind) {
  if (!existsSync(path.join(root, folder))) return [];
  return readdirSync(path.join(root, folder), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && kind.test(entry.name))
    .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)).split(path.sep).join('/'))
    .sort();
}
