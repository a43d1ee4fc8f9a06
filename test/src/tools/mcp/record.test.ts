/** What tools of MCP servers answered is kept, and given again without a server. */
import { existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeEach, expect, it } from 'vitest';
import { type McpOptions, openMcp, replayedMcp } from '../../../../src/tools/mcp/mcp.js';
import { type McpServerOptions, mcpSettings } from '../../../../src/tools/mcp/settings.js';
import { Recorder } from '../../../../src/tools/recorder.js';
import { ToolRegistry } from '../../../../src/tools/registry.js';

const SCRIPT = fileURLToPath(new URL('scripted.mjs', import.meta.url));
const HOSTILE = fileURLToPath(new URL('hostileServer.mjs', import.meta.url));
const folder = mkdtempSync(path.join(tmpdir(), 'spark-mcp-record-'));
const fileOf = (name: string) => path.join(folder, name);
const context = { timeoutMs: 60_000, maxObservationChars: 300 };
const SECRET = 'marked-value-31415926';
beforeEach(() => {
  process.env.SPARK_RECORD_MARK = SECRET;
});

const hostile = (starts: string, more: Partial<McpServerOptions> = {}): McpServerOptions => ({
  ...{ name: 's', command: process.execPath, args: [HOSTILE, fileOf(starts)], ...more },
});

interface Asking extends McpOptions {
  readonly server: McpServerOptions;
  readonly file: string;
  readonly mode: 'on' | 'replay';
}

/** The calls one after the other, and what the server lists. */
async function asking(
  { server, file, mode, ...options }: Asking,
  calls: readonly (readonly [name: string, input: string, more?: object])[],
) {
  const mcp =
    mode === 'replay' ? replayedMcp(mcpSettings.parse([server]), options.listings!) : await openMcp([server], options);
  const recorder = new Recorder({ file: fileOf(file), mode, writes: mode === 'on' });
  const registry = new ToolRegistry().own(mcp).own(recorder);
  for (const tool of mcp.recorded(recorder)) registry.register(tool);
  try {
    const results = [];
    for (const [name, input, more] of calls) results.push(await registry.run(name, input, { ...context, ...more }));
    // As a run does before its first rollout.
    await registry.warm();
    return { results, listings: mcp.listings, actions: registry.actions() };
  } finally {
    await registry.dispose();
  }
}
const startsOf = (file: string) => (existsSync(fileOf(file)) ? readFileSync(fileOf(file), 'utf8').split('\n') : []);
const linesIn = (file: string) => readFileSync(fileOf(file), 'utf8').split('\n').slice(0, -1);

it('of every kind are replayed, with the list of tools, and without a server', async () => {
  const server = hostile('kinds');
  const calls = [
    ['s_echo', 'hello'],
    ['s_echo', '{"no": "text"}'],
    ['s_hurt', 'is refused as input'],
    ['s_hurt', 'is 2 MB'],
    ['s_hurt', 'is words of a stranger'],
    ['s_hurt', 'is pictures'],
    ['s_hurt', 'is an error', { step: 'q 0' }],
    ['s_hurt', 'dies', { step: 'q 1' }],
    ['s_hurt', 'never', { step: 'q 2', timeoutMs: 200 }],
  ] as const;
  const first = await asking({ server, file: 'kinds.jsonl', mode: 'on' }, calls);
  expect(first.results.map((result) => (result.ok ? 'ok' : result.code))).toEqual([
    ...['ok', 'tool_input', 'tool_input', 'ok', 'ok', 'ok', 'tool_failed', 'tool_failed', 'tool_timeout'],
  ]);
  // The second was wrong before any server was asked.
  expect(linesIn('kinds.jsonl')).toHaveLength(calls.length - 1);
  expect(Math.max(...linesIn('kinds.jsonl').map((line) => line.length))).toBeLessThan(1000);
  const { listings } = first;
  const before = startsOf('kinds');
  const gone = { ...server, cwd: fileOf('no-such-folder'), startTimeoutMs: 1 };
  expect(await asking({ server: gone, file: 'kinds.jsonl', mode: 'replay', listings }, calls)).toEqual(first);
  expect(startsOf('kinds')).toEqual(before);
  await expect(
    asking({ server, file: 'kinds.jsonl', mode: 'replay', listings }, [['s_echo', 'never asked']]),
  ).rejects.toMatchObject({
    code: 'tool_unavailable',
    message: expect.stringMatching(/replay, but .*kinds\.jsonl has no answer of s_echo .* to: never asked/),
  });
  expect(startsOf('kinds')).toEqual(before);
});

