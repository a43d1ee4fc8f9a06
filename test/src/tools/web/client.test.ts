/** What may happen on the way to an engine, whichever it is. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { WebOptions } from '../../../../src/tools/web/settings.js';
import { context, env, KEY, LoopbackEngine, registryOf } from './loopback.js';
import { CASES } from './replies.js';

const engine = await LoopbackEngine.start();
const other = await LoopbackEngine.start();
const { good, observation } = CASES.tavily!;
const tavily = (more: object = {}) =>
  ({
    ...{ engine: 'tavily', name: 'ask', key: '$TEST_KEY', baseUrl: engine.address },
    ...more,
  }) as unknown as WebOptions;
const failure = (words: string) => ({ ok: false, code: 'tool_failed', observation: `tavily gave no answer: ${words}` });
afterEach(() => {
  other.received.length = 0;
});

describe('a request', () => {
  it('is not sent on to another host', async () => {
    engine.answer({ status: 302, headers: { location: `${other.address}/search` } });
    await expect(registryOf(tavily()).run('ask', 'x', context)).rejects.toMatchObject({
      code: 'tool_unavailable',
      message: expect.stringMatching(
        /it redirects to http:\/\/127\.0\.0\.1:\d+, which is not followed; give that as baseUrl/,
      ),
    });
    expect(other.received).toHaveLength(0);
  });

  it('is sent on within its host, and not without end', async () => {
    engine.answering = ({ path }) =>
      path === '/search' ? { status: 308, headers: { location: '/v2/search' } } : { body: good };
    expect(await registryOf(tavily()).run('ask', 'x', context)).toEqual({ ok: true, observation });
    engine.answer({ status: 307, headers: { location: '/search' } });
    await expect(registryOf(tavily()).run('ask', 'x', context)).rejects.toThrow(/redirects without end/);
  });

  it('takes no reply that is too large, even of one that never ends', async () => {
    engine.answering = (_received, response) => {
      response.writeHead(200);
      const more = (): void => {
        while (!response.destroyed && response.write('x'.repeat(1 << 20)));
        if (!response.destroyed) response.once('drain', more);
      };
      more();
      return null;
    };
    const said = await registryOf(tavily()).run('ask', 'x', context);
    expect(said).toEqual(failure('its reply is longer than 8388608 bytes'));
  });

  it('fails in words when the reply is cut off, or nobody listens', async () => {
    engine.answering = (_received, response) => {
      response.writeHead(200, { 'content-length': '1000' });
      response.write('{"results": [', () => response.destroy());
      return null;
    };
    const cut = await registryOf(tavily()).run('ask', 'x', context);
    expect(cut).toMatchObject({ code: 'tool_failed', observation: expect.stringMatching(/its reply was cut off/) });
    const nobody = await registryOf(tavily({ baseUrl: 'http://127.0.0.1:9' })).run('ask', 'x', context);
    expect(nobody).toMatchObject({
      code: 'tool_failed',
      observation: expect.stringMatching(/cannot be reached: .*ECONNREFUSED/),
    });
  });

  it('ends at the deadline, also between two tries', async () => {
    engine.answering = () => null;
    const timeout = { ok: false, code: 'tool_timeout', observation: 'timed out after 0.2 s' };
    const limits = { ...context, timeoutMs: 200 };
    expect(await registryOf(tavily()).run('ask', 'x', limits)).toEqual(timeout);
    engine.answer({ status: 503, headers: { 'retry-after': '100' } });
    expect(await registryOf(tavily()).run('ask', 'x', limits)).toEqual(timeout);
  });

  it('ends at once when it is aborted, also one that waits for its turn', async () => {
    engine.received.length = 0;
    engine.answering = () => null;
    const aborting = new AbortController();
    const registry = registryOf(tavily({ inFlight: 1 }));
    const calls = ['x', 'y'].map((input) => registry.run('ask', input, { ...context, signal: aborting.signal }));
    const ended = Promise.allSettled(calls);
    await vi.waitUntil(() => engine.received.length === 1);
    aborting.abort();
    for (const one of await ended) expect(one).toMatchObject({ status: 'rejected', reason: { code: 'interrupted' } });
    expect(engine.received).toHaveLength(1);
  });

  it('waits for its turn, which costs it no time', async () => {
    let now = 0;
    let most = 0;
    engine.answering = async () => {
      most = Math.max(most, ++now);
      await new Promise((resolve) => setTimeout(resolve, 1000));
      now -= 1;
      return { body: good };
    };
    const registry = registryOf(tavily({ inFlight: 1 }));
    const limits = { ...context, timeoutMs: 2500 };
    const said = await Promise.all(['a', 'b', 'c'].map((input) => registry.run('ask', input, limits)));
    expect(said.every(({ ok }) => ok)).toBe(true);
    expect(most).toBe(1);
  });

  it('goes through a proxy unless it is for this machine', async () => {
    engine.answer({ body: good });
    const proxied = { env: { ...env, HTTP_PROXY: other.address } };
    expect(await registryOf(tavily(), proxied).run('ask', 'x', context)).toMatchObject({ ok: true });
    const far = registryOf(tavily({ baseUrl: 'http://engine.invalid' }), proxied);
    expect(await far.run('ask', 'x', context)).toMatchObject({ code: 'tool_failed' });
    expect(new Set(other.tunnels)).toEqual(new Set(['engine.invalid:80']));
    expect(other.received).toHaveLength(0);
  });
});

it('ends the run after twenty calls without an answer, and not before', async () => {
  engine.answer({ status: 418, body: { detail: 'a teapot' } });
  const registry = registryOf(tavily());
  for (let i = 0; i < 19; i++)
    expect(await registry.run('ask', `x${i}`, context)).toMatchObject({ code: 'tool_failed' });
  await expect(registry.run('ask', 'last', context)).rejects.toMatchObject({
    code: 'tool_unavailable',
    message: expect.stringMatching(/tools\.web ask: 20 calls in a row had no answer, the last: .*418: a teapot/),
  });
});

it('hides the key in an answer that repeats it', async () => {
  engine.answer({ body: { results: [{ title: `Who asked: ${KEY}`, content: `Bearer ${KEY}` }] } });
  const said = await registryOf(tavily()).run('ask', 'x', context);
  expect(said).toEqual({ ok: true, observation: '1. Who asked: ***: Bearer ***' });
});

it('says which variable is not set', async () => {
  const registry = registryOf(tavily({ key: '$NOT_SET_HERE' }));
  await expect(registry.run('ask', 'x', context)).rejects.toMatchObject({
    code: 'tool_unavailable',
    message: expect.stringMatching(/tools\.web ask: expected the environment variable NOT_SET_HERE with its key/),
  });
});
