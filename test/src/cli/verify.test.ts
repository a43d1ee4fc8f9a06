/** verify parity on every tensor type, verify resume, and a stage that refuses to train, through the command line. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { readLines, runCli, temporaryFolder } from './runCli.js';

const folder = temporaryFolder();
const MODELS = {
  F32: 'parity.gguf',
  F16: 'quantised/f16.gguf',
  BF16: 'quantised/bf16.gguf',
  Q8_0: 'quantised/q8_0.gguf',
  Q4_0: 'quantised/q4_0.gguf',
  Q4_K: 'quantised/q4_k.gguf',
  Q5_K: 'quantised/q5_k.gguf',
  Q6_K: 'quantised/q6_k.gguf',
} as const;

interface Report {
  readonly types: string;
  readonly ok: boolean;
  readonly cause: string | null;
  readonly rows: readonly {
    comparison: string;
    adapter: string;
    worst: number;
    mean: number;
    tokens: number;
    ok: boolean;
  }[];
}

describe('spark-rl verify parity', () => {
  it.each(Object.entries(MODELS))('%s: exact arithmetic and as served, base and adapter', async (type, file) => {
    const done = await runCli([
      'verify',
      'parity',
      '--model',
      `test/fixtures/${file}`,
      '--json',
      '--set',
      'parity.tokens=40',
    ]);
    expect(done.stderr).toBe('');
    expect(done.code).toBe(0);
    const report = done.json() as Report;
    expect(report.types).toContain(type);
    expect(report.rows.map((row) => `${row.comparison} ${row.adapter}`)).toEqual([
      'exact none',
      'exact random',
      'file none',
      'file random',
      'file none',
      'file random',
    ]);
    for (const row of report.rows.slice(0, 2)) {
      expect(row.worst).toBeLessThan(2e-4);
      expect(row.tokens).toBeGreaterThan(10);
    }
  });

  it('past the tolerance: exit 1, the table, and the likely cause', async () => {
    const model = ['--model', 'test/fixtures/quantised/q4_k.gguf', '--set', 'parity.tokens=40', '--skip-exact'];
    const done = await runCli(['verify', 'parity', ...model, '--tolerance', '1e-6']);
    expect(done.code).toBe(1);
    expect(done.stdout).toContain('TOO FAR');
    expect(done.stdout).toMatch(/likely cause: quantisation: for Q4_K/);
  });
});

describe('spark-rl verify resume', () => {
  it('changes no bit', async () => {
    const done = await runCli(['verify', 'resume', '--json']);
    expect(done.code).toBe(0);
    const { results } = done.json() as {
      results: { method: string; different: number; values: number; steps: number }[];
    };
    expect(results.map((result) => result.method)).toEqual(['sft', 'ppo']);
    for (const result of results) {
      expect(result.different).toBe(0);
      expect(result.values).toBeGreaterThan(50_000);
      expect(result.steps).toBeGreaterThan(6);
    }
  });
});

describe('training', () => {
  const run = path.join(folder, 'run');

  it('refuses to start past the tolerance, and with the default it starts, measures and checks what it saves', async () => {
    const small = ['--run', run, '--limit', '16', '--policy', 'max-score', '--quiet'];
    expect((await runCli(['generate', ...small])).code).toBe(0);
    const refused = await runCli([
      'train',
      'sft',
      '--run',
      run,
      '--epochs',
      '1',
      '--set',
      'parity.tolerance=0',
      '--quiet',
    ]);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/parity_failed/);
    expect(refused.stderr).toMatch(/Likely cause: /);
    expect(existsSync(path.join(run, 'stages.json'))).toBe(false);

    const trained = await runCli([
      'train',
      'sft',
      '--run',
      run,
      '--epochs',
      '1',
      '--set',
      'parity.tolerance=0.01',
      '--quiet',
    ]);
    expect(trained.stderr).not.toMatch(/error/);
    expect(trained.code).toBe(0);
    const rows = readLines<Record<string, unknown>>(path.join(run, 'metrics.jsonl'));
    const parity = rows.filter((row) => row.event === 'parity');
    expect(parity).toHaveLength(2); // the refusal's numbers are kept too
    expect(parity[1]!.mean as number).toBeLessThan(0.01);
    const saved = rows.find((row) => row.event === 'saved')!;
    expect(saved.effect as number).toBeGreaterThan(saved.mean as number);
  });
});
