import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (file: string): string => readFileSync(path.join(root, file), 'utf8');
const filesOf = (folder: string, ending: RegExp): string[] =>
  readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => ending.test(file))
    .map((file) => path.join(folder, file));
const found = (files: readonly string[], pattern: RegExp): Set<string> =>
  new Set(files.flatMap((file) => [...read(file).matchAll(pattern)].map((match) => match[1]!)));

describe('SparkErrorCode', () => {
  const codes = found(['src/errors.ts'], /^ {2}\| '(\w+)'/gm);

  it('has the codes that set-up prints, which no compiler checks', () => {
    const printed = found(filesOf('scripts', /\.mjs$/), /'(setup_\w+)'/g);
    expect(printed).toContain('setup_cublas');
    expect([...printed].filter((code) => !codes.has(code))).toEqual([]);
  });

  it('has the codes that the engine throws', () => {
    const engine = ['core', 'cpu', 'cuda', 'model', 'ops', 'train'].map((folder) => `native/${folder}`);
    const thrown = found(
      [...engine, 'bindings'].flatMap((folder) => filesOf(folder, /\.(cpp|h|cu)$/)),
      /\bError\(\s*"(\w+)"/g,
    );
    expect(thrown).toContain('memory_limit');
    expect([...thrown].filter((code) => !codes.has(code))).toEqual([]);
  });
});
