/**
 * Puts marked secrets into every place that can hold one, makes real commands fail, and searches all output for the
 * marks. What the program does on its way out (a value of the environment is hidden, a crash is caught) is asked of
 * processes of its own; whether a command says a secret at all, in this one, where fewer would hide it.
 */
import { existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BEHAVIOURS, type Behaviour, type LoopbackServer, startOpenAiServer } from '../../loopback/openaiServer.mjs';
import { everythingIn, findMarks, KEY } from '../secrets/marks.js';
import { type Finished, readLines, runCli, temporaryFolder } from './runCli.js';
import { runHere } from './runHere.js';

const MARKS = { proxy: 'Px3Mark9dRwT7yQa', other: 'Ht5Mark2vZnK8cLe', tracking: 'Ml6Mark4bGfS1uJo' };
const ALL = [KEY, ...Object.values(MARKS)];
/** A secret in no environment variable: the command first sees it where it must not be. */
const STRANGER = 'Uw4Mark8HsLp2Xe6';
/** Server behaviours that end a run, so that each needs its own run. */
const FATAL: readonly Behaviour[] = ['badKey', 'noModel', 'echoMasked', 'quota', 'noCredit', 'quotaIn200'];

const folder = temporaryFolder();
let server: LoopbackServer;
let env: Record<string, string>;
beforeAll(async () => {
  server = await startOpenAiServer({ retryAfterSeconds: 9999 });
  env = {
    OPENAI_API_KEY: KEY,
    OPENAI_BASE_URL: server.baseUrl,
    OPENAI_LOG: 'debug',
    HTTPS_PROXY: `http://user:${MARKS.proxy}@127.0.0.1:1`,
    http_proxy: `user:${MARKS.proxy}@127.0.0.1:1`,
    NO_PROXY: '127.0.0.1',
    HF_TOKEN: MARKS.other,
    MLFLOW_TRACKING_URI: `https://user:${MARKS.tracking}@127.0.0.1:1/?token=${MARKS.tracking}`,
  };
});
afterAll(() => server.close());

// Only one tool: others take seconds to start, and no tool's child gets the environment in which the secrets are.
// Long enough for every answer that comes, on a busy machine too: too many late ones would end the run.
const SHORT = ['judge.timeoutMs=3000', 'judge.maxRetries=0', 'tools.enabled=[calculator]'].flatMap((setting) => [
  '--set',
  setting,
]);
const generating = (run: string, ...more: string[]) => {
  const args = ['generate', '--judge', 'api', '--run', path.join(folder, run), '--set', 'rollout.stepRetries=0'];
  return [...args, ...SHORT, ...more];
};

function expectNoMark(done: Finished, run?: string, marks: readonly string[] = ALL): void {
  const files = run === undefined || !existsSync(path.join(folder, run)) ? '' : everythingIn(path.join(folder, run));
  expect(findMarks(done.stdout, marks), done.stdout).toEqual([]);
  expect(findMarks(done.stderr, marks), done.stderr).toEqual([]);
  expect(findMarks(files, marks), run).toEqual([]);
}

/** Why questions were skipped. */
const skipped = (run: string): string[] =>
  readLines<{ code: string }>(path.join(folder, run, 'trajectories', 'min-score-tau6.skips.jsonl')).map(
    ({ code }) => code,
  );

describe('a run with a judge that fails in every way', () => {
  it('generates, trains and reports without a mark', async () => {
    const behaviours = (Object.keys(BEHAVIOURS) as Behaviour[]).filter((behaviour) => !FATAL.includes(behaviour));
    server.setBehaviours(...behaviours, 'good');
    const done = await runCli(generating('all', '--limit', '56'), { env });
    expect(done.stderr).not.toContain('error [');
    expect(new Set(server.requests.map((request) => request.behaviour)).size).toBe(behaviours.length);
    expect(server.requests[0]!.headers.authorization).toBe(`Bearer ${KEY}`);
    expectNoMark(done, 'all');
    // What may pass has passed when a question is tried again.
    expect(new Set(skipped('all'))).toEqual(new Set(['judge_refused', 'judge_unparsable']));
    const run = ['--run', path.join(folder, 'all')];
    const train = ['train', 'ppo', ...run, '--init', 'base', '--set', 'ppo.iterations=1', '--set', 'ppo.epochs=1'];
    for (const args of [train, ['report', ...run], ['config', 'print', ...run], ['doctor', '--judge', 'api', ...run]]) {
      const next = await runCli(args, { env });
      expect(next.code, next.stderr).toBe(0);
      expectNoMark(next, 'all');
    }
    expect(existsSync(path.join(folder, 'all', 'report.html'))).toBe(true);
  });

  it('skips questions whose judge stays out of reach without a mark', async () => {
    server.setBehaviours('rateLimit', 'errorIn200', 'reset', 'refused', 'silent500', 'serverError');
    const done = await runHere(generating('unreachable', '--limit', '7'), env);
    expect(skipped('unreachable')).toEqual(Array(7).fill('judge_unreachable'));
    expectNoMark(done, 'unreachable');
  });

  it.each(FATAL)('%s', async (behaviour) => {
    server.setBehaviours(behaviour);
    const done = await runHere(generating(behaviour, '--limit', '14', '--json'), env);
    expect(done.code).not.toBe(0);
    expect(done.stderr).toMatch(/error \[(judge_key_invalid|judge_no_credit|invalid_config)\]/);
    expectNoMark(done, behaviour);
  });

  it.each([
    ['a line break', '\n'],
    ['a space or tab', ' '],
  ])('a key with %s inside is refused before anything is sent', async (words, inside) => {
    // A server of its own: requests of the commands before, which were given up, may still arrive at the other.
    const unasked = await startOpenAiServer();
    const key = `${KEY}${inside}${MARKS.other}`;
    const malformed = { ...env, OPENAI_API_KEY: key, OPENAI_BASE_URL: unasked.baseUrl };
    for (const command of [generating('malformed', '--limit', '14'), ['doctor', '--judge', 'api', ...SHORT]]) {
      const done = await runHere(command, malformed);
      expect(done.code).toBe(1);
      expect(done.stderr + done.stdout).toContain('[judge_key_invalid]');
      expect(done.stderr + done.stdout).toMatch(new RegExp(`OPENAI_API_KEY: .*${words}`));
      expectNoMark(done, 'malformed');
    }
    expect(unasked.requests).toHaveLength(0);
    await unasked.close();
  });
});

