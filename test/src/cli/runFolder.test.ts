/** What can happen to a run folder from outside: a second process, kill -9, a size limit, no permission to write. */
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { silentLog } from '../../../src/log.js';
import { lockRun } from '../../../src/run/lock.js';
import type { Trajectory } from '../../../src/trajectory/trajectory.js';
import { readLines, runCli, temporaryFolder } from './runCli.js';

const root = temporaryFolder();
const run = path.join(root, 'run');
const inRun = (name: string) => path.join(run, name);
const lines = (name: string) =>
  existsSync(inRun(name)) ? readFileSync(inRun(name), 'utf8').split('\n').length - 1 : 0;
// Tools that start fast, and batches of one trajectory, so that a stage has enough steps to be killed in.
const SETTINGS = ['questions.trainLimit=28', 'questions.testLimit=14', 'tools.enabled=[calculator]', 'sft.epochs=2'];
const SET = [...SETTINGS, 'sft.batchTrajectories=1'].flatMap((one) => ['--set', one]);
const GENERATE = ['generate', '--config', 'quickstart', ...SET, '--run', run, '--selection', 'max-score', '--json'];
const TRAIN = ['train', 'sft', '--run', run, '--json'];

interface Row {
  readonly stage?: string;
  readonly step?: number;
  readonly event?: string;
  readonly resumed?: boolean;
}
const sftRows = () => readLines<Row>(inRun('metrics.jsonl')).filter((row) => row.stage === 'sft');
const sftSteps = () => sftRows().filter((row) => row.event === undefined);

describe('two processes on one run folder', () => {
  it('one writes, the other is told who does; nothing is there twice', async () => {
    const both = await Promise.all([runCli(GENERATE), runCli(GENERATE)]);
    const [done, refused] = both[0].code === 0 ? both : [both[1], both[0]];
    expect(done.code).toBe(0);
    expect(refused.code).toBe(1);
    expect(refused.json()).toMatchObject({ error: { code: 'run_locked' } });
    expect(refused.stderr).toMatch(/in use by "spark-rl generate" \(pid \d+ on .*, since 20/);
    const ids = readLines<Trajectory>(inRun('trajectories/max-score.jsonl')).map(({ id }) => id);
    expect(ids).toHaveLength(28);
    expect(new Set(ids).size).toBe(28);
    expect(readdirSync(run)).not.toContain('run.lock');
  });

  it('every command that writes is refused, a fresh start too, and report reads beside it', async () => {
    const lock = lockRun(run, silentLog);
    try {
      for (const writing of [['quickstart', '--fresh'], ['ladder'], ['generate'], ['train', 'sft'], ['eval']]) {
        const done = await runCli([...writing, '--run', run, '--json']);
        expect([writing, done.code, done.json()]).toMatchObject([writing, 1, { error: { code: 'run_locked' } }]);
        expect(done.stderr).toContain(`pid ${process.pid} `);
      }
      expect((await runCli(['report', '--run', run])).code).toBe(0);
      expect(lines('trajectories/max-score.jsonl')).toBe(28);
    } finally {
      lock.release();
    }
  });
});

describe('kill -9', () => {
  it('the next command takes over with a word, and every step is in the metrics once', async () => {
    // Killed before the first checkpoint, which is of step 20, and after it.
    for (const after of [5, 30]) {
      const killed = await runCli(TRAIN, {
        interrupt: {
          signal: 'SIGKILL',
          when: () => existsSync(inRun('metrics.jsonl')) && sftSteps().length >= after,
        },
      });
      expect(killed.code).toBeNull();
      expect(existsSync(inRun('run.lock'))).toBe(true);
    }
    const last = await runCli(TRAIN);
    expect(last.stderr).toMatch(/locked by "spark-rl train" \(pid \d+ .* has ended without releasing it; taken over/);
    expect(last.code).toBe(0);
    const steps = sftSteps().map(({ step }) => step);
    expect(steps.length).toBeGreaterThan(30);
    expect(steps).toEqual(steps.map((_, index) => index + 1));
    expect(sftRows().filter(({ event }) => event === 'start')).toMatchObject([{ resumed: false }, { resumed: true }]);
    expect(existsSync(inRun('run.lock'))).toBe(false);
  });
});

describe('ulimit -f', () => {
  let copy: string;
  beforeAll(() => {
    copy = path.join(root, 'limited');
    cpSync(run, copy, { recursive: true });
  });

  it('is a message with a code, whoever writes, and what is written stays good', async () => {
    const size = statSync(path.join(copy, 'trajectories/max-score.jsonl')).size;
    const others = ['--run', copy, '--selection', 'least-used', '--json'];
    const generate = await runCli([...GENERATE.slice(0, -5), ...others], { fileLimit: Math.ceil(size / 2048) });
    const other = ['train', 'sft', '--stage', 'other', '--epochs', '1', '--run', copy, '--json'];
    const train = await runCli(other, { fileLimit: 300 });
    for (const done of [generate, train]) {
      expect(done.json()).toMatchObject({ error: { code: 'disk_full' } });
      expect(done.stderr).toContain('ulimit -f');
      expect(done.stderr).not.toContain('    at ');
      expect(done.code).toBe(1);
    }
    expect(readFileSync(path.join(copy, 'trajectories/max-score.jsonl'), 'utf8').endsWith('\n')).toBe(true);
    expect(existsSync(path.join(copy, 'run.lock'))).toBe(false);
    expect((await runCli(other)).code).toBe(0);
  });
});

describe('a run that may only be read', () => {
  it('report changes nothing but report.html', async () => {
    const before = states(run);
    const done = await runCli(['report', '--run', run, '--json']);
    expect(done.json()).toMatchObject({ report: inRun('report.html') });
    const after = states(run);
    after.delete('report.html');
    before.delete('report.html');
    expect(after).toEqual(before);
  });

  it.runIf(process.getuid?.() === 0)('report shows what it read, and writes where it may', async () => {
    const archive = path.join(root, 'archive');
    const mine = path.join(root, 'mine');
    cpSync(run, archive, { recursive: true });
    mkdirSync(mine);
    for (const folder of [root, mine]) chmodSync(folder, 0o777);
    const nobody = { uid: 65_534 };
    const done = await runCli(['report', '--run', archive, '--json'], nobody);
    expect(done.stderr).toMatch(/cannot write .*report\.html.*--out FILE/);
    expect(done.code).toBe(0);
    expect(done.json()).toMatchObject({ report: null });
    const out = path.join(mine, 'report.html');
    const elsewhere = await runCli(['report', '--run', archive, '--out', out, '--json'], nobody);
    expect(elsewhere.json()).toMatchObject({ report: out });
    expect(readFileSync(out, 'utf8')).toContain('<!doctype html>');
    const writing = await runCli(['eval', '--run', archive, '--json'], nobody);
    expect(writing.json()).toMatchObject({ error: { code: 'io_error' } });
  });
});

/** Size, time and inode of every file. */
function states(folder: string): Map<string, string> {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  return new Map(
    names
      .map((name) => [name, statSync(path.join(folder, name))] as const)
      .filter(([, stat]) => stat.isFile())
      .map(([name, { size, mtimeMs, ino }]) => [name, `${size} ${mtimeMs} ${ino}`]),
  );
}
