/**
 * Used only when working on the sources (vitest), never in a built package. A child is a plain Node process and cannot
 * read TypeScript, so its files are compiled into node_modules/.cache, in a folder named by the hash of their content.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { SparkError } from '../errors.js';

export async function compileFromSource(folder: string): Promise<string> {
  const require = createRequire(import.meta.url);
  const names = ['builtin.ts', 'hostChild.ts', 'hostProtocol.ts', 'observation.ts'];
  for (const name of await readdir(join(folder, 'child'))) if (name.endsWith('.ts')) names.push(join('child', name));
  const sources = await Promise.all(names.sort().map((name) => readFile(join(folder, name), 'utf8')));
  const hash = createHash('sha256')
    .update(JSON.stringify([names, sources]))
    .digest('hex')
    .slice(0, 16);
  let ts: typeof import('typescript');
  try {
    ts = require('typescript') as typeof import('typescript');
  } catch (cause) {
    throw new SparkError('internal', 'expected dist/tools/hostChild.js, found only sources: run the build first', {
      cause,
    });
  }
  const cache = join(dirname(require.resolve('typescript/package.json')), '..', '.cache', 'spark-rl');
  const target = join(cache, `tool-host-${hash}`);
  if (existsSync(target)) return target;
  await mkdir(cache, { recursive: true });
  // Written to a temporary folder and renamed, because two test processes may do this at the same time.
  const draft = await mkdtemp(join(cache, 'draft-'));
  await mkdir(join(draft, 'child'));
  await writeFile(join(draft, 'package.json'), '{ "type": "module" }\n');
  const compilerOptions = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext };
  await Promise.all(
    names.map((name, index) => {
      const { outputText } = ts.transpileModule(sources[index]!, { compilerOptions });
      return writeFile(join(draft, name.replace(/\.ts$/, '.js')), outputText);
    }),
  );
  try {
    await rename(draft, target);
  } catch {
    await rm(draft, { recursive: true, force: true });
  }
  return target;
}
