/**
 * The poison test and the hostile suite for MCP servers: whatever a server does with one call is an observation within its limit,
 * and the good calls beside it and after it, of the same server, of another one and of our own tools, answer as in a fresh process.
 */
import { mkdtempSync, readFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { openMcp } from '../../../../src/tools/mcp/mcp.js';
import { createBuiltinRegistry, ToolRegistry } from '../../../../src/tools/registry.js';

const SCRIPT = fileURLToPath(new URL('hostileServer.mjs', import.meta.url));
const folder = mkdtempSync(path.join(tmpdir(), 'spark-hostile-'));
const MOST = 300;
const context = { timeoutMs: 60_000, maxObservationChars: MOST };

async function registryOf(file: string) {
  const script = (name: string) => ({ name, command: process.execPath, args: [SCRIPT, path.join(folder, file)] });
  const mcp = await openMcp([script('s'), script('other')]);
  const registry = createBuiltinRegistry({ tools: ['calculator'] }).own(mcp);
  for (const tool of mcp.tools) registry.register(tool);
  return registry;
}
const startsIn = (file: string) => readFileSync(path.join(folder, file), 'utf8').trim().split('\n');

/** Good calls; those that answer late are under way when the fault comes. */
const FIXTURES = [
  ['s_echo', 'late grüße'],
  ['s_echo', '{"text": "late, too"}'],
  ['s_echo', 'at once'],
  ['other_echo', 'late of another'],
  ['calculator', '6 * 7'],
] as const;

async function fixtures(registry: ToolRegistry) {
  return Promise.all(FIXTURES.map(([name, input]) => registry.run(name, input, context)));
}

const failed = (observation: RegExp | string, code = 'tool_failed') => ({ ok: false, code, observation });
const good = (observation: RegExp | string) => ({ ok: true, observation });

/** What each poison comes to: `ok`, code and words. */
const POISONS: readonly (readonly [string, ReturnType<typeof failed> | ReturnType<typeof good>])[] = [
  ['is an error', failed('no such file')],
  ['is an error of 2 MB', failed(/^x+…$/)],
  ['is refused', failed(/broken y+…$/)],
  ['is refused as input', failed(/text: expected a number; write text$/, 'tool_input')],
  ['is 2 MB', good(/^z+…$/)],
  ['is 9 MB', failed(/^s ended during the call: ReadBuffer exceeded maximum size/)],
  [
    'is pictures',
    good(
      '[image image/png, 30 KB, left out]\n[audio audio/wav [2J, 1 KB, left out]\n[resource file:///a application/zip, 1 KB, left out]',
    ),
  ],
  ['is words of a stranger', good(/^�+\[31mred.*<\/observation>\n<answer>.*<\|eot_id\|>/)],
  ['is empty', good('(no content)')],
  ['is no list', failed(/./)],
  ['is a kind unknown', failed(/./)],
  ['is nested deeply', failed(/./)],
  ['is cut off', good('after all')],
  ['comes after noise', good('after all')],
  ['comes after answers to nobody', good('mine')],
  ['comes after 5000 notifications', good('after all')],
  ['comes after questions to us', good('after all')],
  ['never, but null', failed('timed out after 0.5 s', 'tool_timeout')],
  ['never', failed('timed out after 0.5 s', 'tool_timeout')],
  ['never, nor anything else', failed('timed out after 0.5 s', 'tool_timeout')],
  ['dies', failed('s ended during the call: Segmentation fault')],
  ['dies in the middle of an answer', failed(/^s ended during the call: ./)],
  ['closes its output', failed(/^s ended during the call: ./)],
];

describe('a call of an MCP server whose answer', () => {
  let registry: ToolRegistry;
  let fresh: Awaited<ReturnType<typeof fixtures>>;
  beforeAll(async () => {
    const first = await registryOf('fresh');
    fresh = await fixtures(first);
    await first.dispose();
    registry = await registryOf('poisoned');
  });
  afterAll(() => registry.dispose());

  it('is good is told of', () => {
    expect(fresh).toEqual(
      ['echo: late grüße', 'echo: late, too', 'echo: at once', 'echo: late of another', '42'].map(good),
    );
  });

  it.each(POISONS)('%s', async (poison, expected) => {
    const timeoutMs = poison.startsWith('never') ? 500 : 60_000;
    const poisoned = registry.run('s_hurt', poison, { ...context, timeoutMs });
    const beside = await fixtures(registry);
    const { observation, ...result } = await poisoned;
    const { observation: words, ...rest } = expected;
    expect(result).toEqual(rest);
    if (typeof words === 'string') expect(observation).toBe(words);
    else expect(observation).toMatch(words);
    expect(observation.length).toBeLessThanOrEqual(MOST);
    expect(observation).not.toMatch(/(?![\t\n])\p{Cc}|\p{Cs}/u);
    expect(beside).toEqual(fresh);
    expect(await fixtures(registry)).toEqual(fresh);
  });
});

describe('a call that was lost because of another', () => {
  it.each(['write', 'note'])(
    'is not made again where its tool does not say that this does no harm: %s',
    async (tool) => {
      const registry = await registryOf(`${tool}s`);
      await registry.run('s_echo', 'there', context);
      const [written] = await Promise.all([
        registry.run(`s_${tool}`, 'a line', context),
        registry.run('s_hurt', 'dies', context),
      ]);
      expect(written).toEqual(failed('s ended during the call: Segmentation fault'));
      expect(startsIn(`${tool}s`).filter((line) => line === 'wrote a line')).toHaveLength(1);
      await registry.dispose();
    },
  );

  it('does not end the work where many at once end the server', async () => {
    const registry = await registryOf('many');
    await registry.run('s_echo', 'there', context);
    const many = await Promise.all(Array.from({ length: 6 }, () => registry.run('s_hurt', 'dies', context)));
    expect(new Set(many.map(({ ok }) => ok))).toEqual(new Set([false]));
    expect(await registry.run('s_echo', 'still there', context)).toEqual(good('echo: still there'));
    await registry.dispose();
  });

  it('ends the work where a server ends again and again, however many ask at once', async () => {
    const registry = await registryOf('again');
    const until = async () => {
      for (let told = 0; told < 50; told++) await registry.run('s_hurt', 'dies', context);
    };
    const ends = await Promise.allSettled(Array.from({ length: 3 }, until));
    const refused = { reason: { code: 'tool_unavailable', message: expect.stringMatching(/ended 5 times in a row/) } };
    expect(ends).toMatchObject([refused, refused, refused]);
    expect(startsIn('again').length).toBeLessThan(30);
    await registry.dispose();
  });

  it('is answered, whoever else ends the server meanwhile', async () => {
    const registry = await registryOf('meanwhile');
    await registry.run('s_echo', 'there', context);
    const dying = async () => {
      for (let i = 0; i < 4; i++) await registry.run('s_hurt', 'dies', context);
    };
    const asking = async () => {
      const told = [];
      for (let i = 0; i < 6; i++) told.push(await registry.run('s_echo', `late ${i}`, context));
      return told;
    };
    const [told] = await Promise.all([asking(), dying(), dying()]);
    expect(told).toEqual(Array.from({ length: 6 }, (_, i) => good(`echo: late ${i}`)));
    await registry.dispose();
  });

  it('keeps its time', async () => {
    const registry = await registryOf('time');
    await registry.run('s_echo', 'there', context);
    // Lost with the server, and the same the second time: as one that takes its time, with the words of its own limit.
    const [never] = await Promise.all([
      registry.run('s_hurt', 'never', { ...context, timeoutMs: 700 }),
      registry.run('s_hurt', 'dies', context),
    ]);
    expect(never).toEqual(failed('timed out after 0.7 s', 'tool_timeout'));
    await registry.dispose();
  });
});

describe('a server behind an address', () => {
  /** Streamable HTTP with plain answers; `late` is answered when `broken` has been, which breaks its connection off. */
  const late: (() => void)[] = [];
  const echo = {
    name: 'echo',
    annotations: { readOnlyHint: true },
    inputSchema: { type: 'object', properties: { text: { type: 'string' } }, required: ['text'] },
  };
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    if (request.method !== 'POST') return void response.writeHead(405).end();
    const { id, method, params } = JSON.parse(body);
    if (id === undefined) return void response.writeHead(202).end();
    const results: Record<string, object> = {
      initialize: {
        ...{ protocolVersion: params?.protocolVersion, capabilities: { tools: {} } },
        serverInfo: { name: 'http', version: '1' },
      },
      'tools/list': { tools: [echo] },
    };
    if (results[method] !== undefined) return answer(response, id, results[method]);
    const { text } = params.arguments;
    const say = () => answer(response, id, { content: [{ type: 'text', text }] });
    if (text === 'broken') {
      response.writeHead(200, { 'content-type': 'application/json' }).write('{"jsonrpc"');
      setImmediate(() => response.destroy());
    } else if (text.startsWith('late') && late.length < 2) late.push(say);
    else say();
  });
  const answer = (response: ServerResponse, id: unknown, result: object) =>
    void response
      .writeHead(200, { 'content-type': 'application/json' })
      .end(JSON.stringify({ jsonrpc: '2.0', id, result }));
  beforeAll(() => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)));
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });

  it('that breaks one call off harms none beside it', async () => {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`;
    const mcp = await openMcp([{ name: 'h', url }]);
    const registry = new ToolRegistry().own(mcp);
    for (const tool of mcp.tools) registry.register(tool);
    const run = (text: string) => registry.run('h_echo', text, context);
    const beside = [run('late a'), run('late b')];
    await vi.waitUntil(() => late.length === 2);
    expect(await run('broken')).toMatchObject({ ok: false, code: 'tool_failed' });
    expect(await Promise.all(beside)).toEqual(['late a', 'late b'].map(good));
    expect(await run('after')).toEqual(good('after'));
    await registry.dispose();
  });
});
