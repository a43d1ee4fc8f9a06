/**
 * Two processes that find the claim of a holder who is gone: one of them asks at a time. Each waits at random before what it does
 * with a lock file, so that every order of their steps comes up.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { ownIdentity } from '../../../src/processIdentity.js';

const base = mkdtempSync(path.join(tmpdir(), 'spark-claims-'));
afterAll(() => rmSync(base, { recursive: true, force: true }));

const ROUNDS = 40;
const KEYS = Array.from({ length: ROUNDS }, (_, at) => at.toString(16).padStart(64, 'a'));

const script = (folder: string, me: string) => `
  import fs from 'node:fs';
  import { syncBuiltinESMExports } from 'node:module';
  const cell = new Int32Array(new SharedArrayBuffer(4));
  const sleep = (ms) => Atomics.wait(cell, 0, 0, ms);
  let active = false;
  for (const name of ['rmSync', 'renameSync', 'linkSync', 'readFileSync', 'statSync']) {
    const real = fs[name];
    fs[name] = (file, ...rest) => {
      if (active && String(file).includes('.lock')) sleep(Math.random() < 0.25 ? 30 : 0);
      return real(file, ...rest);
    };
  }
  syncBuiltinESMExports();
  const { SharedVerdicts } = await import(${JSON.stringify(path.resolve('dist/judge/sharedVerdicts.js'))});
  const folder = ${JSON.stringify(folder)};
  const cache = new SharedVerdicts(folder + '/cache');
  const there = (name) => { fs.writeFileSync(folder + '/' + name, ''); };
  const wait = (name) => { while (!fs.existsSync(folder + '/' + name)) sleep(1); };
  there('opened-${me}');
  wait('begin');
  active = true;
  for (const key of ${JSON.stringify(KEYS)}) {
    there(key.slice(-4) + '-${me}');
    for (const other of ['a', 'b']) wait(key.slice(-4) + '-' + other);
    await cache.once(key, { judge: 'j', bytes: 400, ask: async () => {
      let alone = true;
      try { fs.writeFileSync(folder + '/asking', '', { flag: 'wx' }); } catch { alone = false; }
      sleep(20);
      if (alone) fs.rmSync(folder + '/asking');
      console.log(alone ? 'alone' : 'two at once');
      return { verdict: { scores: {}, processOk: null }, keep: false };
    } });
  }`;

const another = (change: object) =>
  JSON.stringify({ id: 'another', ...ownIdentity(), since: '', command: 'spark-rl generate', ...change });

it.each([
  ['is dead', () => another({ pid: spawnSync(process.execPath, ['-e', '']).pid })],
  ['is of another machine, long ago', () => another({ host: 'far-away' })],
  ['cannot be read', () => '{'],
])('the holder %s', async (what, text) => {
  const folder = path.join(base, what.replaceAll(/\W/g, '-'));
  const claims = path.join(folder, 'cache/claims');
  mkdirSync(claims, { recursive: true });
  const work = ['a', 'b'].map((me) => {
    const child = spawn(process.execPath, ['--input-type=module', '-e', script(folder, me)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    child.stdout.on('data', (data) => {
      said += data;
    });
    return new Promise<string[]>((resolve) => child.on('close', () => resolve(said.trimEnd().split('\n'))));
  });
  // The claims of those that are gone come after both have opened the cache, which would end them.
  while (!['opened-a', 'opened-b'].every((name) => readdirSync(folder).includes(name))) {
    await new Promise((next) => setTimeout(next, 20));
  }
  const left = text();
  const long = new Date(Date.now() - 3_600_000);
  for (const key of KEYS) {
    const file = path.join(claims, `${key}.lock`);
    writeFileSync(file, left);
    utimesSync(file, long, long);
  }
  writeFileSync(path.join(folder, 'begin'), '');
  expect((await Promise.all(work)).flat()).toEqual(Array.from({ length: 2 * ROUNDS }, () => 'alone'));
  expect(readdirSync(claims)).toEqual([]);
});
