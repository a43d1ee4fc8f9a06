import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { changes, hashOfPath, inWords } from '../../../src/run/freshness.js';
import { temporaryFolder } from '../cli/runCli.js';

describe('hashOfPath', () => {
  it('is of what a folder holds: the names and the bytes of its files, not where it lies', async () => {
    const root = temporaryFolder();
    const folder = path.join(root, 'a');
    mkdirSync(path.join(folder, 'deep'), { recursive: true });
    writeFileSync(path.join(folder, 'one'), '1');
    writeFileSync(path.join(folder, 'deep', 'two'), '2');
    const before = await hashOfPath(folder);
    renameSync(folder, path.join(root, 'b'));
    expect(await hashOfPath(path.join(root, 'b'))).toBe(before);
    renameSync(path.join(root, 'b', 'one'), path.join(root, 'b', 'three'));
    expect(await hashOfPath(path.join(root, 'b'))).not.toBe(before);
  });

  it('of a file is the file’s, and nothing there is an error', async () => {
    const file = path.join(temporaryFolder(), 'file');
    await expect(hashOfPath(file)).rejects.toMatchObject({ code: 'io_error' });
    writeFileSync(file, 'abc');
    expect(await hashOfPath(file)).toMatch(/^ba7816bf/);
  });
});

describe('changes', () => {
  it('names every fact that differs, wherever it stands, with both values', () => {
    const before = { tau: 6, tools: { timeoutMs: 10, names: ['a', 'b'] }, gone: 1 };
    const now = { tau: 7, tools: { timeoutMs: 10, names: ['a'] }, added: null };
    expect(inWords(changes(before, now))).toBe(
      'tau 6, now 7; tools.names ["a","b"], now ["a"]; gone 1, now not set; added not set, now null',
    );
    expect(changes(now, structuredClone(now))).toEqual([]);
  });

  it('shortens what nobody reads, and leaves out what is too much', () => {
    expect(inWords(changes({ model: 'f'.repeat(64) }, { model: 'e'.repeat(64) }))).toBe(
      'model "fffffffffff…, now "eeeeeeeeeee…',
    );
    const many = Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`n${i}`, i]));
    expect(inWords(changes(many, {}))).toMatch(/^n0 0, now not set;.*n4 4, now not set; …$/);
  });
});
