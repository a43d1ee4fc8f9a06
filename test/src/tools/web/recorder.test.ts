/** What engines answered is kept, and given again without them. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, existsSync, mkdtempSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { Recorder } from '../../../../src/tools/recorder.js';
import type { ToolResult } from '../../../../src/tools/tool.js';
import type { WebOptions } from '../../../../src/tools/web/settings.js';
import { context, KEY, LoopbackEngine, registryOf } from './loopback.js';
import { CASES } from './replies.js';

const engine = await LoopbackEngine.start();
const folder = mkdtempSync(path.join(tmpdir(), 'spark-recorder-'));
const fileOf = (name: string) => path.join(folder, `${name}.jsonl`);
const optionsOf = (name: string, more: object = {}) =>
  ({ ...CASES[name]!.options, name: 'ask', baseUrl: engine.address, ...more }) as unknown as WebOptions;

async function asking(
  options: WebOptions,
  file: string,
  mode: 'on' | 'replay',
  inputs: readonly string[],
  limit = context,
) {
  const recorder = new Recorder({ file, mode, writes: mode === 'on' });
  const registry = registryOf(options, { recorder, env: mode === 'on' ? { TEST_KEY: KEY } : {} }).own(recorder);
  try {
    return await Promise.all(inputs.map((input) => registry.run('ask', input, limit)));
  } finally {
    await registry.dispose();
  }
}
const linesIn = (file: string) => readFileSync(file, 'utf8').split('\n').slice(0, -1);

it.each(Object.entries(CASES))('%s is replayed without a server and without a key', async (name, { good, empty }) => {
  const file = fileOf(name);
  engine.received.length = 0;
  engine.answering = ({ params, body }) => ({
    body: JSON.stringify([params, body]).includes('nothing') ? empty : good,
  });
  const inputs = ['noble gases', 'nothing at all', `${KEY} ${name}`];
  const first = await asking(optionsOf(name), file, 'on', inputs);
  expect(first.map(({ ok }) => ok)).toEqual([true, false, true]);
  expect(engine.received).toHaveLength(3);
  expect(await asking(optionsOf(name), file, 'on', ['  noble\tgases '])).toEqual([first[0]]);
  expect(await asking(optionsOf(name), file, 'replay', inputs)).toEqual(first);
  expect(engine.received).toHaveLength(3);
  expect(linesIn(file)).toHaveLength(3);
  expect(readFileSync(file, 'utf8')).not.toContain(KEY);
  // Another name, key or number of requests at a time asks the same; another setting asks something else.
  const same = optionsOf(name, { inFlight: 7 });
  expect(await asking(same, file, 'replay', ['noble gases'])).toEqual([first[0]]);
  for (const other of [{ results: 5 }, { baseUrl: 'http://127.0.0.1:9' }]) {
    await expect(asking(optionsOf(name, other), file, 'replay', ['noble gases'])).rejects.toMatchObject({
      code: 'tool_unavailable',
    });
  }
});

it('a replay says what was never recorded, and asks nobody', async () => {
  const file = fileOf('never');
  engine.answer({ body: CASES.tavily!.good });
  await asking(optionsOf('tavily'), file, 'on', ['x']);
  engine.received.length = 0;
  const shorter = { ...context, maxObservationChars: 100 };
  for (const [input, limit] of [
    ['y', context],
    ['x', shorter],
  ] as const) {
    await expect(asking(optionsOf('tavily'), file, 'replay', [input], limit)).rejects.toMatchObject({
      code: 'tool_unavailable',
      message: expect.stringMatching(
        new RegExp(
          `^tools\\.record: replay, but .*never\\.jsonl has no answer of ask .* to: ${input}\\. Set tools\\.record=on`,
        ),
      ),
    });
  }
  expect(engine.received).toHaveLength(0);
});

describe('a failure that may pass', () => {
  const failing = { status: 418, body: { detail: 'a teapot' } };
  const good = { body: CASES.tavily!.good };
  /** One call of a step after another, each with its own answer of the engine; `null`: it hangs. */
  async function steps(file: string, calls: readonly (readonly [step: string | undefined, answer: object | null])[]) {
    const results: ToolResult[] = [];
    for (const [step, answer] of calls) {
      engine.answering = () => answer;
      const limit = {
        ...context,
        ...(answer === null ? { timeoutMs: 100 } : {}),
        ...(step === undefined ? {} : { step }),
      };
      results.push(...(await asking(optionsOf('tavily'), file, 'on', ['x'], limit)));
    }
    return results;
  }
  const replayed = (file: string, step?: string) =>
    asking(optionsOf('tavily'), file, 'replay', ['x'], { ...context, ...(step === undefined ? {} : { step }) });

  it('is replayed to the step that had it, and asked again by others', async () => {
    const file = fileOf('passing');
    const [failed, timedOut, answered] = await steps(file, [
      ['a 0', failing],
      ['b 0', null],
      ['c 0', good],
    ]);
    expect([failed, timedOut, answered]).toMatchObject([
      { code: 'tool_failed', observation: expect.stringMatching(/418/) },
      { code: 'tool_timeout' },
      { ok: true },
    ]);
    engine.received.length = 0;
    expect(await replayed(file, 'a 0')).toEqual([failed]);
    expect(await replayed(file, 'b 0')).toEqual([timedOut]);
    for (const other of ['c 0', 'a 1', undefined]) expect(await replayed(file, other)).toEqual([answered]);
    expect(engine.received).toHaveLength(0);
    expect(linesIn(file)).toHaveLength(3);
  });

  it('is replayed no more when the step was made again and had an answer', async () => {
    const file = fileOf('recovered');
    // First from the engine, then from what another step had asked meanwhile.
    const [, answered] = await steps(file, [
      ['a 0', failing],
      ['a 0', good],
    ]);
    expect(await replayed(file, 'a 0')).toEqual([answered]);
    const other = fileOf('recovered-by-another');
    const told = await steps(other, [
      ['a 0', failing],
      ['b 0', good],
      ['a 0', failing],
      ['a 0', failing],
    ]);
    expect(told.slice(1)).toEqual([answered, answered, answered]);
    expect(await replayed(other, 'a 0')).toEqual([answered]);
    expect(linesIn(other)).toHaveLength(3);
  });

  it('is the last one where the step failed twice', async () => {
    const file = fileOf('twice-failed');
    const [, last] = await steps(file, [
      ['a 0', failing],
      ['a 0', { status: 418, body: { detail: 'a kettle' } }],
    ]);
    expect(last).toMatchObject({ observation: expect.stringMatching(/kettle/) });
    expect(await replayed(file, 'a 0')).toEqual([last]);
  });

  it('is not kept where nobody could be told of it again', async () => {
    const file = fileOf('nobody');
    await steps(file, [[undefined, failing]]);
    expect(existsSync(file)).toBe(false);
    await expect(replayed(file)).rejects.toMatchObject({ code: 'tool_unavailable' });
  });

  it('is not given where another call had the answer meanwhile', async () => {
    const recorder = new Recorder({ file: fileOf('meanwhile'), mode: 'on', writes: true });
    const asked = (step: string) => ({ tool: 't', settings: {}, input: 'x', step });
    const late = recorder.answer(asked('a 0'), async () => {
      await recorder.answer(asked('b 0'), async () => ({ ok: true, observation: 'yes' }));
      return { ok: false, code: 'tool_failed', observation: 'no' };
    });
    expect(await late).toEqual({ ok: true, observation: 'yes' });
    await recorder.dispose();
    expect(linesIn(fileOf('meanwhile'))).toHaveLength(1);
  });
});

