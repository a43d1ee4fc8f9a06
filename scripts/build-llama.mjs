#!/usr/bin/env node
/**
 * Builds programs of llama.cpp's own, from the source that node-llama-cpp brings along as a git bundle: the very version that
 * it serves. For tests and as a peer in benchmarks; nothing of it is shipped. Needs git, cmake and a C++ compiler, no network.
 *
 *   node scripts/build-llama.mjs llama-server llama-batched-bench     prints where each lies; takes long
 *
 * They are kept in node_modules/.cache/llama.cpp, so that a second call builds nothing.
 */
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { run, SetupError } from './system.mjs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const library = path.dirname(createRequire(import.meta.url).resolve('node-llama-cpp'));
const bundle = path.resolve(library, '../llama/gitRelease.bundle');
const folder = path.join(root, 'node_modules/.cache/llama.cpp');
const source = path.join(folder, 'source');
const built = path.join(folder, 'build');

const OFF = ['BUILD_SHARED_LIBS', 'LLAMA_OPENSSL', 'LLAMA_USE_PREBUILT_UI', 'LLAMA_BUILD_UI', 'LLAMA_BUILD_TESTS'];

async function main() {
  const programs = process.argv.slice(2);
  if (programs.length === 0)
    throw new SetupError('setup_usage', 'expected names of programs, such as llama-server, got none');
  const options = { cwd: root, code: 'setup_cmake', advice: 'The lines above are of git, cmake or the compiler.' };
  mkdirSync(folder, { recursive: true });
  if (!existsSync(path.join(source, 'CMakeLists.txt'))) {
    rmSync(source, { recursive: true, force: true });
    await run('unpacking llama.cpp', 'git', ['clone', '--quiet', bundle, source], options);
  }
  const off = OFF.map((name) => `-D${name}=OFF`);
  await run(
    'configuring llama.cpp',
    'cmake',
    ['-S', source, '-B', built, '-DCMAKE_BUILD_TYPE=Release', ...off],
    options,
  );
  const jobs = ['-j', String(os.availableParallelism())];
  await run(`compiling ${programs.join(', ')}`, 'cmake', ['--build', built, '--target', ...programs, ...jobs], options);
  for (const program of programs) process.stdout.write(`${path.join(built, 'bin', program)}\n`);
}

main().catch((error) => {
  if (!(error instanceof SetupError)) throw error;
  process.stderr.write(`\nsetup: ${error.message}\nsetup: stopped [${error.code}]\n`);
  process.exitCode = 1;
});
