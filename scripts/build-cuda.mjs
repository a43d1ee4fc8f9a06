#!/usr/bin/env node
/**
 * Builds the CUDA backend alone, into build-cuda/, and copies it beside the addon if there is one. With a whole CUDA
 * toolkit the addon's own build (npm start) already does this. This script is for machines whose nvcc has no cuBLAS,
 * which it takes from cuBLAS' Python package, and for checking on a machine without GPU that everything compiles.
 *
 *   node scripts/build-cuda.mjs        or: npm run build:cuda
 *
 * SPARK_CUDA_ARCHITECTURES names architectures in place of the default of native/cmake/cuda.cmake, in CMake's spelling.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { run, SetupError, say } from './system.mjs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const folder = path.join(root, 'build-cuda');
const library = path.join(folder, 'libspark_cuda.so');
const addon = path.join(root, 'build/Release');

/** The folder with nvcc's include and lib. */
function toolkit() {
  const nvcc = spawnSync('nvcc', ['--dryrun', '-x', 'cu', '/dev/null'], { encoding: 'utf8' });
  const top = /^#\$ TOP=(.*)$/m.exec(nvcc.stderr ?? '')?.[1];
  if (top) return path.resolve(top);
  throw new SetupError(
    'setup_cuda',
    'expected nvcc on the PATH, got none: install the CUDA toolkit 12.8 or newer, or stay with backend cpu',
  );
}

/** CMake's argument for the place of cuBLAS; none when the toolkit has it. */
async function cublas() {
  const top = toolkit();
  const inside = ['include', 'targets/x86_64-linux/include', 'targets/sbsa-linux/include'];
  if (inside.some((at) => existsSync(path.join(top, at, 'cublasLt.h')))) return [];
  const target = path.join(folder, 'cublas');
  const at = path.join(target, 'nvidia/cu13');
  if (!existsSync(path.join(at, 'include/cublasLt.h'))) {
    const pip = ['-m', 'pip', 'install', '--quiet', '--no-deps', '--target', target, 'nvidia-cublas>=13,<14'];
    await run('bringing cuBLAS from its Python package', 'python3', pip, {
      cwd: root,
      code: 'setup_cublas',
      advice: 'Install cuBLAS with the CUDA toolkit, or give pip access to nvidia-cublas, and run this again.',
    });
  }
  return [`-DSPARK_CUBLAS_ROOT=${at}`];
}

async function main() {
  const where = await cublas();
  const options = { cwd: root, code: 'setup_cuda', advice: 'The lines above are the compiler’s.' };
  const configure = ['-S', 'native', '-B', folder, '-DCMAKE_BUILD_TYPE=Release', '-DSPARK_CUDA=ON', ...where];
  // Always given, empty for the default, because CMake would otherwise keep the architectures of an earlier build.
  const architectures = `-DSPARK_CUDA_ARCHITECTURES=${process.env.SPARK_CUDA_ARCHITECTURES ?? ''}`;
  await run('configuring the CUDA backend', 'cmake', [...configure, architectures, '-DSPARK_BUILD_TESTS=OFF'], options);
  const cores = String(os.availableParallelism());
  await run('compiling the CUDA backend', 'cmake', ['--build', folder, '--target', 'spark_cuda', '-j', cores], options);
  if (existsSync(addon)) copyFileSync(library, path.join(addon, path.basename(library)));
  say(`built ${path.relative(root, library)}`);
}

main().catch((error) => {
  if (!(error instanceof SetupError)) throw error;
  process.stderr.write(`\nsetup: ${error.message}\nsetup: stopped [${error.code}]\n`);
  process.exitCode = 1;
});
