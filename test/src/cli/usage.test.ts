import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import yargs, { type Argv } from 'yargs';
import { commands } from '../../../src/cli/commands.js';
import { runCli, temporaryFolder } from './runCli.js';
import { runHere } from './runHere.js';

describe('command line', () => {
  it('explains every command', async () => {
    const all = await runCli(['--help']);
    expect(all.code).toBe(0);
    expect(commands.length).toBeGreaterThan(10);
    for (const { command: usage, builder } of commands) {
      const command = String(usage).split(' ')[0]!;
      expect(all.stdout).toContain(`spark-rl ${command}`);
      // Here and not in a process of its own, which would load half a second.
      const parser = yargs().scriptName('spark-rl');
      const help = await ((await (builder as (of: Argv) => Promise<Argv>)(parser)) as Argv).getHelp();
      expect(help).toContain('--json');
    }
    const one = await runCli(['train', '--help']);
    expect(one.code).toBe(0);
    expect(one.stdout).toContain('--json');
  });

  it('ends with 2 on wrong usage and names what is wrong', async () => {
    for (const [args, words] of [
      [[], 'Name a command; start with: spark-rl quickstart; see spark-rl --help'],
      [['generat'], 'no such command. Did you mean generate?; see spark-rl --help'],
      [['nonsense'], 'unknown: nonsense; see spark-rl --help'],
      [['train'], 'expected more arguments, got 0 of 1; usage: spark-rl train <method>; see spark-rl train --help'],
      [['train', 'dpo'], 'method: got "dpo", expected one of "sft", "ppo"; see spark-rl train --help'],
      [['eval', '--backend=gpu'], '--backend: got "gpu", expected one of "auto", "cpu", "cuda"; see spark-rl eval'],
      [['generate', 'x', '--dry-rum'], 'unknown: x, --dry-rum; see spark-rl generate --help'],
      [['report'], 'expected --run, got none; see spark-rl report --help'],
      [['report', '--run'], '--run: expected a value, got none; see spark-rl report --help'],
      [['ladder', '--judge', '--json'], '--judge: expected a value, got none; see spark-rl ladder --help'],
      [['generate', '--limit', 'abc'], '--limit: expected a number, got "abc"'],
      [['trajectories', 'stats', '--run', 'x', '--nth', '3'], 'trajectories stats has no use for --nth; leave it out'],
      [['runs', 'rm', ''], 'run: expected a text, got ""'],
      [['config', 'print', '--set', 'ppo.epoch=3'], 'epoch'],
      [['config', 'print', '--tau', '12'], '--tau (rollout.tau): Too big: expected number to be <=10, got 12'],
      [['config', 'print', '--set', 'rollout.tau=12'], '\n  rollout.tau: Too big: expected number to be <=10, got 12'],
      [['config', 'print', '--model', '/no/such.gguf'], '/no/such.gguf'],
    ] as const) {
      const done = await runHere(args);
      expect(done.stderr).toContain(words);
      expect(done.stderr).toMatch(/^error \[invalid_(argument|config)\]: .*(\n {2}.*)*\n$/);
      expect(done.code).toBe(2);
    }
  });

  it('ends with 1 on failure, with the code in both outputs', async () => {
    const done = await runHere(['report', '--run', `${temporaryFolder()}/none`, '--json']);
    expect(done.code).toBe(1);
    expect(done.json()).toMatchObject({ error: { code: 'no_data' } });
    expect(done.stderr).toContain('error [no_data]');
  });

  it('trains in a new run as far as it can: it asks for data, not for an option', async () => {
    const done = await runHere(['train', 'sft', '--run', `${temporaryFolder()}/new`, '--learning-rate', '0.1']);
    expect(done.stderr).toContain('error [no_data]');
  });

  it('prints one JSON document on stdout', async () => {
    const done = await runHere(['config', 'print', '--tau', '7', '--set', 'ppo.epochs=3', '--json']);
    expect(done.json()).toMatchObject({ rollout: { tau: 7 }, ppo: { epochs: 3 } });
    expect(done.stderr).toBe('');
  });

  it('says what eval --replay guessed among, where questions decide it', async () => {
    const file = `${temporaryFolder()}/outputs.jsonl`;
    writeFileSync(file, JSON.stringify({ question_id: 1, answer: 'C', category: 'math', generated_text: 'no idea' }));
    const done = await runHere(['eval', '--replay', file]);
    expect(done.stdout).toMatch(/^official-api drew 1 of its letters among ten options.*--questions FILE/m);
  });

  it('makes and checks question files', async () => {
    const out = `${temporaryFolder()}/mini.parquet`;
    const made = await runHere(['questions', 'make-mini', '--per-category', '3', '--out', out, '--json']);
    expect(made.json()).toMatchObject({ questions: 42 });
    const read = await runHere(['questions', 'import', out, '--limit', '14', '--json']);
    expect(read.json()).toMatchObject({ questions: 14, perCategory: { math: 1, law: 1 } });
  });
});
