/** The judge through the real openai client against a real server on loopback. */
import { getEventListeners, once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ApiJudgeOptions, createApiJudge } from '../../../src/judge/apiJudge.js';
import { type LoopbackServer, startOpenAiServer } from '../../loopback/openaiServer.mjs';
import { endRequest, NAMES, thoughtRequest } from './requests.js';

let server: LoopbackServer;
beforeEach(async () => {
  server = await startOpenAiServer();
});
afterEach(() => server.close());

function judgeWith(options: Partial<ApiJudgeOptions> = {}) {
  return createApiJudge({ baseUrl: server.baseUrl, model: 'loopback', timeoutMs: 3000, env: {}, ...options });
}

describe('a good server', () => {
  it('gives a score of every action and process_ok, and is asked with a strict schema at temperature 0', async () => {
    const verdict = await judgeWith().judge(thoughtRequest(), {});
    expect(Object.keys(verdict.scores)).toEqual(NAMES);
    for (const score of Object.values(verdict.scores)) expect(score).toSatisfy((s: number) => s >= 0 && s <= 10);
    expect(new Set(Object.values(verdict.scores)).size).toBeGreaterThan(3);
    expect(verdict.processOk).toBeTypeOf('boolean');

    const { body } = server.requests[0]!;
    expect(body.temperature).toBe(0);
    expect(body.max_tokens).toBe(512);
    expect(body.response_format).toMatchObject({ type: 'json_schema', json_schema: { strict: true } });
    const schema = body.response_format!.json_schema!.schema as {
      required: string[];
      additionalProperties: boolean;
      properties: { scores: { required: string[]; additionalProperties: boolean } };
    };
    expect(schema.required).toEqual(['scores', 'process_ok']);
    expect(schema.additionalProperties).toBe(false);
    expect(schema.properties.scores.required).toEqual(NAMES);
    expect(schema.properties.scores.additionalProperties).toBe(false);
  });

  it('asks at the end for process_ok alone', async () => {
    const judge = judgeWith();
    const verdict = await judge.judge(endRequest(), {});
    expect(verdict.scores).toEqual({});
    expect(verdict.processOk).toBeTypeOf('boolean');
    expect(server.requests[0]!.body.response_format!.json_schema!.schema.required).toEqual(['process_ok']);
    expect(judge.stats.missingRate()).toBeNull();
  });

  it('asks nothing when there is no step to judge at the end, and takes no process_ok before the first step', async () => {
    const judge = judgeWith();
    expect(await judge.judge(endRequest({ steps: [] }), {})).toEqual({ scores: {}, processOk: null });
    expect(server.requests).toHaveLength(0);
    expect((await judge.judge(thoughtRequest({ steps: [] }), {})).processOk).toBeNull();
  });

  it('keeps to its concurrency', async () => {
    await server.close();
    server = await startOpenAiServer({ delayMs: 60 });
    const judge = judgeWith({ concurrency: 2 });
    const requests = [0, 1, 2, 3].map((i) => thoughtRequest({ thought: `Thought ${i}` }));
    await Promise.all(requests.map((request) => judge.judge(request, {})));
    const times = server.requests.map((request) => request.at);
    expect(times[2]! - times[0]!).toBeGreaterThanOrEqual(55);
    expect(judge.stats.calls).toBe(4);
  });

  it('rejects a request with both thought and answer', async () => {
    const request = thoughtRequest({ answer: 'The answer is (A).' });
    await expect(judgeWith().judge(request, {})).rejects.toMatchObject({ code: 'invalid_argument' });
  });
});

describe('missing is missing', () => {
  it('null stays null, and every action counts as missing', async () => {
    server.setBehaviours('nulls');
    const judge = judgeWith();
    const verdict = await judge.judge(thoughtRequest(), {});
    expect(Object.values(verdict.scores)).toEqual(NAMES.map(() => null));
    expect(verdict.processOk).toBeNull();
    expect(judge.stats.missingRate('calculator')).toBe(1);
    expect(judge.stats.snapshot().judge_process_missing_rate).toBe(1);
  });

  it.each([
    ['wrongKeys', 'judge_unparsable', /expected one JSON object with scores for calculator.*tool_0/],
    ['prose', 'judge_unparsable', /holds no verdict.*promising/],
    ['empty', 'judge_unparsable', /got nothing/],
    ['outOfRange', 'judge_unparsable', /numbers of 0 to 10 or null, for calculator too/],
    ['cutOff', 'judge_unparsable', /cut off after 512 tokens/],
    ['notJson', 'judge_unparsable', /no chat completion/],
    ['loginPage', 'judge_unparsable', /no chat completion/],
    ['refusal', 'judge_refused', /I cannot help/],
    ['contentFilter', 'judge_refused', /content filter/],
    ['tooLong', 'judge_refused', /maximum context length/],
    ['badKey', 'judge_key_missing', /no key was sent: .*OPENAI_API_KEY/],
    ['noModel', 'invalid_config', /judge\.model \(now "loopback"\)/],
  ] as const)('%s is %s', async (behaviour, code, message) => {
    server.setBehaviours(behaviour);
    const judge = judgeWith();
    const failure = await judge.judge(thoughtRequest(), {}).catch((error: unknown) => error);
    expect(failure).toMatchObject({ name: 'SparkError', code, message: expect.stringMatching(message) });
    expect(server.requests).toHaveLength(1);
    expect(judge.stats.failures.get(code)).toBe(1);
  });

  it('a key that the server refuses is invalid, not missing', async () => {
    server.setBehaviours('badKey');
    const judge = judgeWith({ apiKey: 'sk-loopback-wrong' });
    await expect(judge.judge(thoughtRequest(), {})).rejects.toMatchObject({
      code: 'judge_key_invalid',
      message: expect.stringMatching(/a key was sent: .*OPENAI_API_KEY/),
    });
  });
});

