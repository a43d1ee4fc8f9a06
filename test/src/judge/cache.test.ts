import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SparkError } from '../../../src/errors.js';
import { createApiJudge } from '../../../src/judge/apiJudge.js';
import { requestKey, withCache } from '../../../src/judge/cache.js';
import type { Judge } from '../../../src/judge/judge.js';
import { JudgeStats } from '../../../src/judge/stats.js';
import { type LoopbackServer, startOpenAiServer } from '../../loopback/openaiServer.mjs';
import { endRequest, thoughtRequest } from './requests.js';

let folder: string;
let server: LoopbackServer;
beforeEach(async () => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'spark-judge-'));
  server = await startOpenAiServer();
});
afterEach(async () => {
  rmSync(folder, { recursive: true, force: true });
  await server.close();
});

function open(model = 'loopback') {
  const stats = new JudgeStats();
  const api = createApiJudge({ baseUrl: server.baseUrl, model, timeoutMs: 3000, env: {}, stats });
  return { judge: withCache(api, folder, { stats }), stats };
}
const file = () => path.join(folder, 'verdicts.jsonl');

describe('the cache', () => {
  it('a second run asks nothing and gets the same', async () => {
    const first = await open().judge.judge(thoughtRequest(), {});
    const last = await open().judge.judge(endRequest(), {});
    const again = open();
    expect(await again.judge.judge(thoughtRequest(), {})).toEqual(first);
    expect(await again.judge.judge(endRequest(), {})).toEqual(last);
    expect(server.requests).toHaveLength(2);
    expect(again.stats).toMatchObject({ calls: 0, cacheHits: 2, inputTokens: 0 });
    // Missing rates also count verdicts from the cache.
    expect(again.stats.missingRate()).toBe(0);
  });

  it('another thought, another action list and another judge are other questions', async () => {
    const { judge } = open();
    await judge.judge(thoughtRequest(), {});
    await judge.judge(thoughtRequest({ thought: 'Else.' }), {});
    await judge.judge(thoughtRequest({ actions: thoughtRequest().actions.slice(1) }), {});
    await open('other-model').judge.judge(thoughtRequest(), {});
    expect(server.requests).toHaveLength(4);
    expect(open().judge.size).toBe(4);
  });

  it('goes by the words for questions without options where there are others', async () => {
    const words = (freeId: string) => {
      const own = { id: 'mine', freeId, judge: async () => ({ scores: { think: 5 }, processOk: null }) };
      return withCache(own, folder);
    };
    const free = thoughtRequest({ question: { ...thoughtRequest().question, options: [], answer_index: null } });
    await words('mine, a').judge(free, {});
    await words('mine, a').judge(thoughtRequest(), {});
    expect(words('mine, b').size).toBe(2);
    await words('mine, b').judge(thoughtRequest(), {});
    expect(words('mine, b').size).toBe(2);
    await words('mine, b').judge(free, {});
    expect(words('mine, b').size).toBe(3);
  });

  it('the order of keys does not matter, that of steps does', () => {
    const request = thoughtRequest();
    const shuffled = Object.fromEntries(Object.entries(request).reverse()) as unknown as typeof request;
    expect(requestKey({ id: 'j' }, shuffled)).toBe(requestKey({ id: 'j' }, request));
    const [step] = request.steps;
    const other = { ...step!, thought: 'Other.' };
    expect(requestKey({ id: 'j' }, { ...request, steps: [step!, other] })).not.toBe(
      requestKey({ id: 'j' }, { ...request, steps: [other, step!] }),
    );
  });

  it('same questions at the same time share one call', async () => {
    const { judge, stats } = open();
    const verdicts = await Promise.all([1, 2, 3, 4].map(() => judge.judge(thoughtRequest(), {})));
    expect(new Set(verdicts.map((verdict) => JSON.stringify(verdict))).size).toBe(1);
    expect(server.requests).toHaveLength(1);
    expect(stats).toMatchObject({ calls: 1, cacheHits: 3 });
  });

  it('a failure is not kept', async () => {
    server.setBehaviours('prose', 'refusal', 'good');
    const { judge } = open();
    await expect(judge.judge(thoughtRequest(), {})).rejects.toMatchObject({ code: 'judge_unparsable' });
    await expect(judge.judge(thoughtRequest(), {})).rejects.toMatchObject({ code: 'judge_refused' });
    await expect(judge.judge(thoughtRequest(), {})).resolves.toHaveProperty('scores.calculator');
  });

  it('a verdict without any score is not kept, one with some is', async () => {
    server.setBehaviours('nulls', 'halfNulls', 'good');
    const { judge } = open();
    await judge.judge(thoughtRequest(), {});
    const partial = await judge.judge(thoughtRequest(), {});
    expect(Object.values(partial.scores)).toContain(7);
    expect(Object.values(partial.scores)).toContain(null);
    expect(await judge.judge(thoughtRequest(), {})).toEqual(partial);
    expect(server.requests).toHaveLength(2);
  });

  it('one who gives up does not take the call from the others; the last one does', async () => {
    let asked = 0;
    let aborted = 0;
    const slow: Judge = {
      id: 'slow',
      judge: (_request, { signal }) =>
        new Promise((resolve, reject) => {
          asked++;
          const timer = setTimeout(() => resolve({ scores: { think: 5 }, processOk: true }), 150);
          signal!.addEventListener('abort', () => {
            aborted++;
            clearTimeout(timer);
            reject(new SparkError('interrupted', 'interrupted'));
          });
        }),
    };
    const judge = withCache(slow, folder);
    const leaver = new AbortController();
    const left = judge.judge(thoughtRequest(), { signal: leaver.signal });
    const stayed = judge.judge(thoughtRequest(), {});
    leaver.abort();
    await expect(left).rejects.toMatchObject({ code: 'interrupted' });
    await expect(stayed).resolves.toEqual({ scores: { think: 5 }, processOk: true });
    expect([asked, aborted]).toEqual([1, 0]);

    const alone = new AbortController();
    const last = judge.judge(endRequest(), { signal: alone.signal });
    alone.abort();
    await expect(last).rejects.toMatchObject({ code: 'interrupted' });
    expect([asked, aborted]).toEqual([2, 1]);
  });

  it('survives a torn last line, and lines that are no verdicts', async () => {
    const { judge } = open();
    await judge.judge(thoughtRequest(), {});
    await judge.judge(endRequest(), {});
    const lines = readFileSync(file(), 'utf8').trimEnd().split('\n');
    const poisoned = lines[1]!.replace(/"scores":\{\}/, '"scores":{"think":99}');
    writeFileSync(file(), `${lines[0]}\n\n{}\nnot json\n${poisoned}\n${lines[1]!.slice(0, 50)}`);

    const reopened = open().judge;
    expect([reopened.size, reopened.skippedLines]).toEqual([1, 4]);
    await reopened.judge(endRequest(), {});
    expect(server.requests).toHaveLength(3);
    // The new line is whole, although the line before it was cut off.
    expect(open().judge.size).toBe(2);
  });

  it('says so when its folder cannot be used', () => {
    const blocked = path.join(folder, 'a-file');
    appendFileSync(blocked, '');
    expect(() => withCache({ id: 'x', judge: async () => ({ scores: {}, processOk: null }) }, blocked)).toThrow(
      expect.objectContaining({ code: 'io_error' }),
    );
  });
});
