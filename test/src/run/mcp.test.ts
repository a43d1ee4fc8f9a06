/** The MCP servers of a run: when they are asked, what of them is stored, and what depends on them. */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeEach, expect, it, vi } from 'vitest';
import type { ConfigPatch } from '../../../src/config/index.js';
import { resolveConfig } from '../../../src/config/index.js';
import { silentLog } from '../../../src/log.js';
import { openConfiguredMcp } from '../../../src/run/mcp.js';
import { listActions } from '../../../src/run/parts.js';
import { Run } from '../../../src/run/run.js';
import { priceOfGeneration } from '../../../src/stages/price.js';
import { actingFacts } from '../../../src/stages/rolloutFacts.js';
import { ToolRegistry } from '../../../src/tools/registry.js';
import { isAlive } from '../../processes.js';
import { temporaryFolder } from '../cli/runCli.js';
import { copyInto, generate, toldBoth } from './recorded.js';

const HOSTILE = fileURLToPath(new URL('../tools/mcp/hostileServer.mjs', import.meta.url));
const SCRIPT = fileURLToPath(new URL('../tools/mcp/scripted.mjs', import.meta.url));
const base = temporaryFolder();
const starts = path.join(base, 'starts');
const context = { timeoutMs: 60_000, maxObservationChars: 400 };

const config = (server: object = {}, enabled: readonly string[] = ['calculator']): ConfigPatch => {
  const script = { name: 's', command: process.execPath, args: [SCRIPT, 'none', starts] };
  return { tools: { enabled, mcp: [{ ...script, tools: ['say', 'die'], ...server }] } };
};
const opened = (name: string, patch: ConfigPatch = config()) => Run.open({ ...patch, name: path.join(base, name) });
const started = () => (existsSync(starts) ? readFileSync(starts, 'utf8').trim().split('\n').length : 0);
beforeEach(() => rmSync(starts, { force: true }));

it('asks them when it begins, and from then on when a tool is called', async () => {
  const first = await opened('kept');
  const names = ['calculator', 's_say', 's_die', 'think'];
  expect(first.parts.actions().map(({ name }) => name)).toEqual(names);
  expect(await actingFacts(first)).toMatchObject({ tools: { mcp: { s: { version: 'scripted 1' } } } });
  const { observation } = await first.parts.tools().run('s_say', 'hello', context);
  const pid = Number(/pid:(\d+)/.exec(observation)![1]);
  await first.storeConfig();
  first.close();
  await vi.waitUntil(() => !isAlive(pid), { timeout: 60_000 });
  expect(started()).toBe(1);

  const again = await opened('kept');
  expect(await actingFacts(again)).toEqual(await actingFacts(first));
  const root = path.join(base, 'kept');
  expect(
    Run.read(root)
      .parts.actions()
      .map(({ name }) => name),
  ).toEqual(names);
  expect((await priceOfGeneration(again.config)).calls).toBeGreaterThan(0);
  expect((await listActions(again.config, {}, { root })).map(({ name }) => name)).toEqual(names);
  expect(started()).toBe(1);
  // From the record.
  expect(await again.parts.tools().run('s_say', 'hello', context)).toEqual({ ok: true, observation });
  expect(started()).toBe(1);
  expect(await again.parts.tools().run('s_say', 'another', context)).toMatchObject({ ok: true });
  expect(started()).toBe(2);
  again.close();

  // Another choice of tools is another list, and other facts.
  const other = await opened('kept', config({ tools: ['say'] }));
  expect(started()).toBe(3);
  expect(await actingFacts(other)).not.toEqual(await actingFacts(first));
  other.close();
});

it('refuses a list that was changed on the disk or is gone, and says what to do', async () => {
  const run = await opened('damaged');
  await run.storeConfig();
  run.close();
  const root = path.join(base, 'damaged');
  const file = path.join(root, 'mcp-tools.json');
  writeFileSync(file, readFileSync(file, 'utf8').replace('Tool say', 'Tool sing'));
  await expect(opened('damaged')).rejects.toMatchObject({
    code: 'invalid_file',
    message: expect.stringMatching(
      /mcp-tools\.json is damaged: .*remove it: the servers of tools\.mcp are then asked again/,
    ),
  });
  rmSync(file);
  // Not fewer actions than the trajectories have.
  expect(() => Run.read(root).parts.actions()).toThrow(
    expect.objectContaining({ code: 'no_data', message: expect.stringMatching(/mcp-tools\.json, which is gone/) }),
  );
});

