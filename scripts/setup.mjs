#!/usr/bin/env node
/**
 * Set-up, all of it: from a machine with nothing but Node to a program that runs. Plain JavaScript without packages,
 * because nothing is installed yet. It says first what it will do, skips each step that is done (a second run costs a few
 * file hashes), and takes a step for done only once it has ended well: whatever stops it, the same command goes on.
 *
 *   node scripts/setup.mjs --for start      system packages, npm packages, the engine, the TypeScript build
 *   node scripts/setup.mjs --for test       the same, and what the native tests need
 *   node scripts/setup.mjs --for pack       npm packages and the TypeScript build: what `npm pack` takes along
 *
 * In an installed package `npx spark-rl setup` calls setUpPackage(). With SPARK_RL_NO_SYSTEM=1 system packages are only
 * named, with the command to type, as where installing them would take a password.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import * as fs from 'node:fs';
import { createRequire } from 'node:module';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { beSilent, checkNode, elapsed, output, run, SetupError, say, systemSteps } from './system.mjs';

const ADDON = 'Release/spark_rl.node';
const CUDA_LIBRARY = 'Release/libspark_cuda.so';
/** Beside the engine, `{ root, hash, cuda, noCuda }`: whose it is, of which sources, why it has no CUDA backend. */
const ENGINE_STAMP = 'setup.json';
/** `{ hash, sources }` of what dist/ was compiled from. */
const PROGRAM_STAMP = 'dist/.setup';

// What is to be done. A step is `{ says, make }`: lines for people, and the work.

function stepsOfClone(root, goal, signal) {
  const build = path.join(root, 'build');
  const hash = engineHash(root);
  const engine = goal !== 'pack' && !isReady(build, hash, 'auto');
  const program = hashOf(root, ['src', 'tsconfig.json', 'package-lock.json']);
  // The native tests are compiled by their own command, so they need the tools even when the engine is built.
  const steps = engine || goal === 'test' ? systemSteps(goal, signal) : [];
  const add = (says, make) => steps.push({ says: [says], make });
  if (!hasPackages(root)) {
    add('the npm packages of package-lock.json, into node_modules/; none of their scripts is run', () =>
      installPackages(root, signal),
    );
  }
  if (engine) {
    add('the training engine, from native/ and bindings/ into build/: C++, about a minute', () =>
      buildEngine({ root, target: build, hash, cuda: 'auto', signal }),
    );
  }
  if (readJson(path.join(root, PROGRAM_STAMP))?.hash !== program) {
    add('the program, from src/ into dist/: TypeScript, seconds', () => compileTypeScript(root, program, signal));
  }
  return steps;
}

/**
 * Builds the engine of an installed package: in the package or, where that is read-only, in the folder `cache`. No
 * registry is asked, and TypeScript came compiled. `cuda` is auto, on or off.
 */
export async function setUpPackage({ root, cache, cuda, force, quiet, signal }) {
  if (quiet) beSilent();
  checkNode();
  for (const name of ['cmake-js', 'node-addon-api']) packageFolder(root, name);
  const hash = engineHash(root);
  const inPackage = path.join(root, 'build');
  const place = isWritable(root) || (!force && isReady(inPackage, hash, cuda)) ? 'package' : 'cache';
  const target = place === 'package' ? inPackage : cache;
  // It would be loaded first.
  if (place === 'package') remove(cache);
  if (place === 'cache') say(`${root} is read-only: the engine goes to ${cache}`);
  const engine = {
    says: [`the training engine, into ${target}: C++, about a minute`],
    make: () => buildEngine({ root, target, hash, cuda, inDraft: true, signal }),
  };
  const toDo = () => (!force && isReady(target, hash, cuda) ? [] : [...systemSteps('start', signal), engine]);
  const built = await perform(target, toDo, signal);
  const hasCuda = fs.existsSync(path.join(target, CUDA_LIBRARY));
  const noCuda = hasCuda ? null : (readJson(path.join(target, ENGINE_STAMP))?.noCuda ?? 'not asked for');
  return { addon: path.join(target, ADDON), place, built, cuda: hasCuda, noCuda };
}

/** False: there was nothing to do. */
async function perform(folder, toDo, signal) {
  if (toDo().length === 0) return false;
  return withLock(folder, signal, async () => {
    // Another run may have done it while this one waited.
    const steps = toDo();
    if (steps.length > 0) say('not there yet, and made now, in this order:');
    for (const line of steps.flatMap(({ says }) => says)) say(`  ${line}`);
    for (const { make } of steps) await make();
    return steps.length > 0;
  });
}

// npm packages and TypeScript.

