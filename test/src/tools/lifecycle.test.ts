import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { silentLog } from '../../../src/log.js';
import { HOST_LIMITS } from '../../../src/tools/builtinHosts.js';
import { ToolHost } from '../../../src/tools/host.js';
import { isolation } from '../../../src/tools/hostLaunch.js';
import { isAlive } from '../../processes.js';

const context = { timeoutMs: 20_000, maxObservationChars: 100 };
const options = { kind: 'logic', size: 1, retireAfter: 1000, startTimeoutMs: 60_000, maxRssMb: 1024 } as const;
/** z3 does not find three such cubes in any reasonable time. */
const ENDLESS =
  '(declare-const x Int)(declare-const y Int)(declare-const z Int)(assert (= (+ (* x x x) (* y y y) (* z z z)) 114))(check-sat)';

const hosts: ToolHost[] = [];
const host = (more: Partial<ConstructorParameters<typeof ToolHost>[0]> = {}) => {
  const made = new ToolHost({ ...options, ...more });
  hosts.push(made);
  return made;
};
afterAll(() => Promise.all(hosts.map((made) => made.dispose())));

describe('ToolHost', () => {
  it('queues concurrent calls on one child and answers each with its own result', async () => {
    const logic = host();
    const inputs = Array.from({ length: 30 }, (_, i) => `(declare-const n Int)(assert (= n ${i}))`);
    const results = await Promise.all(inputs.map((input) => logic.run('logic', input, context)));
    expect(results.map(({ observation }) => observation)).toEqual(inputs.map((_, i) => `sat: n = ${i}`));
    expect(logic.pids()).toHaveLength(1);
  });

  it('replaces a child after so many calls, without failing a call', async () => {
    const logic = host({ retireAfter: 2 });
    const seen = new Set<number>();
    for (let i = 0; i < 4; i++) {
      expect(await logic.run('logic', 'p |- p', context)).toEqual({ ok: true, observation: 'valid' });
      for (const pid of logic.pids()) seen.add(pid);
    }
    expect(seen.size).toBeGreaterThanOrEqual(2);
  });

  it('starts the next child while a child’s last call runs, and never runs more calls at once than it may', async () => {
    const logic = host({ retireAfter: 1 });
    await logic.warm();
    const [first] = logic.pids();
    const running = logic.run('logic', ENDLESS, { ...context, timeoutMs: 4000 });
    const queued = logic.run('logic', 'p |- p', context);
    for (let i = 0; i < 100 && logic.pids().length < 2; i++) await new Promise((resolve) => setTimeout(resolve, 20));
    expect(logic.pids()).toHaveLength(2);
    expect(await running).toMatchObject({ code: 'tool_timeout' });
    expect(await queued).toEqual({ ok: true, observation: 'valid' });
    expect(logic.pids()).not.toContain(first);
  });

  it('abort rejects the running and the queued call, ends the child, and leaves the host usable', async () => {
    const logic = host();
    await logic.warm();
    const controller = new AbortController();
    const running = logic.run('logic', ENDLESS, { ...context, signal: controller.signal });
    const queued = logic.run('logic', 'p |- p', { ...context, signal: controller.signal });
    const other = logic.run('logic', 'p |- p', context);
    const outcomes = Promise.allSettled([running, queued]);
    setTimeout(() => controller.abort(), 50);
    for (const outcome of await outcomes) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'interrupted' } });
    }
    expect(await other).toEqual({ ok: true, observation: 'valid' });
  });

  it('dispose ends a warm() that waits', async () => {
    const logic = host();
    const warming = logic.warm();
    await logic.dispose();
    expect(await warming).toBeUndefined();
  });

  it('dispose settles what is open and ends every child', async () => {
    const logic = host();
    await logic.warm();
    const pids = logic.pids();
    const open = [logic.run('logic', ENDLESS, context), logic.run('logic', 'p |- p', context)];
    await logic.dispose();
    for (const result of await Promise.all(open)) expect(result).toMatchObject({ ok: false, code: 'tool_failed' });
    expect(pids.filter(isAlive)).toEqual([]);
    expect(await logic.run('logic', 'p |- p', context)).toMatchObject({ ok: false, code: 'tool_failed' });
  });

  it('says that a tool could not start instead of waiting for ever', async () => {
    const slow = host({ startTimeoutMs: 1 });
    const unavailable = {
      code: 'tool_unavailable',
      message: expect.stringMatching(/logic tools.*it was not ready after 0\.001 s/),
    };
    await expect(slow.warm()).rejects.toMatchObject(unavailable);
    await expect(slow.run('logic', 'p |- p', context)).rejects.toMatchObject(unavailable);
  });

  it('says that a child takes long, and then still has it', async () => {
    const said: string[] = [];
    const log = { ...silentLog, warn: (line: string) => void said.push(line) };
    const late = host({ slowAfterMs: 1, log });
    expect(await late.run('logic', 'p |- p', context)).toMatchObject({ ok: true });
    expect(said[0]).toBe(
      'a child process of the logic tools is not ready after 0.001 s, as happens on a busy machine; waiting for it, 60 s at most',
    );
    expect(HOST_LIMITS.slowAfterMs).toBeLessThan(HOST_LIMITS.startTimeoutMs);
    const silent: string[] = [];
    await host({ log: { ...silentLog, warn: (line) => void silent.push(line) } }).warm();
    expect(silent).toEqual([]);
    await expect(host({ slowAfterMs: 1, startTimeoutMs: 2, log }).warm()).rejects.toThrow(/not ready after 0\.002 s/);
  });

  it.skipIf(process.platform !== 'linux')('kills a child whose memory grows past the limit', async () => {
    const logic = host({ maxRssMb: 1 });
    expect(await logic.run('logic', ENDLESS, context)).toEqual({
      ...{ ok: false, code: 'tool_failed' },
      observation: 'logic stopped: out of memory',
    });
  });
});

