/** Calling cmake-js, wherever the package manager has put it. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { SetupError } from './run.mjs';

/**
 * The folder of a package as Node finds it from `root`: beside it, above it, or among pnpm's links.
 * @param {string} root @param {string} name
 */
export function packageFolder(root, name) {
  let file;
  try {
    file = createRequire(path.join(root, 'package.json')).resolve(`${name}/package.json`);
  } catch {
    throw new SetupError('setup_npm', `expected the npm package ${name} beside ${root}, got none: install again`);
  }
  // Yarn's Plug'n'Play keeps packages in archives, which only Node can read; cmake and the compiler cannot.
  if (!existsSync(file) || /\.zip[\\/]/.test(file)) {
    throw new SetupError(
      'setup_npm',
      `expected ${name} as files, got ${file}: put "nodeLinker: node-modules" into .yarnrc.yml and run yarn install`,
    );
  }
  return path.dirname(file);
}

/**
 * The arguments for Node that build the addon of `root`, in `root`/build or in another folder.
 * @param {string} root @param {{ folder?: string, cuda?: string }} [options]
 */
export function cmakeJsBuild(root, { folder, cuda } = {}) {
  const script = path.join(packageFolder(root, 'cmake-js'), 'bin/cmake-js');
  return [
    // Not the native tests, which `npm test` has put into the same folder.
    ...[script, 'build', '--target', 'spark_rl', '--parallel', String(buildJobs())],
    ...(folder === undefined ? [] : ['--out', folder]),
    ...(cuda === undefined ? [] : [`--CDSPARK_CUDA=${cuda.toUpperCase()}`]),
  ];
}

/** A compiler process takes up to a gigabyte. */
function buildJobs() {
  return Math.max(1, Math.min(os.availableParallelism(), Math.floor(os.totalmem() / 2 ** 30)));
}