it('gives two calls at once the answer that a replay gives', async () => {
  const file = fileOf('twice');
  let calls = 0;
  engine.answering = () => ({ body: { results: [{ title: 'answer', content: `${++calls}` }] } });
  const [one, two] = await asking(optionsOf('tavily'), file, 'on', ['x', 'x']);
  expect(calls).toBe(2);
  expect(two).toEqual(one);
  expect(await asking(optionsOf('tavily'), file, 'replay', ['x'])).toEqual([one]);
});

it('asks again for the line that a kill cut off, and goes on behind the whole ones', async () => {
  const file = fileOf('killed');
  engine.answering = ({ body }) => ({ body: { results: [{ title: 'of', content: JSON.parse(body).query }] } });
  const whole = await asking(optionsOf('tavily'), file, 'on', ['a', 'b']);
  truncateSync(file, readFileSync(file).length - 9);
  engine.received.length = 0;
  expect(await asking(optionsOf('tavily'), file, 'on', ['a', 'b'])).toEqual(whole);
  expect(engine.received).toHaveLength(1);
  expect(linesIn(file).map((line) => JSON.parse(line).input)).toEqual(['a', 'b']);
  appendFileSync(file, '{"key":"00');
  expect(await asking(optionsOf('tavily'), file, 'replay', ['a', 'b'])).toEqual(whole);
});

it('holds every answer that was given before a kill', async () => {
  const file = fileOf('sigkill');
  const script = `
    import { Recorder } from ${JSON.stringify(pathToFileURL(path.resolve('dist/tools/recorder.js')).href)};
    const recorder = new Recorder({ file: ${JSON.stringify(file)}, mode: 'on', writes: true });
    for (let i = 0; ; i++) {
      await recorder.answer({ tool: 't', settings: {}, input: String(i) }, async () => ({ ok: true, observation: 'x'.repeat(i % 5000) }));
      console.log(i);
    }`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.on('data', (chunk) => {
    said += String(chunk);
    if (said.length > 2000) child.kill('SIGKILL');
  });
  await once(child, 'close');
  const last = Number(said.trimEnd().split('\n').at(-1));
  expect(last).toBeGreaterThan(300);
  const recorder = new Recorder({ file, mode: 'replay', writes: false });
  for (let i = 0; i <= last; i++) {
    const asked = { tool: 't', settings: {}, input: String(i) };
    const { observation } = await recorder.answer(asked, () => Promise.reject(new Error('asked')));
    expect(observation).toHaveLength(i % 5000);
  }
});

it('ends the run where the record is damaged or cannot be written', async () => {
  const file = fileOf('damaged');
  writeFileSync(file, '{"key":"no hash"}\n');
  await expect(asking(optionsOf('tavily'), file, 'on', ['x'])).rejects.toMatchObject({
    code: 'tool_unavailable',
    message: expect.stringMatching(/tools\.record: .*damaged\.jsonl, line 1 is not what this program writes/),
  });
  engine.answer({ body: CASES.tavily!.good });
  writeFileSync(fileOf('file'), '');
  const below = path.join(fileOf('file'), 'recordings.jsonl');
  await expect(asking(optionsOf('tavily'), below, 'on', ['x'])).rejects.toMatchObject({ code: 'tool_unavailable' });
});
