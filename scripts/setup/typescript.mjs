/** src/ to dist/. */
import { chmodSync, existsSync, rmSync } from 'node:fs';
import path from 'node:path';
import { run } from './run.mjs';
import { addToStamp, filesOf, hashOf } from './stamp.mjs';

export const typescriptOutput = 'dist/cli/main.js';

/** @param {string} root */
export const typescriptHash = (root) => hashOf(root, ['src', 'tsconfig.json', 'package-lock.json']);

/** @param {string} root */
export async function compileTypeScript(root) {
  const hash = typescriptHash(root);
  dropOrphans(root);
  const args = [path.join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.json'];
  await run('compiling TypeScript', process.execPath, args, {
    cwd: root,
    code: 'setup_typescript',
    advice: 'Correct what the compiler names, or remove the folder dist/ if it names nothing that is there.',
  });
  // The compiler makes plain files; this one is the command spark-rl.
  chmodSync(path.join(root, typescriptOutput), 0o755);
  addToStamp(root, { typescript: hash });
}

/**
 * The compiler neither removes the output of a source that is gone nor, with its build record present, writes again an
 * output that was deleted.
 * @param {string} root
 */
function dropOrphans(root) {
  const dist = path.join(root, 'dist');
  for (const file of filesOf(dist)) {
    if (!/\.(js|d\.ts)(\.map)?$/.test(file)) continue;
    const source = path.relative(dist, file).replace(/\.(js|d\.ts)(\.map)?$/, '.ts');
    if (!existsSync(path.join(root, 'src', source))) rmSync(file);
  }
  const complete = filesOf(path.join(root, 'src'))
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.d.ts'))
    .every((file) => existsSync(path.join(dist, path.relative(path.join(root, 'src'), file).replace(/\.ts$/, '.js'))));
  if (!complete) rmSync(path.join(dist, '.tsbuildinfo'), { force: true });
}