describe('a program and its child', () => {
  const here = dirname(fileURLToPath(import.meta.url));
  const viteNode = join(dirname(createRequire(import.meta.url).resolve('vite-node/package.json')), 'vite-node.mjs');
  const start = (mode: string) => {
    const parent = spawn(process.execPath, [viteNode, join(here, 'fixtures', 'parent.ts'), mode], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    const exited = new Promise<{ code: number | null; output: string }>((resolve) => {
      parent.on('close', (code) => resolve({ code, output }));
    });
    const pid = new Promise<number>((resolve, reject) => {
      parent.stdout.setEncoding('utf8').on('data', (text: string) => {
        output += text;
        if (output.includes('\n')) resolve(Number.parseInt(output, 10));
      });
      void exited.then(() => reject(new Error('ended without a pid')));
    });
    return { parent, pid, exited };
  };

  it('a program that does not dispose ends by itself, and its idle child with it', async () => {
    const { pid, exited } = start('idle');
    expect((await exited).code).toBe(0);
    expect(await gone(await pid)).toBe(true);
  });

  it('a program with nothing else to do still sees its dispose through', async () => {
    const { pid, exited } = start('dispose');
    expect(await exited).toEqual({ code: 0, output: `${await pid}\ndisposed\n` });
    expect(isAlive(await pid)).toBe(false);
  });

  // Without a parent-death signal the child ends only after its limit of CPU time, too long to wait for here.
  it.skipIf(!isolation().parentDeathSignal)('a program that is killed takes its working child with it', async () => {
    const { parent, pid, exited } = start('busy');
    const child = await pid;
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(isAlive(child)).toBe(true);
    parent.kill('SIGKILL');
    await exited;
    expect(await gone(child)).toBe(true);
  });
});

async function gone(pid: number): Promise<boolean> {
  for (let i = 0; i < 100 && isAlive(pid); i++) await new Promise((resolve) => setTimeout(resolve, 50));
  return !isAlive(pid);
}