it('of a server that counts are the first for every input', async () => {
  const { results } = await asking({ server: hostile('counts'), file: 'counts.jsonl', mode: 'on' }, [
    ['s_count', 'a'],
    ['s_count', 'b'],
    ['s_count', ' a '],
  ]);
  expect(results.map(({ observation }) => observation)).toEqual(['1', '2', '1']);
});

it('are those of this server, tool, version and limit alone', async () => {
  const first = await asking({ server: hostile('same'), file: 'same.jsonl', mode: 'on' }, [['s_echo', 'a']]);
  const { listings, results } = first;
  const replay = (more: Partial<McpServerOptions>, name = 's_echo', given = listings, limit = {}) =>
    asking({ server: { ...hostile('same'), ...more }, file: 'same.jsonl', mode: 'replay', listings: given }, [
      [name, 'a', limit],
    ]);
  const [listing] = listings;
  // What changes no answer: where its key comes from, which of its tools are taken, how long it may take.
  for (const more of [{ env: { SITE: 'at $OTHER', OWN_TOKEN: 'x' } }, { tools: ['echo'] }, { startTimeoutMs: 7 }]) {
    expect((await replay(more)).results).toEqual(results);
  }
  const others = [
    () => replay({ args: [HOSTILE, fileOf('another')] }),
    () => replay({ env: { REGION: 'north' } }),
    () => replay({}, 's_count'),
    () => replay({}, 's_echo', [{ ...listing!, version: 'hostile 2' }]),
    () => replay({}, 's_echo', [{ ...listing!, actions: listing!.actions.map((one) => ({ ...one, hash: 'other' })) }]),
    () => replay({}, 's_echo', listings, { maxObservationChars: 9 }),
  ];
  for (const other of others) await expect(other()).rejects.toMatchObject({ code: 'tool_unavailable' });
});

it('hold nothing secret, whatever the server says', async () => {
  const env = { SERVER_KEY: '$SPARK_RECORD_MARK', OWN_TOKEN: 'own-value-14142135' };
  const server = { name: 's', command: process.execPath, args: [SCRIPT, 'none'], env };
  const calls = [
    ['s_say', 'hello'],
    ['s_say', `${SECRET} own-value-14142135`],
    // The cut goes through the secret.
    ['s_say', `${'x'.repeat(290)} ${SECRET}`],
  ] as const;
  const { results, listings } = await asking({ server, file: 'secret.jsonl', mode: 'on' }, calls);
  const broken = { ...server, args: [SCRIPT, 'error'] };
  const failed = await asking({ server: broken, file: 'secret.jsonl', mode: 'on' }, [['s_say', 'x', { step: 'q 0' }]]);
  expect(failed.results[0]).toMatchObject({ observation: expect.stringMatching(/broken inside \*\*\*/) });
  const cut = await asking({ server: hostile('cut', { env }), file: 'secret.jsonl', mode: 'on' }, [
    ['s_hurt', 'is refused with a key at the cut', { step: 'q 1' }],
    ['s_hurt', 'dies with a key at the cut', { step: 'q 2' }],
  ]);
  for (const { observation } of cut.results) expect(observation).toContain('***');
  const written = readFileSync(fileOf('secret.jsonl'), 'utf8');
  expect(linesIn('secret.jsonl')).toHaveLength(6);
  expect(written).not.toMatch(/31415926|14142135|marked-v|own-value|SPARK_RECORD_MARK/);
  delete process.env.SPARK_RECORD_MARK;
  const again = await asking({ server, file: 'secret.jsonl', mode: 'replay', listings }, calls);
  expect(again.results).toEqual(results);
});

it('are the only answers of a replay', async () => {
  const mcp = await openMcp([hostile('only')]);
  await mcp.dispose();
  const replayed = replayedMcp(mcpSettings.parse([hostile('only')]), mcp.listings);
  const registry = new ToolRegistry();
  for (const tool of replayed.tools) registry.register(tool);
  await expect(registry.run('s_echo', 'a', context)).rejects.toMatchObject({ code: 'tool_unavailable' });
  expect(startsOf('only').filter((line) => line !== '')).toHaveLength(1);
});
