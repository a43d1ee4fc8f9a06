/** What a command's settings become in the configuration of a run that is there. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { silentLog } from '../../../src/log.js';
import { Run } from '../../../src/run/run.js';
import { temporaryFolder } from '../cli/runCli.js';
import { runHere } from '../cli/runHere.js';

const base = temporaryFolder();
const stored = (root: string) => JSON.parse(readFileSync(path.join(root, 'config.json'), 'utf8'));

it('says what holds for later commands, and keeps what holds for now out of it', async () => {
  const name = path.join(base, 'server');
  const said: string[] = [];
  const log = { ...silentLog, info: (line: string) => void said.push(line) };
  const server = { baseUrl: 'http://127.0.0.1:9/v1', model: 'm' };
  const open = async (config: object, options: object = {}) => {
    await using run = await Run.open({ ...config, name }, { log, ...options });
    await run.storeConfig();
    return run.config;
  };
  await open({ server });
  await open({ server });
  expect(said).toEqual([]);
  const here = { server: { baseUrl: null, model: null }, rollout: { tau: 7 } };
  expect((await open(here, { forNow: ['server'] })).server).toMatchObject(here.server);
  expect(stored(name)).toMatchObject({ server, rollout: { tau: 7 } });
  expect(said.splice(0)).toEqual([expect.stringMatching(/server: for later commands, too: rollout\.tau 6, now 7$/)]);
  await open(here);
  expect(stored(name)).toMatchObject(here);
  expect(said).toEqual([expect.stringContaining('server.baseUrl "http://127.0.0.1:9/v1", now null')]);
});

it('eval keeps to itself how its answers were written, and not which questions it asked', async () => {
  const name = path.join(base, 'eval');
  {
    await using run = await Run.open({ name, inference: { sequences: 2 }, eval: { maxChainTokens: 8 } });
    await run.storeConfig();
  }
  const args = ['eval', '--run', name, '--stage', 'base', '--limit', '2', '--set', 'inference.sequences=1', '--json'];
  const { code, stderr } = await runHere(args);
  expect(code).toBe(0);
  expect(stored(name)).toMatchObject({ inference: { sequences: 2 }, questions: { testLimit: 2 } });
  expect(stderr).toContain('for later commands, too: questions.testLimit 280, now 2');
});