/** npm's own record of what it put into node_modules, its last act, must agree with the lock file. */
function hasPackages(root) {
  const wanted = readJson(path.join(root, 'package-lock.json'))?.packages;
  const present = readJson(path.join(root, 'node_modules/.package-lock.json'))?.packages;
  if (!wanted)
    throw new SetupError('setup_npm', 'package-lock.json is missing or damaged: git checkout package-lock.json');
  if (!present) return false;
  return Object.entries(wanted).every(([at, { version, optional, devOptional }]) => {
    if (at === '') return true;
    // Other platforms' binaries are in the lock file, but not on the disk.
    return at in present ? present[at].version === version : optional || devOptional;
  });
}

async function installPackages(root, signal) {
  // No package here needs its install script, and newer npm versions run none: so nobody's should be relied on.
  const args = ['ci', '--ignore-scripts', '--include=dev', '--include=optional', '--no-audit', '--no-fund'];
  const advice = 'See that the package registry can be reached (npm ping) and run this again.';
  await run('installing npm packages', 'npm', args, { cwd: root, code: 'setup_npm', advice, signal });
}

async function compileTypeScript(root, hash, signal) {
  const sources = fs.readdirSync(path.join(root, 'src'), { recursive: true }).sort();
  // With other names than last time from scratch: the compiler leaves what it made of a source that is gone. Else it
  // compiles what has changed, in half the time.
  const stamp = path.join(root, PROGRAM_STAMP);
  if (readJson(stamp)?.sources.join() !== sources.join()) remove(path.join(root, 'dist'));
  const args = [path.join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.json'];
  const advice = 'Correct what the compiler names, or remove dist/ if it names nothing that is there.';
  await run('compiling TypeScript', process.execPath, args, { cwd: root, code: 'setup_typescript', advice, signal });
  // The compiler makes plain files; this one is the command spark-rl.
  fs.chmodSync(path.join(root, 'dist/cli/main.js'), 0o755);
  fs.writeFileSync(stamp, JSON.stringify({ hash, sources }));
}

// The engine.

/** It uses every instruction of the processor it was built on: a folder moved to another one is built again. */
function engineHash(root) {
  return hashOf(root, ['native', 'bindings', 'CMakeLists.txt'], [process.platform, process.arch, os.cpus()[0]?.model]);
}

/** Built from these sources, with what is asked for, and it loads. */
function isReady(folder, hash, cuda) {
  const stamp = readJson(path.join(folder, ENGINE_STAMP));
  if (stamp?.hash !== hash) return false;
  const hasCuda = fs.existsSync(path.join(folder, CUDA_LIBRARY));
  // `auto` after `off` builds again: CUDA may be wanted now. After `on` there is nothing to add.
  const asWanted = { auto: stamp.cuda !== 'off', on: hasCuda, off: !hasCuda }[cuda];
  return asWanted && loadFailure(folder) === null;
}

/** In a process of its own: a library that is broken may end it. */
function loadFailure(folder) {
  const script = 'try { require(process.argv[1]) } catch (error) { console.log(error.message) }';
  const said = output(process.execPath, ['-e', script, path.join(folder, ADDON)]);
  return said === null ? 'a process that loads it ends' : said.trim() || null;
}

/**
 * In a clone in `target` itself, where a change compiles little. In a package in a draft folder, of which only what is
 * loaded later is moved out: a build that fails leaves what was there before, and no objects stay behind.
 */
async function buildEngine({ root, target, hash, cuda, inDraft = false, signal }) {
  const folder = inDraft ? path.join(target, 'draft') : target;
  const stamp = readJson(path.join(folder, ENGINE_STAMP));
  // From scratch where no build has ended well yet, where the clone was copied or moved (CMake refuses that), and where
  // there is nothing to compile and still it does not load.
  if (stamp?.root !== root || stamp.hash === hash) remove(folder);
  fs.mkdirSync(folder, { recursive: true });
  // A compiler process takes up to a gigabyte.
  const jobs = Math.max(1, Math.min(os.availableParallelism(), Math.floor(os.totalmem() / 2 ** 30)));
  const script = path.join(packageFolder(root, 'cmake-js'), 'bin/cmake-js');
  // Not the native tests, which `npm test` has put into the same folder.
  const args = [script, 'build', '--target', 'spark_rl', '--parallel', `${jobs}`, '--out', folder];
  let noCuda = null;
  try {
    await run('building the training engine', process.execPath, [...args, `--CDSPARK_CUDA=${cuda.toUpperCase()}`], {
      ...{ cwd: root, signal, code: cuda === 'on' ? 'setup_cuda' : 'setup_addon' },
      advice: cuda === 'on' ? 'Without a GPU: spark-rl setup --cuda off' : `Mend what they name, or remove ${folder}.`,
      onLine: (line) => {
        noCuda = /Without the CUDA backend: (.*)$/.exec(line)?.[1] ?? noCuda;
      },
    });
    const failure = loadFailure(folder);
    if (failure !== null) throw new SetupError('setup_addon', `the engine was built but does not load: ${failure}`);
    if (inDraft) {
      remove(path.join(target, 'Release'));
      fs.renameSync(path.join(folder, 'Release'), path.join(target, 'Release'));
    }
    fs.writeFileSync(path.join(target, ENGINE_STAMP), `${JSON.stringify({ root, hash, cuda, noCuda })}\n`);
  } finally {
    if (inDraft) remove(folder);
    if (fs.readdirSync(target).length === 0) remove(target);
  }
}

/** The folder of a package as Node finds it from `root`: beside it, above it, or among pnpm's links. */
function packageFolder(root, name) {
  let file;
  try {
    file = createRequire(path.join(root, 'package.json')).resolve(`${name}/package.json`);
  } catch {
    throw new SetupError('setup_npm', `expected the npm package ${name} beside ${root}, got none: install again`);
  }
  // Yarn's Plug'n'Play keeps packages in archives, which only Node can read; cmake and the compiler cannot.
  if (!fs.existsSync(file) || /\.zip[\\/]/.test(file)) {
    const advice = 'put "nodeLinker: node-modules" into .yarnrc.yml and run yarn install';
    throw new SetupError('setup_npm', `expected ${name} as files, got ${file}: ${advice}`);
  }
  return path.dirname(file);
}

// One at a time; files.

/**
 * `npm start` and `npm test` in two windows would build into the same folder. The lock is a socket that its holder listens
 * on: it closes with the process however that ends, and no other process can be taken for the holder.
 */
async function withLock(folder, signal, work) {
  const at = path.join(os.tmpdir(), `spark-rl-setup-${createHash('sha256').update(folder).digest('hex').slice(0, 16)}`);
  const server = net.createServer((socket) => socket.destroy());
  const failure = (emitter, event) =>
    once(emitter, event).then(
      () => null,
      (error) => error.code,
    );
  for (let waits = false, refused = 0; ; await sleep(100)) {
    signal?.throwIfAborted();
    const taken = await failure(server.listen({ path: at, readableAll: true, writableAll: true }), 'listening');
    if (taken === null) break;
    if (taken !== 'EADDRINUSE') throw new SetupError('setup_addon', `expected to listen on ${at}, got ${taken}`);
    const holder = net.connect(at).on('error', () => {});
    const answer = await failure(holder, 'connect');
    holder.destroy();
    if (answer === null && !waits) say(`waiting for another setup of this folder to end (lock ${at})`);
    waits ||= answer === null;
    // Twice: one that has just begun refuses for a moment, one that was killed for ever.
    refused = answer === 'ECONNREFUSED' ? refused + 1 : 0;
    if (refused > 1) fs.rmSync(at, { force: true });
  }
  try {
    return await work();
  } finally {
    server.close();
  }
}

/** null: not there, or torn. */
function readJson(file) {
  try {
    return JSON.parse(fs.readFileSync(file, 'utf8'));
  } catch {
    return null;
  }
}

/** A compiler that is just ending may still write into it. */
const remove = (folder) => fs.rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });

function isWritable(folder) {
  try {
    fs.accessSync(folder, fs.constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** Of names and contents: a fresh checkout has fresh dates, and a branch switched to and back has the same code. */
function hashOf(root, sources, facts = []) {
  const hash = createHash('sha256').update(JSON.stringify(facts));
  for (const source of sources.map((name) => path.join(root, name))) {
    const inside = fs.statSync(source).isDirectory() ? fs.readdirSync(source, { recursive: true }).sort() : [''];
    for (const file of inside.map((name) => path.join(source, name)).filter((name) => fs.statSync(name).isFile())) {
      hash.update(`\0${path.relative(root, file)}\0`).update(fs.readFileSync(file));
    }
  }
  return hash.digest('hex');
}

/** Called as a program: makes the clone ready. */
async function main(argv) {
  const goal = argv[0] === '--for' ? argv[1] : undefined;
  if (argv.length !== 2 || !['start', 'test', 'pack'].includes(goal)) {
    throw new SetupError('setup_usage', `expected --for start, --for test or --for pack, got "${argv.join(' ')}"`);
  }
  checkNode();
  const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
  const stop = new AbortController();
  const reason = new SetupError('setup_stopped', 'interrupted: the same command goes on from here');
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(name, () => stop.abort(reason));
  if (await perform(root, () => stepsOfClone(root, goal, stop.signal), stop.signal)) say(`ready after ${elapsed()}`);
}

// Not where it is imported.
if (process.argv[1]?.endsWith(path.join('scripts', 'setup.mjs'))) {
  main(process.argv.slice(2)).catch((error) => {
    if (!(error instanceof SetupError)) throw error;
    process.stderr.write(`\nsetup: ${error.message}\nsetup: stopped [${error.code}]\n`);
    process.exitCode = { setup_usage: 2, setup_stopped: 130 }[error.code] ?? 1;
  });
}
