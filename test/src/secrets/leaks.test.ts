/**
 * Every failure that the loopback server can produce, with a marked key; then searches all output and files for the
 * mark.
 */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { createApiJudge } from '../../../src/judge/apiJudge.js';
import { withCache } from '../../../src/judge/cache.js';
import { RunFolder } from '../../../src/run/folder.js';
import { writeSealed } from '../../../src/sealed.js';
import { noteSecret } from '../../../src/secrets/redact.js';
import { ToolRegistry } from '../../../src/tools/registry.js';
import { Checkpoints } from '../../../src/train/checkpoint.js';
import { readTrajectories, TrajectoryStore } from '../../../src/trajectory/store.js';
import { BEHAVIOURS, type LoopbackServer, startOpenAiServer } from '../../loopback/openaiServer.mjs';
import { temporaryFolder } from '../cli/runCli.js';
import { thoughtRequest } from '../judge/requests.js';
import { exampleTrajectory, TWO_STEPS } from '../trajectory/example.js';
import { everythingIn, everythingOf, findMarks, KEY } from './marks.js';

const env = { OPENAI_API_KEY: KEY };
const settings = { model: 'loopback', timeoutMs: 200, maxRetries: 0, env };

let server: LoopbackServer;
beforeAll(async () => {
  server = await startOpenAiServer({ retryAfterSeconds: 9999 });
});
afterAll(() => server.close());
afterEach(() => vi.restoreAllMocks());

describe('whatever the server does', () => {
  it.each(Object.keys(BEHAVIOURS) as (keyof typeof BEHAVIOURS)[])('%s', async (behaviour) => {
    const printed = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    const folder = temporaryFolder();
    const store = await TrajectoryStore.open(path.join(folder, 'trajectories.jsonl'));
    const api = createApiJudge({ ...settings, baseUrl: server.baseUrl });
    const judge = withCache(api, path.join(folder, 'judge-cache'));
    server.setBehaviours(behaviour);
    const before = server.requests.length;
    let outcome: unknown;
    do {
      outcome = await judge.judge(thoughtRequest(), {}).catch((error: unknown) => error);
      // On a busy machine the deadline, short for the servers that say nothing, can pass before the request is sent.
    } while (server.requests.length === before);
    const { code, message } = outcome as { code: string; message: string };
    if (outcome instanceof Error) store.appendSkip({ questionId: 1, code, message });
    store.close();
    expect(server.requests.at(-1)!.headers.authorization).toBe(`Bearer ${KEY}`);
    const seen = [everythingOf(outcome), everythingIn(folder), JSON.stringify(api), api.id, printed.mock.calls.join()];
    expect(findMarks(seen.join('\n'))).toEqual([]);
    // What OpenAI's messages leave of a key is shorter than a piece.
    for (const end of ['Zq7', 'Vd2']) expect(seen.join('\n')).not.toContain(end);
  });

  it('a connection that fails', async () => {
    const judge = createApiJudge({ ...settings, baseUrl: 'http://127.0.0.1:1/v1' });
    const failure = await judge.judge(thoughtRequest(), {}).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'judge_unreachable' });
    expect(findMarks(everythingOf(failure))).toEqual([]);
  });

  it('a redirect to an address with the key in it', async () => {
    const elsewhere = await listening(
      createServer((_request, response) => {
        response.writeHead(307, { location: `ftp://user:${encodeURIComponent(KEY)}@host/?api-key=${KEY}` }).end();
      }),
    );
    const { port } = elsewhere.address() as AddressInfo;
    const judge = createApiJudge({ ...settings, baseUrl: `http://127.0.0.1:${port}/v1` });
    const failure = await judge.judge(thoughtRequest(), {}).catch((error: unknown) => error);
    elsewhere.close();
    expect(failure).toMatchObject({ name: 'SparkError' });
    expect(findMarks(everythingOf(failure))).toEqual([]);
  });
});

