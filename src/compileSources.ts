/**
 * Used only when working on the sources (vitest), never in a built package. A child is a plain Node process and cannot
 * read TypeScript, so its files are compiled into node_modules/.cache, in a folder named by the hash of their content.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { SparkError } from './errors.js';

/** What a child is made of, in folders below `root`, which the compiled folder keeps. */
export interface ChildSources {
  /** Begins the name of the compiled folder. */
  readonly name: string;
  readonly root: string;
  /** Single files, relative to `root`. */
  readonly files: readonly string[];
  /** Folders, relative to `root`, of which every .ts file is compiled, without those of deeper folders. */
  readonly folders: readonly string[];
}

/** The compiled folder. Throws `internal` where there are no dev dependencies to compile with. */
export async function compileSources({ name, root, files, folders }: ChildSources): Promise<string> {
  const require = createRequire(import.meta.url);
  const names = [...files];
  for (const folder of folders) {
    for (const file of await readdir(join(root, folder))) if (file.endsWith('.ts')) names.push(join(folder, file));
  }
  const sources = await Promise.all(names.sort().map((file) => readFile(join(root, file), 'utf8')));
  const hash = createHash('sha256')
    .update(JSON.stringify([names, sources]))
    .digest('hex')
    .slice(0, 16);
  let ts: typeof import('typescript');
  let cache: string;
  try {
    cache = join(dirname(require.resolve('typescript/package.json')), '..', '.cache', 'spark-rl');
    if (existsSync(join(cache, `${name}-${hash}`))) return join(cache, `${name}-${hash}`);
    ts = require('typescript') as typeof import('typescript');
  } catch (cause) {
    throw new SparkError('internal', `expected the ${name} in dist, found only sources: run the build first`, {
      cause,
    });
  }
  const target = join(cache, `${name}-${hash}`);
  await mkdir(cache, { recursive: true });
  // Written to a temporary folder and renamed, because two test processes may do this at the same time.
  const draft = await mkdtemp(join(cache, 'draft-'));
  for (const folder of folders) await mkdir(join(draft, folder), { recursive: true });
  await writeFile(join(draft, 'package.json'), '{ "type": "module" }\n');
  const compilerOptions = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext };
  await Promise.all(
    names.map((file, index) => {
      const { outputText } = ts.transpileModule(sources[index]!, { compilerOptions });
      return writeFile(join(draft, file.replace(/\.ts$/, '.js')), outputText);
    }),
  );
  try {
    await rename(draft, target);
  } catch {
    await rm(draft, { recursive: true, force: true });
  }
  return target;
}