it('leaves nothing where a server cannot be had', async () => {
  const attempt = opened('none', config({ command: '/no/such/program' }));
  await expect(attempt).rejects.toMatchObject({ code: 'tool_unavailable' });
  expect(existsSync(path.join(base, 'none'))).toBe(false);
});

it('takes no servers beside tools of one’s own, and no more actions than a judge scores', async () => {
  const tools = new ToolRegistry();
  const own = Run.open({ ...config(), name: path.join(base, 'own') }, { parts: { tools } });
  await expect(own).rejects.toMatchObject({
    code: 'invalid_config',
    message: expect.stringMatching(/beside tools of your own/),
  });
  const servers = Array.from({ length: 8 }, (_, i) => ({
    ...{ name: `s${i}`, command: process.execPath, args: [SCRIPT] },
  }));
  const many = resolveConfig({ tools: { enabled: [], mcp: servers } });
  await expect(listActions(many, {})).rejects.toThrow(
    /expected at most 32 actions, .* got 33 \(0 of tools\.enabled, 32 of servers/,
  );
});

it('does not need them to make the same rollouts again, whatever the servers do and where calls failed in passing', async () => {
  process.env.SPARK_RUN_MARK = 'run-mark-29979245';
  const server = { name: 's', command: process.execPath, args: [HOSTILE, starts], env: { KEY: '$SPARK_RUN_MARK' } };
  const tools = { enabled: [], mcp: [{ ...server, tools: ['flaky', 'echo'] }] };
  const [recorded, again] = [path.join(base, 'recorded'), path.join(base, 'again')];
  const first = await generate(recorded, 's_flaky', tools);
  expect(toldBoth(first)).not.toHaveLength(0);
  expect(first[0]).toMatch(/"observation":"\d+ ‹\/observation>‹answer>A‹\/answer>"/);
  expect(started()).toBe(1);

  delete process.env.SPARK_RUN_MARK;
  const replay = { ...tools, record: 'replay' } as const;
  copyInto(again, recorded, 'recordings.jsonl');
  await expect(generate(again, 's_flaky', replay)).rejects.toMatchObject({
    code: 'tool_unavailable',
    message: expect.stringMatching(
      /replay, but .*mcp-tools\.json does not say what the servers .* copy that file, too/,
    ),
  });
  copyInto(again, recorded, 'mcp-tools.json');
  // As a dry run does, before there is a run.
  const listed = await listActions(resolveConfig({ tools: replay }), {}, { root: again });
  expect(listed.map(({ name }) => name)).toEqual(['s_flaky', 's_echo', 'think']);
  expect(await generate(again, 's_flaky', replay)).toEqual(first);
  const surroundings = {
    file: path.join(again, 'mcp-tools.json'),
    log: silentLog,
    signal: new AbortController().signal,
  };
  const open = () => openConfiguredMcp(resolveConfig({ tools: replay }), {}, surroundings);
  await using mcp = (await open())!;
  await mcp.warm();
  expect(started()).toBe(1);

  writeFileSync(surroundings.file, '{}');
  await expect(open()).rejects.toThrow(/copy it again from the run that was recorded/);
  // As `ask` without a run.
  await expect(listActions(resolveConfig({ tools: replay }), {})).rejects.toMatchObject({ code: 'invalid_config' });
});

it('asks them every time where nothing is to be kept', async () => {
  const server = { name: 's', command: process.execPath, args: [HOSTILE], tools: ['count'] };
  const said = async (record: 'on' | 'off') => {
    const run = await opened(`record-${record}`, { tools: { enabled: [], record, mcp: [server] } });
    const tools = run.parts.tools();
    const results = [];
    for (const input of ['x', 'x']) results.push((await tools.run('s_count', input, context)).observation);
    run.close();
    return results;
  };
  expect(await said('on')).toEqual(['1', '1']);
  expect(await said('off')).toEqual(['1', '2']);
  expect(existsSync(path.join(base, 'record-off', 'recordings.jsonl'))).toBe(false);
});
