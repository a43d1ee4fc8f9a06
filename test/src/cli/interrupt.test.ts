/** Ctrl-C and kill -9 in every phase of a run on the embedded default: nothing finished is lost, the same command goes on. */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Trajectory } from '../../../src/trajectory/trajectory.js';
import { readLines, runCli, temporaryFolder } from './runCli.js';

const run = path.join(temporaryFolder(), 'interrupted');
const file = (name: string) => path.join(run, name);
const lines = (name: string) => (existsSync(file(name)) ? readFileSync(file(name), 'utf8').split('\n').length - 1 : 0);
// Only tools of one child: others, above all Python's, take seconds to start, each time.
const SETTINGS = ['questions.trainLimit=42', 'questions.testLimit=28', 'tools.enabled=[calculator,statistics]'];
const SMALL = ['--config', 'quickstart', '--run', run, ...SETTINGS.flatMap((one) => ['--set', one])];
const GENERATE = ['generate', ...SMALL, '--selection', 'max-score', '--json'];

describe('an interrupted run', () => {
  it('keeps every finished trajectory when generation is interrupted, and goes on', async () => {
    const first = await runCli(GENERATE, {
      interrupt: { signal: 'SIGINT', when: () => lines('trajectories/max-score.jsonl') >= 5 },
    });
    expect(first.code).toBe(130);
    expect(first.json()).toMatchObject({ error: { code: 'interrupted' } });
    expect(first.stderr).toContain('run the same command again');
    const kept = readLines<Trajectory>(file('trajectories/max-score.jsonl')).length;
    expect(kept).toBeGreaterThanOrEqual(5);
    expect(kept).toBeLessThan(42);

    const killed = await runCli(GENERATE, {
      interrupt: { signal: 'SIGKILL', when: () => lines('trajectories/max-score.jsonl') >= kept + 5 },
    });
    expect(killed.code).toBeNull();
    const last = await runCli(GENERATE);
    expect(last.code).toBe(0);
    const { written, already } = last.json() as { written: number; already: number };
    expect(already).toBeGreaterThanOrEqual(kept + 5);
    expect(written + already).toBe(42);
    const ids = readLines<Trajectory>(file('trajectories/max-score.jsonl')).map((trajectory) => trajectory.id);
    expect(new Set(ids).size).toBe(42);
  });

  it('keeps the optimizer when training is interrupted, and goes on from there', async () => {
    const train = ['train', 'sft', '--run', run, '--epochs', '1', '--set', 'sft.batchTrajectories=2', '--json'];
    const sftSteps = () =>
      existsSync(file('metrics.jsonl'))
        ? readLines<{ stage?: string; step?: number }>(file('metrics.jsonl')).filter(
            (row) => row.stage === 'sft' && row.step,
          )
        : [];
    const first = await runCli(train, { interrupt: { signal: 'SIGINT', when: () => sftSteps().length >= 3 } });
    expect(first.code).toBe(130);
    expect(existsSync(file('checkpoints/sft/latest.json'))).toBe(true);
    const before = sftSteps().length;
    const second = await runCli(train);
    expect(second.code).toBe(0);
    const steps = sftSteps().map((row) => row.step);
    expect(before).toBeLessThan(steps.length);
    // Every step once.
    expect(steps).toEqual(steps.map((_, index) => index + 1));
    const third = await runCli(train);
    expect(third.json()).toMatchObject(second.json());
    expect(sftSteps()).toHaveLength(steps.length);
  });

  it('keeps the answers when an evaluation is interrupted, and goes on', async () => {
    const evaluate = ['eval', '--run', run, '--stage', 'sft', '--json'];
    const first = await runCli(evaluate, {
      interrupt: { signal: 'SIGTERM', when: () => lines('eval/sft.jsonl') >= 3 },
    });
    expect(first.code).toBe(130);
    const kept = readLines<Trajectory>(file('eval/sft.jsonl'));
    expect(kept.length).toBeLessThan(28);
    const second = await runCli(evaluate);
    expect(second.json()).toMatchObject({ evaluation: { questions: 28 } });
    const all = readLines<Trajectory>(file('eval/sft.jsonl'));
    expect(all).toHaveLength(28);
    expect(all.slice(0, kept.length)).toEqual(kept);
  });

  it('refuses to mix rollouts made under other rules', async () => {
    const done = await runCli([...GENERATE, '--temperature', '1']);
    expect(done.code).toBe(1);
    expect(done.json()).toMatchObject({ error: { code: 'run_exists' } });
    expect(done.stderr).toContain('temperature 0.7, now 1');
  });
});
