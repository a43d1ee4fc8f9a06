/** Where a snapshot comes from: one of several makes it, the others wait; a damaged one is made again. Without Python. */
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { keptOrMade } from '../../../src/tools/pythonSnapshot.js';

let folder: string;
let made: number;
const work = async () => {
  made += 1;
  await new Promise((resolve) => setTimeout(resolve, 20));
  return Buffer.from(`snapshot ${made}`);
};
const at = (...names: string[]) => path.join(folder, ...names);
const text = async (places: readonly string[]) => Buffer.from(await keptOrMade(places, work)).toString();

beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'spark-snapshot-'));
  made = 0;
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

it('is made once by two who want it, kept in the last place, and leaves no lock', async () => {
  const places = [at('package', 'a.sympy'), at('cache', 'a.sympy')];
  expect(await Promise.all([text(places), text(places)])).toEqual(['snapshot 1', 'snapshot 1']);
  expect(readdirSync(at('cache'))).toEqual(['a.sympy']);
  expect(existsSync(at('package'))).toBe(false);
});

it('is made again when it is damaged, and when nothing can be kept', async () => {
  const places = [at('a.sympy')];
  await text(places);
  writeFileSync(places[0]!, 'damaged');
  expect(await text(places)).toBe('snapshot 2');
  expect(await text(places)).toBe('snapshot 2');
  writeFileSync(at('file'), '');
  expect(await text([at('file', 'a.sympy')])).toBe('snapshot 3');
});

it('is tried again by the next one when making it fails', async () => {
  const fails = () => Promise.reject(new Error('no memory'));
  await expect(keptOrMade([at('a.sympy')], fails)).rejects.toThrow('no memory');
  expect(await text([at('a.sympy')])).toBe('snapshot 1');
});