describe('servers that understand less', () => {
  it.each([
    ['noSchema', ['json_schema', 'json_object', 'json_object']],
    ['noFormat', ['json_schema', 'json_object', undefined, undefined]],
    ['grammar500', ['json_schema', 'json_object', 'json_object']],
    ['notImplemented', ['json_schema', 'json_object', undefined, undefined]],
    ['silent500', ['json_schema', 'json_schema', 'json_object', undefined, undefined]],
  ] as const)('%s: falls back, and remembers', async (behaviour, formats) => {
    server.setBehaviours(behaviour);
    const judge = judgeWith({ maxRetries: 1 });
    const verdict = await judge.judge(thoughtRequest(), {});
    expect(verdict.scores.calculator).toBeTypeOf('number');
    await judge.judge(thoughtRequest({ thought: 'Another one.' }), {});
    expect(server.requests.map((request) => request.body.response_format?.type)).toEqual(formats);
    expect(judge.stats.retries).toBe(formats.length - 2);
  });

  it.each(['pythonDict', 'halfThoughts', 'thoughtsOnly', 'parts'] as const)('%s: read whole', async (behaviour) => {
    const judge = judgeWith();
    const asked = await judge.judge(thoughtRequest(), {});
    server.setBehaviours(behaviour);
    expect(await judge.judge(thoughtRequest(), {})).toEqual(asked);
  });

  it('what only the total counts is paid for as output', async () => {
    server.setBehaviours('good', 'thoughtsInTotal');
    const judge = judgeWith({ price: { input: 0, output: 1e6 } });
    await judge.judge(thoughtRequest(), {});
    const usual = judge.budget.spentUsd!;
    await judge.judge(thoughtRequest(), {});
    expect(judge.budget.spentUsd).toBe(2 * usual + 1000);
    expect(judge.stats.outputTokens).toBe(2 * usual + 1000);
  });

  it('a reasoning model: other limit, no temperature, thoughts in front of the answer', async () => {
    server.setBehaviours('reasoningModel');
    const verdict = await judgeWith().judge(thoughtRequest(), {});
    expect(Object.keys(verdict.scores)).toEqual(NAMES);
    const { body } = server.requests.at(-1)!;
    expect(body).toMatchObject({ max_completion_tokens: 512, response_format: { type: 'json_schema' } });
    expect(body).not.toHaveProperty('temperature');
    expect(body).not.toHaveProperty('max_tokens');
  });
});