describe('every way into a file', () => {
  it('a tool of the user’s own that says its key, or fails with it', async () => {
    noteSecret(KEY);
    const registry = new ToolRegistry();
    const tool = { name: 'own', description: 'd', inputHint: 'h' };
    registry.register({ ...tool, run: async (input) => said(input) });
    const limits = { timeoutMs: 1000, maxObservationChars: 60 };
    for (const input of ['says', 'fails']) {
      const { observation } = await registry.run('own', input, limits);
      expect(observation).toContain('***');
      expect(findMarks(observation)).toEqual([]);
    }
  });

  it('trajectories, skips, metrics, facts, checkpoints of them all', async () => {
    const folder = temporaryFolder();
    const run = RunFolder.open(path.join(folder, 'run'));
    const file = run.trajectoriesFile('max-score');
    const store = await TrajectoryStore.open(file);
    store.append(exampleTrajectory(TWO_STEPS, [{}, {}], { judge: `api:m@http://h/${KEY}` }));
    store.appendSkip({ questionId: 1, code: 'internal', message: `Bearer ${KEY.slice(0, 12)}` });
    store.close();
    run.metrics.append({ event: 'x', note: KEY, loss: Number.NaN });
    await writeSealed(run.ladderFile, { [KEY]: [KEY] });
    await new Checkpoints(run.checkpointFolder('sft'), 'f').save(
      { position: { KEY }, arrays: {}, trainables: {} },
      'a',
    );
    expect(findMarks(everythingIn(folder))).toEqual([]);
    expect(run.metrics.read()).toEqual([{ event: 'x', note: '***', loss: 'NaN' }]);
    expect((await readTrajectories(file).next()).value.judge).toBe('api:m@http://h/***');
  });
});

async function said(input: string) {
  if (input === 'fails') throw new Error(`${'refused, '.repeat(5)}${KEY}`);
  return { ok: true as const, observation: `${'well, '.repeat(8)}${KEY}` };
}

describe('a key that cannot be one', () => {
  const wrong = [
    ['a line break', `${KEY}\n${KEY}`],
    ['a line break', `${KEY}\r\nX-Other: 1`],
    ['a space or tab', `${KEY} ${KEY}`],
    ['a space or tab', `${KEY}\t1`],
    ['a control character', `${KEY}\u0000${KEY}`],
    ['a character that is not ASCII', `${KEY}ключ`],
  ] as const;

  it.each(wrong)('is refused at the start: %s', (what, key) => {
    const attempts = [
      [() => createApiJudge({ ...settings, env: { OPENAI_API_KEY: key } }), 'OPENAI_API_KEY'],
      [() => createApiJudge({ ...settings, apiKey: key, baseUrl: server.baseUrl }), 'the option apiKey'],
    ] as const;
    for (const [make, source] of attempts) {
      const failure = thrownBy(make);
      expect(failure).toMatchObject({ code: 'judge_key_invalid', message: expect.stringContaining(what) });
      expect(failure).toMatchObject({ message: expect.stringContaining(source) });
      expect(findMarks(everythingOf(failure))).toEqual([]);
    }
  });

  it('outer white space is none of it, and a blank one is none', async () => {
    const judge = createApiJudge({ ...settings, baseUrl: server.baseUrl, apiKey: ` ${KEY}\n` });
    server.setBehaviours('good');
    await judge.judge(thoughtRequest(), {});
    expect(server.requests.at(-1)!.headers.authorization).toBe(`Bearer ${KEY}`);
    expect(thrownBy(() => createApiJudge({ ...settings, env: { OPENAI_API_KEY: ' \n' } }))).toMatchObject({
      code: 'judge_key_missing',
    });
  });
});

/** A secret in no variable with a telling name, so that it is not a known value. */
const STRANGER = 'Uw4Mark8HsLp2Xe6';

describe('an address that holds a secret', () => {
  it.each([
    `http://user:${encodeURIComponent(STRANGER)}@127.0.0.1/v1`,
    `http://${encodeURIComponent(STRANGER)}@127.0.0.1/v1`,
    `http://user:${STRANGER}@127.0.0.1/v1`,
    `http://127.0.0.1/v1?api-version=1&api-key=${encodeURIComponent(STRANGER)}`,
    `ftp://127.0.0.1/${STRANGER}`,
    STRANGER,
    `http://user:${STRANGER}/x@127.0.0.1:80/v1`,
    ` ${STRANGER}`,
  ])('%s', (address) => {
    for (const make of [
      () => createApiJudge({ ...settings, env: {}, baseUrl: address }),
      () => createApiJudge({ ...settings, env: { OPENAI_BASE_URL: address } }),
    ]) {
      const failure = thrownBy(make);
      expect(failure).toMatchObject({ code: 'invalid_config', message: expect.stringContaining('judge.baseUrl') });
      expect(findMarks(everythingOf(failure), [STRANGER])).toEqual([]);
    }
  });

  it('parameters that are no secret stay allowed', () => {
    const baseUrl = 'http://127.0.0.1/v1?api-version=2024-10-21';
    expect(() => createApiJudge({ ...settings, baseUrl })).not.toThrow();
  });
});

function thrownBy(make: () => unknown): unknown {
  try {
    make();
  } catch (error) {
    return error;
  }
  throw new Error('expected an error, got none');
}

function listening(started: Server): Promise<Server> {
  return new Promise((resolve) => started.listen(0, '127.0.0.1', () => resolve(started)));
}
