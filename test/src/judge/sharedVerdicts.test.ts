import { spawn, spawnSync } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { resolveConfig } from '../../../src/config/index.js';
import { SparkError } from '../../../src/errors.js';
import { requestKey, withCache } from '../../../src/judge/cache.js';
import type { Judge, JudgeVerdict } from '../../../src/judge/judge.js';
import { openApiJudge } from '../../../src/judge/open.js';
import { SharedVerdicts } from '../../../src/judge/sharedVerdicts.js';
import { JudgeStats } from '../../../src/judge/stats.js';
import { ownIdentity } from '../../../src/processIdentity.js';
import { startOpenAiServer } from '../../loopback/openaiServer.mjs';
import { full } from '../full.js';
import { NAMES, thoughtRequest } from './requests.js';

let base: string;
let shared: string;
beforeEach(() => {
  base = mkdtempSync(path.join(os.tmpdir(), 'spark-shared-'));
  shared = path.join(base, 'shared');
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

const scores = Object.fromEntries(NAMES.map((name, at) => [name, at]));
const VERDICT: JudgeVerdict = { scores, processOk: true };
/** A judge that counts, and waits until it is let go. */
function counting(id = 'j') {
  const calls: string[] = [];
  let go = () => {};
  const gate = new Promise<void>((resolve) => {
    go = resolve;
  });
  const judge: Judge = {
    id,
    async judge({ thought }) {
      calls.push(thought ?? '');
      await gate;
      return VERDICT;
    },
  };
  return { judge, calls, go };
}
const runOf = (name: string) => path.join(base, name, 'judge-cache');
const fileOf = (key: string) => path.join(shared, 'verdicts', `${key.slice(0, 3)}.jsonl`);
const claim = (key: string, kind: string) => path.join(shared, 'claims', `${key}.${kind}`);
const holder = (change: object = {}) =>
  JSON.stringify({ id: 'another', ...ownIdentity(), since: '', command: 'spark-rl generate', ...change });
const deadPid = () => spawnSync(process.execPath, ['-e', '']).pid;

describe('the cache of all runs', () => {
  it('serves every run, and says what came from it', async () => {
    const { judge, calls, go } = counting();
    go();
    const first = withCache(judge, runOf('a'), { shared });
    await first.judge(thoughtRequest(), {});
    expect(first.size).toBe(0);
    expect(existsSync(runOf('a'))).toBe(false);
    const stats = new JudgeStats();
    const second = withCache(judge, runOf('b'), { shared, stats });
    expect(await second.judge(thoughtRequest(), {})).toEqual(VERDICT);
    expect(calls).toHaveLength(1);
    expect(stats.used()).toBe('0 verdicts asked for (0 tokens, $0.0000), 1 from the cache');
    // Another judge is another question.
    const other = counting('k');
    other.go();
    await withCache(other.judge, runOf('b'), { shared }).judge(thoughtRequest(), {});
    expect(other.calls).toHaveLength(1);
    expect(readdirSync(path.join(shared, 'claims'))).toEqual([]);
  });

  it('two that come to the same state at once pay once; who gives up leaves the other alone', async () => {
    const { judge, calls, go } = counting();
    const [one, two] = [withCache(judge, runOf('a'), { shared }), withCache(judge, runOf('b'), { shared })];
    const first = one.judge(thoughtRequest(), {});
    while (calls.length === 0) await new Promise((next) => setTimeout(next, 1));
    const stop = new AbortController();
    const impatient = two.judge(thoughtRequest({}), { signal: stop.signal });
    const stats = new JudgeStats();
    const third = withCache(judge, runOf('c'), { shared, stats }).judge(thoughtRequest(), {});
    stop.abort();
    await expect(impatient).rejects.toMatchObject({ code: 'interrupted' });
    go();
    expect(await Promise.all([first, third])).toEqual([VERDICT, VERDICT]);
    expect(calls).toHaveLength(1);
    expect(stats).toMatchObject({ cacheHits: 1 });
  });

  it('an error of the judge’s own is thrown as it is', async () => {
    const broken: Judge = { id: 'j', judge: () => Promise.reject(new TypeError('mine')) };
    const cache = withCache(broken, runOf('a'), { shared });
    await expect(cache.judge(thoughtRequest(), {})).rejects.toBeInstanceOf(TypeError);
    expect(readdirSync(path.join(shared, 'claims'))).toEqual([]);
  });

  it('when the one who asks fails, the next one asks', async () => {
    let calls = 0;
    const judge: Judge = {
      id: 'j',
      async judge() {
        if (++calls === 1) throw new SparkError('judge_unreachable', 'away');
        return VERDICT;
      },
    };
    const settled = await Promise.allSettled(
      ['a', 'b'].map((run) => withCache(judge, runOf(run), { shared }).judge(thoughtRequest(), {})),
    );
    expect(settled.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(readdirSync(path.join(shared, 'claims'))).toEqual([]);
  });

  it('takes over from a killed process, and what that had paid for with it', async () => {
    const { judge, calls, go } = counting();
    go();
    const [paid, asked] = [thoughtRequest(), thoughtRequest({ thought: 'Else.' })].map((request) =>
      requestKey({ id: 'j' }, request),
    );
    new SharedVerdicts(path.join(base, 'other')).add(paid!, 'j', VERDICT);
    const line = readFileSync(fileOf(paid!).replace(shared, path.join(base, 'other')), 'utf8').trim();
    mkdirSync(path.join(shared, 'claims'), { recursive: true });
    for (const key of [paid!, asked!]) writeFileSync(claim(key, 'lock'), holder({ pid: deadPid() }));
    writeFileSync(claim(asked!, 'lock.takeover'), holder({ pid: deadPid() }));
    writeFileSync(claim(paid!, 'pending'), `${line}   `);
    writeFileSync(claim(asked!, 'pending'), ' '.repeat(700));
    const cache = withCache(judge, runOf('a'), { shared });
    expect(readdirSync(path.join(shared, 'claims'))).toEqual([]);
    expect(await cache.judge(thoughtRequest(), {})).toEqual(VERDICT);
    expect(calls).toEqual([]);
    await cache.judge(thoughtRequest({ thought: 'Else.' }), {});
    expect(calls).toEqual(['Else.']);
  });

  it('a verdict that another process had and could not write is not asked for again', async () => {
    const { judge, calls } = counting();
    const key = requestKey({ id: 'j' }, thoughtRequest());
    new SharedVerdicts(path.join(base, 'other')).add(key, 'j', VERDICT);
    const cache = withCache(judge, runOf('a'), { shared });
    writeFileSync(claim(key, 'pending'), readFileSync(fileOf(key).replace(shared, path.join(base, 'other'))));
    expect(await cache.judge(thoughtRequest(), {})).toEqual(VERDICT);
    expect([calls, readdirSync(path.join(shared, 'claims'))]).toEqual([[], []]);
    expect(existsSync(fileOf(key))).toBe(true);
  });

  it.each([
    ['of another machine', () => holder({ host: 'elsewhere' }), 15 * 60],
    ['of which half is there', () => holder().slice(0, 20), 2],
  ])('waits for a claim %s, and takes it when it is old', async (_, content, seconds) => {
    const { judge, calls, go } = counting();
    go();
    const key = requestKey({ id: 'j' }, thoughtRequest());
    const cache = withCache(judge, runOf('a'), { shared });
    writeFileSync(claim(key, 'lock'), content());
    const stop = new AbortController();
    const waiting = cache.judge(thoughtRequest(), { signal: stop.signal });
    await new Promise((next) => setTimeout(next, 50));
    stop.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'interrupted' });
    expect([calls, existsSync(claim(key, 'lock'))]).toEqual([[], true]);
    const old = Date.now() / 1000 - seconds - 1;
    utimesSync(claim(key, 'lock'), old, old);
    expect(await cache.judge(thoughtRequest(), {})).toEqual(VERDICT);
    expect(readdirSync(path.join(shared, 'claims'))).toEqual([]);
  });

  it('a damaged entry is no verdict: it is counted, asked again, and spoils no other', async () => {
    const { judge, calls, go } = counting();
    go();
    const key = requestKey({ id: 'j' }, thoughtRequest());
    const cache = withCache(judge, runOf('a'), { shared });
    await cache.judge(thoughtRequest(), {});
    const whole = readFileSync(fileOf(key), 'utf8');
    // A changed score, a line of another key, half a line without an end; each would be a wrong verdict or hide one.
    const changed = whole.replace('"calculator":0', '"calculator":9');
    expect(changed).not.toBe(whole);
    writeFileSync(
      fileOf(key),
      `${changed}${whole.replace(
        key,
        key.replace(/^.{5}/, (start) => `${start.slice(0, 3)}zz`),
      )}`,
    );
    appendFileSync(fileOf(key), whole.slice(0, 120));
    const again = withCache(judge, runOf('b'), { shared });
    expect(await again.judge(thoughtRequest(), {})).toEqual(VERDICT);
    expect([calls.length, again.skippedLines > 0]).toEqual([2, true]);
    const third = withCache(judge, runOf('c'), { shared });
    expect(await third.judge(thoughtRequest(), {})).toEqual(VERDICT);
    expect([calls.length, third.skippedLines]).toEqual([2, 0]);
  });

  it('asks nothing where nothing can be written', async () => {
    const { judge, calls } = counting();
    const cache = withCache(judge, runOf('a'), { shared });
    rmSync(path.join(shared, 'claims'), { recursive: true });
    writeFileSync(path.join(shared, 'claims'), '');
    await expect(cache.judge(thoughtRequest(), {})).rejects.toMatchObject({ code: 'io_error' });
    expect(calls).toEqual([]);
  });

  it('a verdict whose line cannot be written waits for the next process', async () => {
    const { judge, calls, go } = counting();
    go();
    const key = requestKey({ id: 'j' }, thoughtRequest());
    // As on a disk that is full by now.
    const slow: Judge = {
      id: 'j',
      async judge(request, options) {
        rmSync(path.join(shared, 'verdicts'), { recursive: true });
        return judge.judge(request, options);
      },
    };
    const broken = withCache(slow, runOf('a'), { shared });
    await expect(broken.judge(thoughtRequest(), {})).rejects.toMatchObject({ code: 'io_error' });
    expect(existsSync(claim(key, 'pending'))).toBe(true);
    expect(await withCache(judge, runOf('b'), { shared }).judge(thoughtRequest(), {})).toEqual(VERDICT);
    expect(calls).toHaveLength(1);
  });

  it('what a run had of its own is used and serves the others; no secret and no prompt is written', async () => {
    const { judge, calls, go } = counting();
    go();
    await withCache(judge, runOf('a')).judge(thoughtRequest(), {});
    await withCache(judge, runOf('a'), { shared }).judge(thoughtRequest(), {});
    await withCache(judge, runOf('b'), { shared }).judge(thoughtRequest(), {});
    expect(calls).toHaveLength(1);
    const text = readFileSync(fileOf(requestKey({ id: 'j' }, thoughtRequest())), 'utf8');
    expect(text).not.toMatch(/I multiply|What is|secret/);
  });

  it('judge.cache says where; by itself a server of this network keeps to its run', async () => {
    const server = await startOpenAiServer();
    const before = process.env.XDG_CACHE_HOME;
    process.env.XDG_CACHE_HOME = base;
    try {
      const ask = async (run: string, cache?: string) => {
        const patch = { kind: 'api', model: 'm', baseUrl: server.baseUrl, ...(cache === undefined ? {} : { cache }) };
        const { judge } = openApiJudge(resolveConfig({ judge: patch }).judge, runOf(run), {});
        await judge.judge(thoughtRequest(), {});
        judge.close();
        return server.requests.length;
      };
      expect([await ask('a'), await ask('a'), await ask('b'), await ask('b', 'off'), await ask('b', 'run')]).toEqual([
        1, 1, 2, 3, 3,
      ]);
      expect([await ask('c', 'shared'), await ask('d', 'shared'), await ask('d')]).toEqual([4, 4, 5]);
      expect(existsSync(path.join(base, 'spark-rl', 'judge-verdicts', '1', 'verdicts'))).toBe(true);
    } finally {
      process.env.XDG_CACHE_HOME = before;
      await server.close();
    }
  });

  it.runIf(full)(
    'eight processes on 200 states, killed at random: every state has its verdict, no two differ',
    async () => {
      const module = path.resolve('dist/judge/sharedVerdicts.js');
      const paid = path.join(base, 'paid');
      // A verdict is drawn anew each time it is paid for, so that a second payment would show.
      const script = `const { appendFileSync } = await import('node:fs');
      const { createHash } = await import('node:crypto');
      const { SharedVerdicts } = await import(${JSON.stringify(module)});
      const cache = new SharedVerdicts(${JSON.stringify(shared)});
      for (let at = 0; at < 200; at++) {
        const key = createHash('sha256').update(String(at)).digest('hex');
        const { verdict } = await cache.once(key, { judge: 'j', bytes: 400, ask: async () => {
          await new Promise((next) => setTimeout(next, 3));
          const score = Math.random() * 10;
          appendFileSync(${JSON.stringify(paid)}, at + ' ' + score + '\\n');
          return { verdict: { scores: { think: score }, processOk: null }, keep: true };
        } });
        console.log(at + ' ' + verdict.scores.think);
      }`;
      let kills = 0;
      const told = new Map<string, Set<string>>();
      const work = async (victim: boolean): Promise<void> => {
        const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
          stdio: ['ignore', 'pipe', 'inherit'],
        });
        let text = '';
        child.stdout.on('data', (data) => {
          text += data;
        });
        const timer = victim ? setTimeout(() => child.kill('SIGKILL'), 400 + 400 * Math.random()) : undefined;
        const code = await new Promise((resolve) => child.on('close', resolve));
        clearTimeout(timer);
        for (const line of text.split('\n').slice(0, -1)) {
          const [at, score] = line.split(' ') as [string, string];
          told.set(at, (told.get(at) ?? new Set()).add(score));
        }
        if (code === 0) return;
        kills++;
        await work(kills < 20);
      };
      await Promise.all(Array.from({ length: 8 }, (_, at) => work(at < 4)));
      expect(kills).toBeGreaterThan(3);
      expect(told.size).toBe(200);
      expect([...told.values()].filter((said) => said.size > 1)).toEqual([]);
      // One that was killed between the reply and our writing it down had to be asked again.
      expect(readFileSync(paid, 'utf8').trimEnd().split('\n').length).toBeLessThanOrEqual(200 + kills);
    },
  );

  it(`holds no index: memory is flat over ${full ? 'a million' : 'a few'} verdicts`, async () => {
    const breathe = () => new Promise((next) => setImmediate(next));
    const many = new SharedVerdicts(shared);
    const keyOf = (at: number) => requestKey({ id: `${at}` }, thoughtRequest({ steps: [] }));
    const fill = full ? 1_000_000 : 300;
    many.add(keyOf(0), 'j', VERDICT);
    const line = readFileSync(fileOf(keyOf(0)), 'utf8');
    // Foreign lines of the same length, in all files alike.
    const each = Math.ceil(fill / 4096);
    for (let at = 0; at < 4096 && at * each < fill; at++) {
      await breathe();
      appendFileSync(
        path.join(shared, 'verdicts', `${at.toString(16).padStart(3, '0')}.jsonl`),
        line.replaceAll(/[0-9a-f]{64}/g, (hash) => `${hash.slice(1)}x`).repeat(each),
      );
    }
    const looks = full ? 20_000 : 100;
    for (let at = 5; at <= looks; at += 5) {
      await breathe();
      many.add(keyOf(at), 'j', VERDICT);
    }
    globalThis.gc?.();
    const before = process.memoryUsage().heapUsed;
    for (let at = 1; at <= looks; at++) {
      await breathe();
      expect(many.get(keyOf(at)) !== undefined).toBe(at % 5 === 0);
    }
    globalThis.gc?.();
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(64e6);
    expect(many.skippedLines).toBe(0);
  });
});