describe('trouble on the way', () => {
  it('waits as a 429 asks, then goes on', async () => {
    server.setBehaviours('rateLimit', 'good');
    const judge = judgeWith();
    await judge.judge(thoughtRequest(), {});
    const [first, second] = server.requests;
    expect(second!.at - first!.at).toBeGreaterThanOrEqual(190);
    expect(judge.stats.retries).toBe(1);
  });

  it('does not wait for what is too long, nor for an empty account', async () => {
    await server.close();
    server = await startOpenAiServer({ behaviours: ['rateLimit'], retryAfterSeconds: 3600 });
    await expect(judgeWith().judge(thoughtRequest(), {})).rejects.toMatchObject({
      code: 'judge_unreachable',
      message: expect.stringMatching(/1 request.*asks to wait 3600 s/),
    });
    for (const behaviour of ['retryDate', 'retryMs'] as const) {
      server.setBehaviours(behaviour);
      await expect(judgeWith().judge(thoughtRequest(), {})).rejects.toThrow(
        /1 request, .*asks to wait 3(?:600|59\d) s/,
      );
    }
    for (const behaviour of ['quota', 'noCredit', 'quotaIn200'] as const) {
      server.setBehaviours(behaviour);
      await expect(judgeWith().judge(thoughtRequest(), {})).rejects.toMatchObject({
        code: 'judge_no_credit',
        message: expect.stringMatching(/exceeded your current quota|Insufficient Balance|insufficient_quota/),
      });
    }
    expect(server.requests).toHaveLength(6);
  });

  it('tries again what is an error in a reply with status 200, and pays nothing for it', async () => {
    server.setBehaviours('errorIn200', 'good');
    const judge = judgeWith({ price: { input: 1, output: 1 } });
    await judge.judge(thoughtRequest(), {});
    expect(server.requests).toHaveLength(2);
    const { inputTokens, outputTokens } = judge.stats;
    expect(judge.budget.spentUsd).toBeCloseTo((inputTokens + outputTokens) / 1e6, 12);
    server.setBehaviours('errorIn200');
    await expect(judgeWith({ maxRetries: 0 }).judge(thoughtRequest(), {})).rejects.toThrow(/Rate limited upstream/);
    server.setBehaviours('errorInChoice');
    await expect(judgeWith({ maxRetries: 0 }).judge(thoughtRequest(), {})).rejects.toThrow(/Provider returned error/);
  });

  it('gives up on a server that keeps failing, with URL and number of requests', async () => {
    const judge = judgeWith({ maxRetries: 2 });
    await judge.judge(thoughtRequest(), {});
    server.setBehaviours('serverError');
    await expect(judge.judge(thoughtRequest(), {})).rejects.toMatchObject({
      code: 'judge_unreachable',
      message: expect.stringContaining(`${server.baseUrl} gave no verdict (3 requests`),
    });
    expect(server.requests).toHaveLength(4);
    // Of a server that has never answered one cannot know: once more in each simpler form.
    await expect(judgeWith({ maxRetries: 2 }).judge(thoughtRequest(), {})).rejects.toThrow(/\(3 requests/);
    expect(server.requests).toHaveLength(4 + 5);
  });

  it('survives a broken connection', async () => {
    server.setBehaviours('reset', 'good');
    const judge = judgeWith({ maxRetries: 1 });
    await judge.judge(thoughtRequest(), {});
    expect(judge.stats.retries).toBe(1);
  });

  it.each(['hang', 'hangInBody'] as const)('%s: times out', async (behaviour) => {
    server.setBehaviours(behaviour);
    const judging = judgeWith({ timeoutMs: 150, maxRetries: 0 }).judge(thoughtRequest(), {});
    await expect(judging).rejects.toMatchObject({
      code: 'judge_unreachable',
      message: expect.stringMatching(/did not answer within 0\.15 s \(1 request\)/),
    });
  });

  it('says where nobody listens', async () => {
    // A low port: one that was looked up as free could be taken by another program a moment later.
    const port = 2;
    const judge = judgeWith({ baseUrl: `http://127.0.0.1:${port}/v1`, maxRetries: 0 });
    await expect(judge.judge(thoughtRequest(), {})).rejects.toMatchObject({
      code: 'judge_unreachable',
      message: expect.stringMatching(new RegExp(`127\\.0\\.0\\.1:${port}/v1.*ECONNREFUSED.*judge\\.baseUrl`)),
    });
  });

  it('never shows the key, even when the server does', async () => {
    server.setBehaviours('badKey');
    const judge = judgeWith({ apiKey: 'sk-very-secret' });
    const failure = await judge.judge(thoughtRequest(), {}).catch(String);
    expect(failure).toMatch(/Incorrect API key provided: Bearer \*\*\*.*a key was sent/);
    expect(`${failure}${judge.id}`).not.toContain('sk-very-secret');
  });
});

describe('abort', () => {
  it.each(['hang', 'rateLimit'] as const)('ends a call in "%s" at once', async (behaviour) => {
    await server.close();
    server = await startOpenAiServer({ behaviours: [behaviour], retryAfterSeconds: 100 });
    const controller = new AbortController();
    const start = Date.now();
    const judging = judgeWith({ timeoutMs: 100_000 }).judge(thoughtRequest(), { signal: controller.signal });
    const rejected = expect(judging).rejects.toMatchObject({ code: 'interrupted' });
    await asked(1);
    await new Promise((resolve) => setTimeout(resolve, 150)); // so that the reply has come and the client is waiting to retry
    controller.abort();
    await rejected;
    // Without the abort it would wait 100 s on any machine.
    expect(Date.now() - start).toBeLessThan(90_000);
  });

  it('takes waiting calls out of the queue and asks nothing when aborted before', async () => {
    server.setBehaviours('hang');
    const judge = judgeWith({ concurrency: 1 });
    const controller = new AbortController();
    const calls = [1, 2, 3].map((i) => judge.judge(thoughtRequest({ thought: `${i}` }), { signal: controller.signal }));
    const settling = Promise.allSettled(calls);
    await asked(1);
    controller.abort();
    for (const settled of await settling) {
      expect(settled).toMatchObject({ status: 'rejected', reason: { code: 'interrupted' } });
    }
    await expect(judge.judge(thoughtRequest(), { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'interrupted',
    });
    expect(server.requests).toHaveLength(1);
    expect(judge.stats.failures.size).toBe(0);
  });

  it('leaves no listener on a signal that lives as long as the run', async () => {
    const { signal } = new AbortController();
    await judgeWith().judge(thoughtRequest(), { signal });
    await new Promise((resolve) => setImmediate(resolve));
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });
});

describe('key and address', () => {
  it('a server abroad needs a key, and the message names the variable', () => {
    const make = () => createApiJudge({ model: 'gpt-4o', env: {} });
    expect(make).toThrow(expect.objectContaining({ code: 'judge_key_missing' }));
    expect(make).toThrow(/api\.openai\.com.*OPENAI_API_KEY/);
    expect(() => createApiJudge({ model: 'gpt-4o', env: { OPENAI_API_KEY: 'sk-x' } })).not.toThrow();
  });

  it('a local one needs none, and gets the one there is', async () => {
    await judgeWith({ env: { OPENAI_API_KEY: 'sk-local' } }).judge(thoughtRequest(), {});
    expect(server.requests[0]!.headers.authorization).toBe('Bearer sk-local');
  });

  it('OPENAI_BASE_URL is used, judge.baseUrl wins over it', () => {
    const env = { OPENAI_BASE_URL: 'http://127.0.0.1:1/v1' };
    expect(createApiJudge({ model: 'm', env }).id).toContain('@http://127.0.0.1:1/v1#');
    expect(createApiJudge({ model: 'm', env, baseUrl: 'http://localhost:2/v1/' }).id).toContain(
      '@http://localhost:2/v1#',
    );
  });

  it('asks through the proxy of HTTP_PROXY, unless NO_PROXY names the server or it is on this machine', async () => {
    const proxy = createServer().listen(0, '127.0.0.1');
    const tunnels: string[] = [];
    proxy.on('connect', ({ url = '' }, socket) => {
      tunnels.push(url);
      const { port, hostname } = new URL(server.baseUrl);
      const onward = connect(Number(port), hostname, () => {
        socket.write('HTTP/1.1 200 Connection Established\r\n\r\n');
        onward.pipe(socket).pipe(onward);
      });
      for (const end of [socket, onward]) end.on('error', () => end.destroy());
    });
    await once(proxy, 'listening');
    const HTTP_PROXY = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    const baseUrl = 'http://name.openai.azure.com/v1?api-version=1';
    const far = { baseUrl, apiKey: 'sk-far', maxRetries: 0 };
    await judgeWith({ ...far, env: { HTTP_PROXY } }).judge(thoughtRequest(), {});
    await judgeWith({ env: { HTTP_PROXY } }).judge(thoughtRequest(), {});
    expect(tunnels).toEqual(['name.openai.azure.com:80']);
    expect(server.requests.map(({ headers }) => headers['api-key'])).toEqual(['sk-far', undefined]);
    const none = judgeWith({ ...far, baseUrl: 'http://judge.invalid/v1', env: { HTTP_PROXY, NO_PROXY: '.invalid' } });
    await expect(none.judge(thoughtRequest(), {})).rejects.toMatchObject({ code: 'judge_unreachable' });
    expect(tunnels).toHaveLength(1);
    proxy.close();
    const closed = judgeWith({ ...far, env: { HTTP_PROXY: 'http://127.0.0.1:2' } });
    await expect(closed.judge(thoughtRequest(), {})).rejects.toThrow(/proxy of HTTPS_PROXY or HTTP_PROXY/);
  });

  it("sends a query with every request, and Azure's header to Azure alone", async () => {
    const judge = judgeWith({ baseUrl: `${server.baseUrl}/?api-version=2024-10-21`, apiKey: 'sk-azure' });
    await judge.judge(thoughtRequest(), {});
    expect(server.requests[0]!.query).toBe('?api-version=2024-10-21');
    expect(server.requests[0]!.headers).not.toHaveProperty('api-key');
    expect(judge.id).toContain(`@${server.baseUrl}?api-version=2024-10-21#`);
  });

  it.each(['nonsense', 'ftp://127.0.0.1/v1', 'http://user:secret@127.0.0.1/v1'])('"%s" is no address', (baseUrl) => {
    expect(() => judgeWith({ baseUrl })).toThrow(expect.objectContaining({ code: 'invalid_config' }));
  });
});

/** Waits until that many requests have come. */
async function asked(count: number): Promise<void> {
  while (server.requests.length < count) await new Promise((resolve) => setTimeout(resolve, 5));
}
