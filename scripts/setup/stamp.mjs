/** What has been done, and for which content: one small file inside node_modules, so that deleting that undoes it. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** @typedef {{ packages?: string, addon?: string, typescript?: string }} Stamp hash of the inputs of each finished step */

/** @param {string} root */
const stampFile = (root) => path.join(root, 'node_modules', '.spark-setup.json');

/** @param {string} root @returns {Stamp} */
export function readStamp(root) {
  try {
    return JSON.parse(readFileSync(stampFile(root), 'utf8'));
  } catch {
    return {};
  }
}

/**
 * Called after a step has ended well, never before.
 * @param {string} root @param {Stamp} done
 */
export function addToStamp(root, done) {
  const file = stampFile(root);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(`${file}.${process.pid}.tmp`, `${JSON.stringify({ ...readStamp(root), ...done }, null, 2)}\n`);
  renameSync(`${file}.${process.pid}.tmp`, file);
}

/**
 * sha256 over names and contents: a fresh checkout has fresh dates, and a branch switched to and back has the same code.
 * @param {string} root @param {readonly string[]} sources files and folders @param {readonly string[]} [facts]
 */
export function hashOf(root, sources, facts = []) {
  const hash = createHash('sha256').update(JSON.stringify(facts));
  for (const source of sources) {
    for (const file of filesOf(path.join(root, source))) {
      hash.update(`\0${path.relative(root, file)}\0`).update(readFileSync(file));
    }
  }
  return hash.digest('hex');
}

/** @param {string} at @returns {string[]} sorted; nothing when it is not there */
export function filesOf(at) {
  if (!existsSync(at)) return [];
  if (!statSync(at).isDirectory()) return [at];
  return readdirSync(at, { withFileTypes: true })
    .filter((entry) => !(entry.isDirectory() && /^(build|node_modules$)/.test(entry.name)))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => filesOf(path.join(at, entry.name)));
}
