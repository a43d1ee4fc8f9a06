import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import path from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { type Log, silentLog } from '../../../src/log.js';
import { ownIdentity } from '../../../src/processIdentity.js';
import { LOCK_FILE, lockRun } from '../../../src/run/lock.js';

let folder: string;
let file: string;
let warnings: string[];
const log: Log = { ...silentLog, warn: (message) => void warnings.push(message) };
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'spark-lock-'));
  file = path.join(folder, LOCK_FILE);
  warnings = [];
});

const holder = (change: object = {}) => ({
  id: 'another',
  ...ownIdentity(),
  since: '2026-05-01T12:00:00.000Z',
  command: 'spark-rl train',
  ...change,
});
const locked = (change: object) => writeFileSync(file, JSON.stringify(holder(change)));
const deadPid = () => spawnSync(process.execPath, ['-e', '']).pid;

describe('lockRun', () => {
  it('lets one in, says who it is, and leaves nothing when it is given free', () => {
    const lock = lockRun(folder, log);
    expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({ pid: process.pid, host: hostname() });
    expect(() => lockRun(folder, log)).toThrow(
      expect.objectContaining({ code: 'run_locked', message: expect.stringContaining('this process') }),
    );
    lock.release();
    expect(readdirSync(folder)).toEqual([]);
    lockRun(folder, log).release();
    lock.release();
    expect(warnings).toEqual([]);
  });

  it('refuses while the holder lives, and names it', () => {
    const child = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 60_000)']);
    try {
      locked({ pid: child.pid, started: null });
      expect(() => lockRun(folder, log)).toThrow(new RegExp(`spark-rl train.*pid ${child.pid} on .*2026-05-01`));
      expect(existsSync(file)).toBe(true);
    } finally {
      child.kill('SIGKILL');
    }
  });

  it('takes a dead holder’s over with a word; a pid that was given out again is another process', () => {
    for (const change of [{ pid: deadPid() }, { started: '12' }]) {
      locked(change);
      const lock = lockRun(folder, log);
      expect(warnings.pop()).toMatch(/locked by "spark-rl train".*has ended.*taken over/);
      lock.release();
      expect(readdirSync(folder)).toEqual([]);
    }
  });

  it.runIf(process.platform === 'linux')(
    'takes over from before the machine was started again, if it is this machine',
    () => {
      locked({ boot: 'an earlier one', machine: ownIdentity().machine ?? 'none' });
      if (ownIdentity().machine === null) expect(() => lockRun(folder, log)).toThrow(/cannot be seen/);
      else lockRun(folder, log).release();
      locked({ boot: 'another one', machine: 'another' });
      expect(() => lockRun(folder, log)).toThrow(/cannot be seen/);
    },
  );

  it('says of another machine’s and another container’s that it cannot be seen, and how to remove it', () => {
    for (const change of [{ host: 'far-away' }, { pids: 'pid:[1]' }]) {
      locked({ ...change, pid: deadPid() });
      expect(() => lockRun(folder, log)).toThrow(
        expect.objectContaining({ code: 'run_locked', message: expect.stringContaining(`remove ${file}`) }),
      );
    }
  });

  it('refuses a lock that says nothing', () => {
    for (const text of ['', '{', '{"pid": 1}', JSON.stringify(holder({ pid: -1 }))]) {
      writeFileSync(file, text);
      expect(() => lockRun(folder, log)).toThrow(
        expect.objectContaining({ code: 'invalid_file', message: expect.stringContaining('remove it') }),
      );
    }
  });

  it('goes on when another died while taking over', () => {
    locked({ pid: deadPid() });
    writeFileSync(`${file}.takeover`, JSON.stringify(holder({ id: 'a third', pid: deadPid() })));
    lockRun(folder, log).release();
    expect(readdirSync(folder)).toEqual([]);
  });

  it('does not take away what another holds by now', () => {
    const lock = lockRun(folder, log);
    rmSync(file);
    locked({});
    lock.release();
    expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({ id: 'another' });
  });

  it('lets in one of many that come at the same moment, over a dead holder too', async () => {
    const module = path.resolve('dist/run/lock.js');
    // The process that gets the lock holds it until its input ends, so that no other gets it afterwards.
    const script = `const { lockRun } = await import(${JSON.stringify(module)});
      while (Date.now() < Number(process.argv[1])) {}
      try { lockRun(${JSON.stringify(folder)}, { warn() {} }); console.log('in'); await new Promise((end) => process.stdin.on('end', end).resume()); }
      catch (error) { console.log(error.code); }`;
    for (const before of [{}, { pid: deadPid() }, { pid: deadPid() }]) {
      rmSync(file, { force: true });
      if ('pid' in before) locked(before);
      const moment = `${Date.now() + 2500}`;
      const children = Array.from({ length: 6 }, () =>
        spawn(process.execPath, ['--input-type=module', '-e', script, moment], { stdio: ['pipe', 'pipe', 'inherit'] }),
      );
      const ended = children.map((child) => new Promise((resolve) => child.on('close', resolve)));
      const said = await Promise.all(
        children.map(
          (child) => new Promise<string>((resolve) => child.stdout.once('data', (data) => resolve(`${data}`.trim()))),
        ),
      );
      for (const child of children) child.stdin.end();
      await Promise.all(ended);
      expect(said.sort()).toEqual(['in', ...Array.from({ length: 5 }, () => 'run_locked')]);
      expect(readdirSync(folder)).toEqual([]);
    }
  });
});
