#!/usr/bin/env node
/**
 * The whole set-up, from a machine with only Node to a program that runs. Plain JavaScript without packages, because
 * none is installed yet. It first says what it will do, and skips steps that are done (a second run costs a few file
 * hashes). A step counts as done only when it has ended well, so after any interruption the same command goes on.
 *
 *   node scripts/setup.mjs --for start      system packages, npm packages, the engine, the TypeScript build
 *   node scripts/setup.mjs --for test       the same, and what the native tests need
 *   node scripts/setup.mjs --for pack       npm packages, the TypeScript build, SymPy: what `npm pack` takes along
 *
 * In an installed package `npx spark-rl setup` calls setUpPackage(). When SPARK_RL_NO_SYSTEM=1 is set, or installing
 * would take a password, missing system packages are not installed but named, with the command to type.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import * as fs from 'node:fs';
import { createRequire } from 'node:module';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { beSilent, checkNode, elapsed, output, run, SetupError, say, systemSteps } from './system.mjs';
import { fetchWheels, missingWheels, pinsOf } from './wheels.mjs';

const ADDON = 'Release/spark_rl.node';
const CUDA_LIBRARY = 'Release/libspark_cuda.so';
/** File beside the engine, `{ root, hash, cuda, noCuda }`: its clone or package, hash of sources, why there is no CUDA. */
const ENGINE_STAMP = 'setup.json';
/** `{ hash, sources }`: hash and names of the sources that dist/ was compiled from. */
const PROGRAM_STAMP = 'dist/.setup';

// The steps. A step is `{ says, make }`: lines that describe it, and the work.

async function stepsOfClone(root, goal, signal) {
  const build = path.join(root, 'build');
  const hash = engineHash(root);
  const engine = goal !== 'pack' && !isReady(build, hash, 'auto');
  const program = hashOf(root, ['src', 'tsconfig.json', 'package-lock.json']);
  // The native tests are compiled by their own command, so they need the tools even when the engine is built.
  const steps = engine || goal === 'test' ? systemSteps(goal, signal) : [];
  const add = (says, make) => steps.push({ says: [says], make });
  const packages = hasPackages(root);
  if (!packages) {
    add('the npm packages of package-lock.json, into node_modules/; none of their scripts is run', () =>
      installPackages(root, signal),
    );
  }
  if (missingWheels(root).length > 0) {
    add('SymPy and mpmath for the tools python and algebra, into wheels/: from where pip would fetch them', () =>
      addWheels(root, goal, signal),
    );
  }
  const compiled = readJson(path.join(root, PROGRAM_STAMP))?.hash === program;
  if (!compiled) {
    add('the program, from src/ into dist/: TypeScript, seconds', () => compileTypeScript(root, program, signal));
  }
  const last = goal === 'pack' ? [] : await sympySteps(root, packages && compiled, signal);
  if (engine) {
    last.unshift({
      says: ['the training engine, from native/ and bindings/ into build/: C++, about a minute'],
      make: () => buildEngine({ root, target: build, hash, cuda: 'auto', signal }),
    });
  }
  return [...steps, ...atOnce(last)];
}

/** Steps that do not need each other, as one: what loads SymPy works on one core, and compilers leave one idle at times. */
function atOnce(steps) {
  if (steps.length < 2) return steps;
  const make = async () => {
    const ends = await Promise.allSettled(steps.map((step) => step.make()));
    const failed = ends.find(({ status }) => status === 'rejected');
    if (failed) throw failed.reason;
  };
  const [first, ...others] = steps.flatMap(({ says }) => says);
  return [{ says: [first, ...others.map((line) => `${line}; at the same time`)], make }];
}

/**
 * Builds the engine of an installed package, in the package or, when that is read-only, in the folder `cache`. Needs no
 * registry, and no TypeScript, which comes compiled. `cuda` is auto, on or off.
 */
export async function setUpPackage({ root, cache, cuda, force, quiet, signal }) {
  if (quiet) beSilent();
  checkNode();
  for (const name of ['cmake-js', 'node-addon-api']) packageFolder(root, name);
  const hash = engineHash(root);
  const inPackage = path.join(root, 'build');
  const place = isWritable(root) || (!force && isReady(inPackage, hash, cuda)) ? 'package' : 'cache';
  const target = place === 'package' ? inPackage : cache;
  // Removed, because a build in the cache folder would be loaded in place of the new one.
  if (place === 'package') remove(cache);
  if (place === 'cache') say(`${root} is read-only: the engine goes to ${cache}`);
  const engine = {
    says: [`the training engine, into ${target}: C++, about a minute`],
    make: () => buildEngine({ root, target, hash, cuda, inDraft: true, signal }),
  };
  const wheels = {
    says: ['SymPy and mpmath for the tools python and algebra, into wheels/'],
    make: () => addWheels(root, 'start', signal),
  };
  // A package brings them along; one that was made otherwise may lack them.
  const lacks = () => missingWheels(root).length > 0;
  const barred = !isWritable(root) && lacks();
  if (barred)
    say(`without SymPy: wheels/ lacks it, and ${root} is read-only; run this as somebody who may write there`);
  let built = false;
  const toDo = async () => {
    built = force || !isReady(target, hash, cuda);
    const sympy = barred ? [] : await sympySteps(root, true, signal);
    return [
      ...(lacks() && !barred ? [wheels] : []),
      ...(built ? systemSteps('start', signal) : []),
      ...atOnce(built ? [engine, ...sympy] : sympy),
    ];
  };
  await perform(target, toDo, signal);
  const hasCuda = fs.existsSync(path.join(target, CUDA_LIBRARY));
  const noCuda = hasCuda ? null : (readJson(path.join(target, ENGINE_STAMP))?.noCuda ?? 'not asked for');
  return { addon: path.join(target, ADDON), place, built, cuda: hasCuda, noCuda };
}

