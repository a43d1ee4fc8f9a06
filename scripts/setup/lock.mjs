/** One setup at a time in one folder: `npm start` and `npm test` in two windows would build into the same one. */
import { createHash } from 'node:crypto';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { say } from './run.mjs';

const SIGNALS = /** @type {const} */ (['SIGINT', 'SIGTERM']);

/**
 * Without a `signal` the process ends at Ctrl-C; with one the caller sees to that.
 * @template T
 * @param {string} root the folder that is locked
 * @param {() => Promise<T>} work @param {AbortSignal} [signal] @returns {Promise<T>}
 */
export async function withLock(root, work, signal) {
  const name = createHash('sha256').update(root).digest('hex').slice(0, 16);
  const file = path.join(os.tmpdir(), `spark-rl-setup-${name}.lock`);
  for (let waited = false; !take(file); waited = true) {
    if (!waited) say(`waiting for another setup of this folder to end (process ${holder(file)}, lock ${file})`);
    await sleep(250, undefined, { signal });
  }
  const release = () => rmSync(file, { force: true });
  process.once('exit', release);
  const end = () => process.exit(130);
  if (signal === undefined) for (const name of SIGNALS) process.once(name, end);
  try {
    return await work();
  } finally {
    release();
    process.removeListener('exit', release);
    for (const name of SIGNALS) process.removeListener(name, end);
  }
}

/** @param {string} file */
function take(file) {
  try {
    writeFileSync(file, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'EEXIST') throw error;
  }
  // Left behind by a process that was killed.
  const pid = holder(file);
  if (pid !== null && !isAlive(pid)) rmSync(file, { force: true });
  return false;
}

/** @param {string} file */
function holder(file) {
  try {
    const pid = Number.parseInt(readFileSync(file, 'utf8'), 10);
    return pid > 0 ? pid : null;
  } catch {
    return null;
  }
}

/** @param {number} pid */
function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return /** @type {NodeJS.ErrnoException} */ (error).code === 'EPERM';
  }
}
