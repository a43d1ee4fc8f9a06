/**
 * What the types of the package reach, as a compiler follows them from its exports. It reads all of them where a project has not
 * set skipLibCheck, and node-llama-cpp's do not compile then.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';

const { exports } = JSON.parse(readFileSync('package.json', 'utf8')) as {
  readonly exports: Readonly<Record<string, { readonly types?: string }>>;
};

/** Packages that the declarations import, with the file that does. */
function reached(entries: readonly string[]): Map<string, string> {
  const packages = new Map<string, string>();
  const seen = new Set<string>();
  const todo = [...entries];
  for (let file = todo.pop(); file !== undefined; file = todo.pop()) {
    if (seen.has(file)) continue;
    seen.add(file);
    const text = readFileSync(file, 'utf8');
    for (const [, name] of text.matchAll(/(?:from|import|import\()\s*['"]([^'"]+)['"]/g)) {
      if (name!.startsWith('.')) todo.push(path.join(path.dirname(file), name!.replace(/\.js$/, '.d.ts')));
      else if (!name!.startsWith('node:')) packages.set(name!, file);
    }
  }
  return packages;
}

it('the public types need only types that compile', () => {
  const entries = Object.values(exports).flatMap(({ types }) => types ?? []);
  expect(entries).toHaveLength(5);
  expect([...reached(entries).keys()].sort()).toEqual(['@modelcontextprotocol/client', 'openai', 'zod']);
});