/** Makes the steps that `toDo` returns, with a lock on the folder; false when there was nothing to do. */
async function perform(folder, toDo, signal) {
  if ((await toDo()).length === 0) return false;
  return withLock(folder, signal, async () => {
    // Another run may have done it while this one waited.
    const steps = await toDo();
    if (steps.length > 0) say('not there yet, and made now, in this order:');
    for (const line of steps.flatMap(({ says }) => says)) say(`  ${line}`);
    for (const { make } of steps) await make();
    return steps.length > 0;
  });
}

// npm packages and TypeScript.

/** True when npm's record of what it has installed, which it writes last, agrees with the lock file. */
function hasPackages(root) {
  const wanted = readJson(path.join(root, 'package-lock.json'))?.packages;
  const present = readJson(path.join(root, 'node_modules/.package-lock.json'))?.packages;
  if (!wanted)
    throw new SetupError('setup_npm', 'package-lock.json is missing or damaged: git checkout package-lock.json');
  if (!present) return false;
  return Object.entries(wanted).every(([at, { version, optional, devOptional }]) => {
    if (at === '') return true;
    // Optional packages may be missing: the lock file also lists binaries of other platforms.
    return at in present ? present[at].version === version : optional || devOptional;
  });
}

async function installPackages(root, signal) {
  // No package needs its install script, and as newer versions of npm run none, none may come to be needed.
  const args = ['ci', '--ignore-scripts', '--include=dev', '--include=optional', '--no-audit', '--no-fund'];
  const advice = 'See that the package registry can be reached (npm ping) and run this again.';
  await run('installing npm packages', 'npm', args, { cwd: root, code: 'setup_npm', advice, signal });
}

/** All else works without them; a package without them would not do what it says. */
async function addWheels(root, goal, signal) {
  try {
    await fetchWheels(root, { signal });
  } catch (error) {
    if (goal === 'pack' || !(error instanceof SetupError)) throw error;
    say(`without SymPy: ${error.message}`);
    say('the tool algebra, and sympy in python, are not there until this is run again; all else is');
  }
}

/**
 * SymPy in a snapshot of Python's memory, so that no first call waits half a minute for it. Only a program that is compiled
 * knows whether there is one; before that it is not asked, as a module that is loaded once stays what it was.
 */
async function sympySteps(root, compiled, signal) {
  const known = compiled && missingWheels(root).length === 0;
  const there =
    known &&
    (await snapshots(root).then(
      ({ hasSympy }) => hasSympy(),
      () => false,
    ));
  if (there || pinsOf(root).length === 0) return [];
  const says = `SymPy loaded into a snapshot of Python${known ? '' : ', unless it is there'}: half a minute or more`;
  return [{ says: [says], make: () => loadSympy(root, signal) }];
}

const snapshots = (root) => import(pathToFileURL(path.join(root, 'dist/tools/pythonSnapshot.js')).href);

async function loadSympy(root, signal) {
  if (missingWheels(root).length > 0) return;
  try {
    await (await snapshots(root)).prepareSympy({ info: say, warn: say, progress() {} }, signal);
  } catch (error) {
    signal.throwIfAborted();
    say(`SymPy could not be loaded now: ${error.message}; the first call of algebra tries again`);
  }
}

async function compileTypeScript(root, hash, signal) {
  const sources = fs.readdirSync(path.join(root, 'src'), { recursive: true }).sort();
  // When source files were added or removed, dist/ is removed first, because the compiler would leave the output of
  // removed sources. Otherwise it compiles only what has changed, in half the time.
  const stamp = path.join(root, PROGRAM_STAMP);
  if (readJson(stamp)?.sources.join() !== sources.join()) remove(path.join(root, 'dist'));
  const args = [path.join(root, 'node_modules/typescript-native/bin/tsc'), '-p', 'tsconfig.json'];
  const advice = 'Correct what the compiler names, or remove dist/ if it names nothing that is there.';
  await run('compiling TypeScript', process.execPath, args, { cwd: root, code: 'setup_typescript', advice, signal });
  // The command `spark-rl`, which the compiler does not make executable.
  fs.chmodSync(path.join(root, 'dist/cli/main.js'), 0o755);
  fs.writeFileSync(stamp, JSON.stringify({ hash, sources }));
}

