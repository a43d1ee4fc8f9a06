/** A corpus file in the tools' sandbox, in a configuration, and on the command line. */
import { openSync, readdirSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { resolveConfig } from '../../../../src/config/index.js';
import { corpusSha256 } from '../../../../src/tools/corpus.js';
import { buildCorpus } from '../../../../src/tools/corpusFile/build.js';
import { createBuiltinRegistry, type ToolRegistry } from '../../../../src/tools/registry.js';
import { runHere } from '../../cli/runHere.js';
import { folderOfTests, writeJsonl } from './articles.js';

const folder = folderOfTests();
const file = path.join(folder, 'a.corpus');
const context = { timeoutMs: 20_000, maxObservationChars: 300 };
const registries: ToolRegistry[] = [];
const open = (corpus: string) => {
  const registry = createBuiltinRegistry({ tools: ['encyclopedia', 'search'], corpus });
  registries.push(registry);
  return registry;
};
let bytes = 0;

beforeAll(async () => {
  ({ bytes } = await buildCorpus([writeJsonl(path.join(folder, 'a.jsonl'))], file));
});
afterAll(() => Promise.all(registries.map((registry) => registry.dispose())));

describe('a corpus file in the sandbox', () => {
  it('answers two registries at once, leaves nothing beside it, and is not changed', async () => {
    const before = readFileSync(file);
    const [one, two] = [open(file), open(file)];
    const [article, passages, nothing] = await Promise.all([
      one.run('encyclopedia', 'What is the Great Charter?', context),
      two.run('search', 'tax on imported goods', context),
      one.run('search', 'flux capacitor', context),
    ]);
    expect(article).toEqual({ ok: true, observation: expect.stringMatching(/^Magna Carta \(found as .*1215/) });
    expect(passages).toEqual({ ok: true, observation: expect.stringMatching(/^1\. Tariff: A tariff is a tax/) });
    expect(nothing).toMatchObject({
      ok: false,
      code: 'tool_input',
      observation: expect.stringMatching(/^nothing relevant/),
    });
    expect(readdirSync(folder).filter((name) => name.startsWith('a.corpus'))).toEqual(['a.corpus']);
    expect(readFileSync(file).equals(before)).toBe(true);
  });

  it('says that a file is cut at the start, and that its pages are damaged at the call', async () => {
    const cut = path.join(folder, 'cut.corpus');
    writeFileSync(cut, readFileSync(file).subarray(0, bytes));
    await expect(open(cut).warm()).rejects.toMatchObject({
      code: 'tool_unavailable',
      message: expect.stringMatching(/without its seal/),
    });
    await expect(corpusSha256(cut)).rejects.toMatchObject({ code: 'invalid_file' });
    const damaged = path.join(folder, 'damaged.corpus');
    writeFileSync(damaged, readFileSync(file));
    const descriptor = openSync(damaged, 'r+');
    writeSync(descriptor, Buffer.alloc(bytes - 16384, 0xa5), 0, bytes - 16384, 8192);
    const result = await open(damaged).run('search', 'tariff quota', context);
    expect(result).toMatchObject({
      ok: false,
      code: 'tool_failed',
      observation: expect.stringMatching(/cannot be read/),
    });
    await expect(corpusSha256(damaged)).rejects.toMatchObject({
      code: 'invalid_file',
      message: expect.stringMatching(/damaged/),
    });
  });

  it('refuses a path that the permission model would read as a pattern', () => {
    const starred = path.join(folder, 'a*.corpus');
    writeFileSync(starred, readFileSync(file));
    expect(() => open(starred)).toThrow(/without "\*"/);
  });
});

describe('tools.corpus', () => {
  it('is made absolute, and what a stage depends on is its content, not its name', async () => {
    expect(resolveConfig({ tools: { corpus: 'x.corpus' } }).tools.corpus).toBe(path.resolve('x.corpus'));
    expect(resolveConfig().tools.corpus).toBeNull();
    const copy = path.join(folder, 'copy.corpus');
    writeFileSync(copy, readFileSync(file));
    expect(await corpusSha256(copy)).toBe(await corpusSha256(file));
    const other = path.join(folder, 'other.corpus');
    await buildCorpus([path.join(folder, 'a.jsonl')], other, { passageChars: 100, overlapChars: 0 });
    expect(await corpusSha256(other)).not.toBe(await corpusSha256(file));
  });
});

describe('spark-rl corpus', () => {
  it('builds, says what is in a file, verifies it and asks it', async () => {
    const out = path.join(folder, 'cli.corpus');
    const built = await runHere(['corpus', 'build', path.join(folder, 'a.jsonl'), '--out', out]);
    expect(built.stdout).toMatch(/6 articles, 2 other names, 6 passages of at most 600 characters/);
    expect(built.stdout).toContain('1 articles without text');
    expect((await runHere(['corpus', 'info', out, '--verify'])).stdout).toContain('every byte is as it was built');
    const again = await runHere(['corpus', 'build', path.join(folder, 'a.jsonl'), '--out', out]);
    expect([again.code, again.stderr]).toEqual([2, expect.stringContaining('--overwrite')]);
    const asked = await runHere(['corpus', 'search', 'boron', '--corpus', out, '--tool', 'encyclopedia', '--json']);
    expect(asked.json()).toEqual({ ok: true, observation: expect.stringMatching(/^Boron: /) });
    const none = await runHere(['corpus', 'search', 'zzqq', '--corpus', out]);
    expect([none.code, none.stdout]).toEqual([1, expect.stringContaining('nothing relevant')]);
    const empty = await runHere(['corpus', 'search', 'x', '--corpus', path.join(folder, 'nowhere')]);
    expect([empty.code, empty.stderr]).toEqual([1, expect.stringMatching(/io_error.*folder of .jsonl/)]);
  });

  it('does not say that a build goes on which begins anew', async () => {
    // As soon as the command listens for it.
    const interrupt = (name: string | symbol) =>
      name === 'SIGINT' && queueMicrotask(() => process.emit('SIGINT', 'SIGINT'));
    process.on('newListener', interrupt);
    const done = await runHere([
      'corpus',
      'build',
      path.join(folder, 'a.jsonl'),
      '--out',
      path.join(folder, 'i.corpus'),
    ]);
    process.off('newListener', interrupt);
    expect(done.stderr).toMatch(/stopping \(again.*error \[interrupted\].*begins anew/s);
    expect(done.stderr).not.toMatch(/go on|saving/);
  });

  it.each([
    [['build', 'x.jsonl'], 'corpus build expects --out FILE'],
    [['build', '--out', 'x'], 'corpus build expects files or folders'],
    [['info', 'x', '--out', 'y'], 'corpus info has no use for --out'],
    [['search', 'x', '--chars', '3'], '--chars: expected 40 or more'],
  ])('%j is refused', async (args, words) => {
    const done = await runHere(['corpus', ...args]);
    expect([done.code, done.stderr]).toEqual([2, expect.stringContaining(words)]);
  });
});
