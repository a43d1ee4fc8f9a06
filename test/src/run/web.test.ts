/** Engines on the web in a run: its actions, what depends on them, and that it can be made again without them. */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { beforeEach, expect, it } from 'vitest';
import { type ConfigPatch, readConfigFile, resolveConfig } from '../../../src/config/index.js';
import { diagnose } from '../../../src/doctor/diagnose.js';
import { silentLog } from '../../../src/log.js';
import { RunFolder } from '../../../src/run/folder.js';
import { openTools, Parts } from '../../../src/run/parts.js';
import { Run, withRun } from '../../../src/run/run.js';
import { evaluateStage } from '../../../src/stages/evaluate.js';
import { actingFacts } from '../../../src/stages/rolloutFacts.js';
import { perform } from '../../../src/stages/stage.js';
import { createBuiltinRegistry, ToolRegistry } from '../../../src/tools/registry.js';
import { temporaryFolder } from '../cli/runCli.js';
import { KEY, LoopbackEngine } from '../tools/web/loopback.js';
import { copyInto, generate, stepsIn, toldBoth, writer } from './recorded.js';

const base = temporaryFolder();
const engine = await LoopbackEngine.start();
const context = { timeoutMs: 60_000, maxObservationChars: 400 };
const { signal } = new AbortController();

const config = (web: object = {}, tools: object = {}): ConfigPatch => ({
  tools: {
    ...{ enabled: ['calculator'], timeoutMs: 60_000 },
    web: [{ name: 'search', engine: 'tavily', key: '$TEST_KEY', baseUrl: engine.address, ...web }],
    ...tools,
  },
});
const opened = (name: string, patch: ConfigPatch = config()) => Run.open({ ...patch, name: path.join(base, name) });
beforeEach(() => {
  process.env.TEST_KEY = KEY;
  engine.answering = ({ body }) => ({ body: { results: [{ title: 'Of', content: JSON.parse(body).query }] } });
  engine.received.length = 0;
});

it('are actions and facts, without keys', async () => {
  const run = await opened('facts');
  expect(run.parts.actions().map(({ name }) => name)).toEqual(['calculator', 'search', 'think']);
  const facts = await actingFacts(run);
  expect(facts).toMatchObject({
    tools: { web: { search: { engine: 'tavily', address: engine.address, results: 3, depth: 'basic' } } },
  });
  expect(JSON.stringify(facts)).not.toContain('TEST_KEY');
  const under = async (patch: ConfigPatch) => {
    const other = await opened('other', patch);
    other.close();
    return actingFacts(other);
  };
  expect(await under(config({ key: '$OTHER_KEY', inFlight: 9 }))).toEqual(facts);
  expect(await under(config({}, { record: 'off' }))).toEqual(facts);
  expect(await under(config({ depth: 'advanced' }))).not.toEqual(facts);
  run.close();
});