// The engine.

/** Hash of sources and processor: a build uses every instruction of its processor, so another one needs another build. */
function engineHash(root) {
  return hashOf(root, ['native', 'bindings', 'CMakeLists.txt'], [process.platform, process.arch, os.cpus()[0]?.model]);
}

/** Whether the engine in the folder was built from these sources, has (or has not) CUDA as asked, and loads. */
function isReady(folder, hash, cuda) {
  const stamp = readJson(path.join(folder, ENGINE_STAMP));
  if (stamp?.hash !== hash) return false;
  const hasCuda = fs.existsSync(path.join(folder, CUDA_LIBRARY));
  // `auto` after `off` builds again, to look for CUDA.
  const asWanted = { auto: stamp.cuda !== 'off', on: hasCuda, off: !hasCuda }[cuda];
  return asWanted && loadFailure(folder) === null;
}

/** Why the engine does not load, or null. Tried in a process of its own, which a broken library may end. */
function loadFailure(folder) {
  const script = 'try { require(process.argv[1]) } catch (error) { console.log(error.message) }';
  const said = output(process.execPath, ['-e', script, path.join(folder, ADDON)]);
  return said === null ? 'a process that loads it ends' : said.trim() || null;
}

/**
 * A clone is built in `target` itself, where later builds compile only what has changed. A package (`inDraft`) is built
 * in a draft folder, from which only the libraries are moved out: a failed build then leaves the old engine, and no
 * object files stay behind.
 */
async function buildEngine({ root, target, hash, cuda, inDraft = false, signal }) {
  const folder = inDraft ? path.join(target, 'draft') : target;
  const stamp = readJson(path.join(folder, ENGINE_STAMP));
  // From scratch when no build has ended well yet, when the clone was moved (which CMake refuses), and when nothing has
  // changed and the engine still does not load.
  if (stamp?.root !== root || stamp.hash === hash) remove(folder);
  fs.mkdirSync(folder, { recursive: true });
  // Each compiler process takes up to a gigabyte.
  const jobs = Math.max(1, Math.min(os.availableParallelism(), Math.floor(os.totalmem() / 2 ** 30)));
  const script = path.join(packageFolder(root, 'cmake-js'), 'bin/cmake-js');
  // Only the addon; without a target it would also build the native tests that `npm test` configures in this folder.
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

/** The folder of a package, found as Node does from `root`: beside it, above it, or among pnpm's links. */
function packageFolder(root, name) {
  let file;
  try {
    file = createRequire(path.join(root, 'package.json')).resolve(`${name}/package.json`);
  } catch {
    throw new SetupError('setup_npm', `expected the npm package ${name} beside ${root}, got none: install again`);
  }
  // Yarn's Plug'n'Play keeps packages in archives, which cmake and the compiler cannot read.
  if (!fs.existsSync(file) || /\.zip[\\/]/.test(file)) {
    const advice = 'put "nodeLinker: node-modules" into .yarnrc.yml and run yarn install';
    throw new SetupError('setup_npm', `expected ${name} as files, got ${file}: ${advice}`);
  }
  return path.dirname(file);
}

// Lock and files.

/**
 * Keeps two processes (`npm start` and `npm test` in two windows) from building into the same folder. The lock is a
 * socket on which its holder listens: it closes when the process ends in any way, and no other process can be mistaken
 * for the holder.
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
    // Removed after two refusals: a holder that has just begun refuses for a moment, the socket of a killed one always.
    refused = answer === 'ECONNREFUSED' ? refused + 1 : 0;
    if (refused > 1) fs.rmSync(at, { force: true });
  }
  try {
    return await work();
  } finally {
    server.close();
  }
}

/** The parsed file; null when it is missing or damaged. */
function readJson(file) {
  try {
    return JSON.parse(fs.readFileSync(file, 'utf8'));
  } catch {
    return null;
  }
}

/** With retries, because a compiler that is just ending may still write into the folder. */
const remove = (folder) => fs.rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });

function isWritable(folder) {
  try {
    fs.accessSync(folder, fs.constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** Hash of names and contents; not of dates, which a checkout changes while the code stays the same. */
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

/** The program: makes a clone ready. */
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
  const made = await perform(root, () => stepsOfClone(root, goal, stop.signal), stop.signal);
  if (made) say(`ready after ${elapsed()}`);
}

// Not when this file is imported.
if (process.argv[1]?.endsWith(path.join('scripts', 'setup.mjs'))) {
  main(process.argv.slice(2)).catch((error) => {
    if (!(error instanceof SetupError)) throw error;
    process.stderr.write(`\nsetup: ${error.message}\nsetup: stopped [${error.code}]\n`);
    process.exitCode = { setup_usage: 2, setup_stopped: 130 }[error.code] ?? 1;
  });
}
