#!/usr/bin/env node
/** Runs clang-format on the C++ and CUDA sources: lists what is not formatted and exits 1, or with --fix formats it. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const fix = process.argv.includes('--fix');

const files = ['native', 'bindings', 'test/native'].flatMap((folder) => {
  const at = path.join(root, folder);
  if (!existsSync(at)) return [];
  return readdirSync(at, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && /\.(h|hpp|cuh|inc|cpp|cu)$/.test(entry.name))
    .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)));
});
if (files.length === 0) throw new Error(`no C++ sources under ${root}: expected native/, bindings/ and test/native/`);

const clangFormat = path.join(root, 'node_modules/clang-format-node/build/cli.js');
const args = fix ? ['-i'] : ['--dry-run', '-Werror'];
const { status, error } = spawnSync(process.execPath, [clangFormat, ...args, ...files.sort()], {
  cwd: root,
  stdio: 'inherit',
});
if (error) throw error;
if (status === 0)
  console.log(`format: ${files.length} C++ files ${fix ? 'formatted' : 'are as clang-format writes them'}`);
else console.error('format: run npm run format');
process.exitCode = status ?? 1;