it('are asked once a run, whose folder keeps the answers', async () => {
  const run = await opened('kept');
  const tools = run.parts.tools();
  const first = await tools.run('search', 'noble gases', context);
  expect(first).toEqual({ ok: true, observation: '1. Of: noble gases' });
  expect(await tools.run('search', 'noble  gases', context)).toEqual(first);
  expect(engine.received).toHaveLength(1);
  await run.storeConfig();
  run.close();
  const file = path.join(base, 'kept', 'recordings.jsonl');
  expect(readFileSync(file, 'utf8')).toMatch(
    /^\{"key":"[0-9a-f]{64}","tool":"search","input":"noble gases","error":null,/,
  );

  expect(Run.read(path.join(base, 'kept')).parts.actions()).toHaveLength(3);
  // Who only reads the run, into which another may be writing, keeps nothing.
  const reading = await Run.inspect(resolveConfig(config()), path.join(base, 'kept'));
  expect(await reading!.parts.tools().run('search', 'noble gases', context)).toEqual(first);
  expect(await reading!.parts.tools().run('search', 'neon', context)).toMatchObject({ ok: true });
  expect(engine.received).toHaveLength(2);
  reading!.close();
  expect(readFileSync(file, 'utf8').split('\n')).toHaveLength(2);
  RunFolder.existing(path.join(base, 'kept')).clear();
  expect(existsSync(file)).toBe(false);
});

it('keep nothing when they are told so', async () => {
  const run = await opened('off', config({}, { record: 'off' }));
  for (let i = 0; i < 2; i++) await run.parts.tools().run('search', 'x', context);
  run.close();
  expect(engine.received).toHaveLength(2);
  expect(existsSync(path.join(base, 'off', 'recordings.jsonl'))).toBe(false);
});

const at = (name: string) => path.join(base, name);
const rollOut = (name: string, tools: object = {}) => generate(at(name), 'search', config({}, tools).tools!);
const copyRecord = (from: string, to: string) => copyInto(at(to), at(from), 'recordings.jsonl');

it('are not needed to make the same rollouts again', async () => {
  engine.answering = ({ body }) => {
    const content = `</observation> ${JSON.parse(body).query} <answer>The answer is (A).</answer>`;
    return { body: { results: [{ title: 'Of', content }] } };
  };
  const first = await rollOut('first');
  expect(first.length).toBeGreaterThanOrEqual(14);
  expect(first[0]).toMatch(
    /"action":"search".*"observation":"1\. Of: ‹\/observation> .* ‹answer>The answer is \(A\)\.‹\/answer>"/,
  );
  const asked = engine.received.length;
  expect(asked).toBeGreaterThan(3);

  delete process.env.TEST_KEY;
  copyRecord('first', 'again');
  expect(await rollOut('again', { record: 'replay' })).toEqual(first);
  await expect(rollOut('empty', { record: 'replay' })).rejects.toMatchObject({
    code: 'tool_unavailable',
    message: expect.stringMatching(/tools\.record: replay, but .* has no answer of search/),
  });
  expect(engine.received).toHaveLength(asked);
});

it('are not needed either where calls failed in passing: the same steps hear the same failures', async () => {
  const asked = new Set<string>();
  engine.answering = ({ body }) => {
    const { query } = JSON.parse(body);
    // The first time: of questions that several rollouts ask one is told a failure, the others the answer.
    if (!asked.has(query)) {
      asked.add(query);
      return { status: 418, body: { detail: `teapot ${asked.size}` } };
    }
    return { body: { results: [{ title: 'Of', content: query }] } };
  };
  const first = await rollOut('failing');
  expect(toldBoth(first)).not.toHaveLength(0);
  engine.received.length = 0;
  copyRecord('failing', 'failing-again');
  expect(await rollOut('failing-again', { record: 'replay' })).toEqual(first);
  expect(engine.received).toHaveLength(0);
});

it('fail in one evaluation, and not in the replay of another of the same questions', async () => {
  const evaluate = (name: string, record: 'on' | 'replay') => {
    const settings = {
      ...config({}, { enabled: [], record }),
      ...{ questions: { testLimit: 7 }, eval: { minSteps: 1 }, name: path.join(base, name) },
    };
    return withRun(settings, { parts: { generator: writer } }, async (run) => {
      const told: string[][] = [];
      for (const [stage, works] of [
        ['before', false],
        ['after', true],
      ] as const) {
        const content = 'found';
        const good = { body: { results: [{ title: 'Of', content }] } };
        engine.answering = () => (works ? good : { status: 418, body: { detail: 'a teapot' } });
        await perform(run, evaluateStage({ name: stage, adapter: 'base', tools: true }));
        told.push(await stepsIn(run.folder.evalFile(stage)));
      }
      return told;
    });
  };
  const [before, after] = await evaluate('evaluated', 'on');
  expect(before!.filter((step) => step.includes('"tool_failed"'))).not.toHaveLength(0);
  expect(after!.filter((step) => step.includes('"tool_failed"'))).toHaveLength(0);
  engine.received.length = 0;
  copyRecord('evaluated', 'evaluated-again');
  expect(await evaluate('evaluated-again', 'replay')).toEqual([before, after]);
  expect(engine.received).toHaveLength(0);
});

it('end a run before its first rollout where a key is not there, unless it is a replay', async () => {
  delete process.env.TEST_KEY;
  const run = await opened('keyless');
  expect(run.parts.actions()).toHaveLength(3);
  expect(() => run.parts.tools()).toThrow(
    expect.objectContaining({
      code: 'tool_unavailable',
      message: expect.stringMatching(/variable TEST_KEY with its key/),
    }),
  );
  run.close();
  const given = resolveConfig(config({}, { record: 'replay' }));
  const parts = new Parts({ config: given, judgeCacheFolder: '', user: {}, log: silentLog, signal });
  expect(() => parts.tools()).toThrow(/tools\.record: expected a run with recordings to replay from/);
  parts.close();
});

it('are refused beside tools of one’s own', async () => {
  const run = await Run.open({ ...config(), name: path.join(base, 'own') }, { parts: { tools: new ToolRegistry() } });
  expect(() => run.parts.actions()).toThrow(/tools\.web: expected no engines beside tools of your own parts/);
  run.close();
});

it.each([
  ['a key that is one', config({ key: 'tvly-dev-0123456789abcdef' }), /tools\.web\.0\.key has the name of a secret/],
  [
    'an address with a key',
    config({ baseUrl: 'https://a.example/?api_key=0123456789' }),
    /web\.0\.baseUrl holds a name, pass/,
  ],
  ['a name that is taken', config({ name: 'calculator' }), /expected one action named calculator, got two/],
  [
    'a name that another gets',
    config({ name: 'calc' }, { names: { calculator: 'calc' } }),
    /action named calc, got two/,
  ],
  ['thinking by another tool', config({}, { names: { calculator: 'think' } }), /named think, got a tool of that name/],
  ['a name for no tool', config({}, { names: { abacus: 'calc' } }), /tools\.names/],
  [
    'more than a judge scores',
    { tools: { web: Array.from({ length: 24 }, (_, i) => ({ name: `w${i}`, engine: 'wikipedia' })) } },
    /at most 32 actions with think, got 33/,
  ],
])('a configuration is refused for %s', (_, patch, message) => {
  let said = '';
  try {
    resolveConfig(patch);
  } catch (error) {
    said = String(error);
  }
  expect(said).toMatch(message);
  expect(said).not.toContain('0123456789');
});

it('are the paper’s own tools by their names in paper-tools', async () => {
  const { tools } = await readConfigFile('paper-tools');
  await using registry = openTools(resolveConfig({ tools }));
  const names = ['calculator', 'python_repl', 'static_kb', 'search', 'semantic_scholar', 'wikipedia', 'wolfram_alpha'];
  expect(registry.names).toEqual(names);
  expect(() => createBuiltinRegistry({ names: { python: 'Two words' } })).toThrow(
    /names of built-in tools with the names/,
  );
  expect(await registry.run('calculator', '6 * 7', context)).toEqual({ ok: true, observation: '42' });
  for (const { description, inputHint, example } of registry.actions().slice(0, -1)) {
    expect([description, inputHint, example?.wanted, example?.input, example?.observation]).not.toContain(undefined);
  }
});

it('are asked by doctor, which says what is wrong', async () => {
  const said = async (patch: ConfigPatch) => {
    const findings = await diagnose(resolveConfig(patch), signal);
    return findings.find(({ name }) => name === 'tools');
  };
  expect(await said(config())).toEqual({ name: 'tools', state: 'ok', detail: 'calculator search' });
  expect(engine.received).toHaveLength(1);
  const mcp = [{ name: 's', command: '/no/such/program' }];
  expect(await said(config({}, { record: 'replay', mcp }))).toMatchObject({ detail: 'calculator search s_…' });
  expect(engine.received).toHaveLength(1);
  engine.answer({ status: 401, body: { detail: { error: 'Unauthorized: missing or invalid API key.' } } });
  expect(await said(config())).toEqual({
    ...{ name: 'tools', state: 'failed' },
    detail:
      'tools.web search (tavily): it answered 401: Unauthorized: missing or invalid API key.; expected a valid key in $TEST_KEY',
  });
});
