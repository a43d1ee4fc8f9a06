/** The start of what scripts/gguf-mutations.ts does with a thousand files: both verdicts on seeded damage. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { compare } from './compare.js';
import { parse, serialise } from './draft.js';
import { mutate } from './mutate.js';
import { engineVerdict } from './verdicts.js';

const folder = mkdtempSync(path.join(tmpdir(), 'spark-mutants-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const FILES = ['parity', 'parity-qwen2', 'parity-qwen3'].map((name) => `test/fixtures/${name}.gguf`);

it.each(FILES)('%s comes back whole from its parts', (file) => {
  const bytes = readFileSync(file);
  expect(serialise(parse(bytes)).bytes.equals(bytes)).toBe(true);
});

it('a seed makes the same mutant again', () => {
  const bytes = readFileSync(FILES[0]!);
  for (let seed = 0; seed < 50; seed++) {
    const [a, b] = [mutate(bytes, seed), mutate(bytes, seed)];
    expect(a.bytes.equals(b.bytes) && a.what === b.what).toBe(true);
  }
});

it('our engine refuses the key that made llama.cpp abort', async () => {
  const bytes = readFileSync(FILES[0]!);
  bytes.writeBigUInt64LE(0x1_0000_0000n, 478);
  const file = path.join(folder, 'key.gguf');
  writeFileSync(file, bytes);
  expect((await engineVerdict(file)).refusal).toContain('invalid_file');
});

it('our engine computes with nothing that llama.cpp does not take', async () => {
  const result = await compare({ files: FILES, count: 12, seed: 1, folder });
  expect(result.engine).toEqual([]);
  expect(result.header).toEqual([]);
  expect(result.llamaRefuses).toBeGreaterThan(3);
  expect(result.llamaRefuses).toBeLessThan(12);
});