describe('a secret in a wrong place', () => {
  const yaml = (name: string, text: string) => {
    const file = path.join(folder, `${name}.yaml`);
    writeFileSync(file, text);
    return ['config', 'print', '--config', file];
  };
  const print = ['config', 'print'];
  const broken = (text: string) => yaml(`broken${text.length}`, text);

  it.each([
    ['a key of its own', () => yaml('own', `judge:\n  apiKey: ${STRANGER}\n`)],
    ['headers', () => yaml('headers', `judge:\n  headers:\n    Authorization: Bearer ${STRANGER}\n`)],
    ['an address', () => yaml('address', `judge:\n  baseUrl: http://user:${STRANGER}@127.0.0.1/v1\n`)],
    ['a broken address', () => yaml('address2', `judge:\n  baseUrl: http://user:${STRANGER}/@127.0.0.1:1/v1\n`)],
    ['a parameter', () => yaml('parameter', `judge:\n  baseUrl: http://127.0.0.1/v1?api-key=${STRANGER}\n`)],
    ['questions', () => yaml('questions', `questions:\n  train: https://user:${STRANGER}@127.0.0.1/x.parquet\n`)],
    ['a wrong type', () => yaml('type', `judge:\n  timeoutMs: "Bearer ${STRANGER}"\n`)],
    ['YAML without its end', () => broken(`judge:\n  apiKey: "${STRANGER}\n`)],
    ['YAML with an alias', () => broken(`judge:\n  model: *${STRANGER}\n`)],
    ['YAML with a tab', () => broken(`judge:\n\tapiKey: ${STRANGER}\n`)],
    ['YAML twice', () => broken(`a: 1\nb: "x" ${STRANGER}\n`)],
    ['--set', () => [...print, '--set', `judge.apiKey=${STRANGER}`]],
    ['--set without =', () => [...print, '--set', `judge.apiKey:${STRANGER}`]],
    ['--set, broken', () => [...print, '--set', `judge.model="${STRANGER}`]],
    ['--set, alias', () => [...print, '--set', `judge.model=*${STRANGER}`]],
    ['--judge-url', () => [...print, '--judge-url', `http://user:${STRANGER}@127.0.0.1/v1`]],
    ['an option that is none', () => [...print, `--api-key=${STRANGER}`]],
    ['an option that is none, in two words', () => [...print, '--judge-key', STRANGER]],
    ['--model', () => [...print, '--model', `https://user:${STRANGER}@127.0.0.1/m.gguf`]],
  ])('%s', async (_place, args) => {
    // With --json the message is printed to both stdout and stderr.
    const done = await runHere([...args(), '--json']);
    expect(done.code, done.stderr).toBe(2);
    expect(done.stderr).not.toBe('');
    expectNoMark(done, undefined, [STRANGER]);
  });

  it('a value of the environment', async () => {
    for (const setting of [`judge.model=${MARKS.other}`, `name=${MARKS.other}`, `questions.train=/x/${MARKS.other}`]) {
      const done = await runCli(['config', 'print', '--set', setting], { env });
      expect(done.code).toBe(2);
      expect(done.stderr).toContain(setting.split('=')[0]);
      expectNoMark(done);
    }
  });

  it('paths of files that are not there', async () => {
    const url = `https://user:${STRANGER}@127.0.0.1/x.jsonl`;
    for (const args of [
      ['eval', '--replay', url],
      ['questions', 'import', url],
      ['config', 'print', '--config', url],
    ]) {
      const done = await runHere(args);
      expect(done.code).not.toBe(0);
      expectNoMark(done, undefined, [STRANGER]);
    }
  });

  it('an environment’s address', async () => {
    for (const address of [`http://user:${STRANGER}@127.0.0.1/v1`, `http://127.0.0.1/v1?key=${STRANGER}`, STRANGER]) {
      const args = ['generate', '--judge', 'api', '--run', path.join(folder, 'address'), '--limit', '14'];
      const done = await runHere(args, { OPENAI_BASE_URL: address });
      expect(done.stderr).toContain('error [invalid_config]: judge.baseUrl');
      expectNoMark(done, 'address', [STRANGER]);
    }
  });

  it('a crash that nothing caught', async () => {
    // Throws in a callback as soon as the program runs, so that nothing catches it.
    const crash = 'if(process.listenerCount("uncaughtException"))throw(new(Error)(process.env.OPENAI_API_KEY))';
    const NODE_OPTIONS = `--import=data:text/javascript,setInterval(()=>{${encodeURIComponent(crash)}},1)`;
    const done = await runCli(['config', 'print'], { env: { ...env, NODE_OPTIONS } });
    expect(done.code).toBe(1);
    expect(done.stderr).toContain('error [internal]: ***');
    expectNoMark(done);
  });
});
