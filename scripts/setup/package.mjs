/**
 * What `spark-rl setup` does where spark-rl is an installed package: builds the training engine from the sources in the
 * package. No registry is asked and no install script runs; TypeScript came compiled.
 *
 * The build happens in a draft folder, and only what is loaded later is moved out of it: a build that fails or is
 * interrupted leaves what was there before, and no objects stay behind.
 */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { addonSourceHash } from './build.mjs';
import { cmakeJsBuild, packageFolder } from './cmakeJs.mjs';
import { withLock } from './lock.mjs';
import { output, run, SetupError, say } from './run.mjs';
import { checkNode, checkToolchain } from './system.mjs';

const ADDON = 'Release/spark_rl.node';
const CUDA_LIBRARY = 'Release/libspark_cuda.so';
const STAMP = 'setup.json';
const DRAFT = 'draft-';

/**
 * @typedef {'auto' | 'on' | 'off'} Cuda
 * @typedef {{ hash: string, cuda: Cuda, noCuda: string | null }} Stamp `noCuda`: why there is no CUDA backend
 * @typedef {{ addon: string, place: 'package' | 'cache', built: boolean, cuda: boolean, noCuda: string | null }} Result
 */

/**
 * @param {{ root: string, cache: string, cuda: Cuda, force: boolean, signal?: AbortSignal | undefined }} options
 *   `root`: the package; `cache`: where the engine goes when the package's folder cannot be written to
 * @returns {Promise<Result>}
 */
export async function setUpPackage({ root, cache, cuda, force, signal }) {
  checkNode();
  const hash = addonSourceHash(root, versionOf(packageFolder(root, 'node-addon-api')));
  const inPackage = path.join(root, 'build');
  const place = isWritable(root) || (!force && isReady(inPackage, hash, cuda)) ? 'package' : 'cache';
  const target = place === 'package' ? inPackage : cache;
  // It would be loaded first.
  if (place === 'package') removeFolder(cache);
  if (place === 'cache') say(`${root} is read-only: the engine goes to ${cache}`);
  if (!force && isReady(target, hash, cuda)) return describe(target, place, false);
  await checkToolchain('start', signal);
  return withLock(
    target,
    async () => {
      // Another run may have done it while this one waited.
      if (!force && isReady(target, hash, cuda)) return describe(target, place, false);
      await build(root, target, hash, cuda, signal);
      return describe(target, place, true);
    },
    signal,
  );
}

/** @param {string} folder */
const versionOf = (folder) => JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8')).version;

/** @param {string} folder @returns {Stamp | null} */
function readStamp(folder) {
  try {
    return JSON.parse(readFileSync(path.join(folder, STAMP), 'utf8'));
  } catch {
    return null;
  }
}

/** Built from these sources, with what is asked for, and it loads. @param {string} folder @param {string} hash @param {Cuda} cuda */
function isReady(folder, hash, cuda) {
  const stamp = readStamp(folder);
  if (stamp?.hash !== hash) return false;
  const hasCuda = existsSync(path.join(folder, CUDA_LIBRARY));
  // `auto` after `off` builds again: CUDA may be wanted now. After `on` there is nothing to add.
  const asWanted = { auto: stamp.cuda !== 'off', on: hasCuda, off: !hasCuda }[cuda];
  return asWanted && loadFailure(path.join(folder, ADDON)) === null;
}

/** In a process of its own: a library that is broken may end it. @param {string} file */
function loadFailure(file) {
  if (!existsSync(file)) return `no ${file}`;
  const script = 'try { require(process.argv[1]) } catch (error) { console.log(error.message) }';
  const said = output(process.execPath, ['-e', script, file]);
  return said === null ? 'a process that loads it ends' : said.trim() || null;
}

/** @param {string} root */
function isWritable(root) {
  try {
    rmSync(mkdtempSync(path.join(root, DRAFT)), { recursive: true });
    return true;
  } catch (error) {
    if (['EACCES', 'EPERM', 'EROFS'].includes(/** @type {NodeJS.ErrnoException} */ (error).code ?? '')) return false;
    throw error;
  }
}

/** @param {string} root @param {string} target @param {string} hash @param {Cuda} cuda @param {AbortSignal | undefined} signal */
async function build(root, target, hash, cuda, signal) {
  mkdirSync(target, { recursive: true });
  // Left behind by a run that was killed; nobody else is at work here.
  for (const name of readdirSync(target)) if (name.startsWith(DRAFT)) removeFolder(path.join(target, name));
  const draft = mkdtempSync(path.join(target, DRAFT));
  try {
    let noCuda = /** @type {string | null} */ (null);
    await run('building the training engine (C++)', process.execPath, cmakeJsBuild(root, { folder: draft, cuda }), {
      cwd: root,
      code: cuda === 'on' ? 'setup_cuda' : 'setup_addon',
      advice: cuda === 'on' ? 'Without a GPU: spark-rl setup --cuda off' : 'Mend what the lines above name.',
      signal,
      onLine: (line) => {
        noCuda = /Without the CUDA backend: (.*)$/.exec(line)?.[1] ?? noCuda;
      },
    });
    const failure = loadFailure(path.join(draft, ADDON));
    if (failure !== null) throw new SetupError('setup_addon', `the engine was built but does not load: ${failure}`);
    removeFolder(path.join(target, 'Release'));
    renameSync(path.join(draft, 'Release'), path.join(target, 'Release'));
    writeFileSync(path.join(target, STAMP), `${JSON.stringify({ hash, cuda, noCuda })}\n`);
  } finally {
    removeFolder(draft);
    if (readdirSync(target).length === 0) removeFolder(target);
  }
}

/** A compiler that is just ending may still write into it. @param {string} folder */
const removeFolder = (folder) => rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });

/** @param {string} folder @param {'package' | 'cache'} place @param {boolean} built @returns {Result} */
function describe(folder, place, built) {
  const cuda = existsSync(path.join(folder, CUDA_LIBRARY));
  const noCuda = cuda ? null : (readStamp(folder)?.noCuda ?? 'not asked for');
  return { addon: path.join(folder, ADDON), place, built, cuda, noCuda };
}
