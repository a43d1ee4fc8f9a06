#!/usr/bin/env node
/**
 * What `npm start` and `npm test` call first: from a clone with nothing but Node, a compiler and cmake to one that runs.
 * Plain JavaScript without dependencies, because nothing is installed yet. Each step is skipped when it is done already,
 * so a second run costs a few file hashes; a step counts as done only once it ended well.
 *
 *   node scripts/setup.mjs --for start      npm packages, oneDNN, the addon, the TypeScript build
 *   node scripts/setup.mjs --for test       the same, and what the native tests need
 *   node scripts/setup.mjs --for pack       npm packages and the TypeScript build: what `npm pack` takes along
 */
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildAddon, installPackages, readNeeds } from './setup/build.mjs';
import { withLock } from './setup/lock.mjs';
import { elapsed, SetupError, say } from './setup/run.mjs';
import { checkNode, checkToolchain } from './setup/system.mjs';
import { compileTypeScript } from './setup/typescript.mjs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');

/** @param {string[]} argv */
async function main(argv) {
  const goal = argv[0] === '--for' ? argv[1] : undefined;
  if (argv.length !== 2 || (goal !== 'start' && goal !== 'test' && goal !== 'pack')) {
    throw new SetupError('setup_usage', `expected --for start, --for test or --for pack, got "${argv.join(' ')}"`);
  }
  checkNode();
  const needs = readNeeds(root, goal);
  // The native tests are compiled by their own command, so they need the toolchain even when the addon is up to date.
  if (goal === 'test' || needs.addon) await checkToolchain(goal);
  if (!needs.packages && !needs.addon && !needs.typescript) return;

  await withLock(root, async () => {
    // Another run may have done it while this one waited.
    const left = readNeeds(root, goal);
    if (left.packages) await installPackages(root);
    if (left.addon) await buildAddon(root);
    if (left.typescript) await compileTypeScript(root);
  });
  say(`ready after ${elapsed()}`);
}

main(process.argv.slice(2)).catch((error) => {
  if (!(error instanceof SetupError)) throw error;
  process.stderr.write(`\nsetup: ${error.message}\nsetup: stopped [${error.code}]\n`);
  process.exitCode = error.code === 'setup_usage' ? 2 : 1;
});
