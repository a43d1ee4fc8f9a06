/**
 * The whole path with real parts: MMLU-Pro questions, Llama 3.1's tokenizer, the openai client and a server on
 * loopback. The model is random, so its text is noise that hits every limit: this shows that the loop runs and trains,
 * not that answers are right.
 */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BUILTIN_TOOLS } from '../../../src/tools/builtin.js';
import { THINK } from '../../../src/tools/tool.js';
import type { Trajectory } from '../../../src/trajectory/trajectory.js';
import { type LoopbackServer, startOpenAiServer } from '../../loopback/openaiServer.mjs';
import { hasShared, REAL_OUTPUTS, REAL_QUESTIONS, REAL_TOKENIZER_MODEL, shared } from '../shared.js';
import { readLines, temporaryFolder } from './runCli.js';
import { runHere } from './runHere.js';

// Short limits, because the random model never closes a block.
const SHORT = ['thought', 'input', 'answer'].flatMap((kind) => [
  '--set',
  `rollout.max${kind[0]!.toUpperCase()}${kind.slice(1)}Tokens=5`,
]);

describe.skipIf(!hasShared)('real questions, real tokenizer, a judge on loopback', () => {
  const run = path.join(temporaryFolder(), 'real');
  const model = shared(REAL_TOKENIZER_MODEL);
  let server: LoopbackServer;
  let env: Record<string, string>;

  beforeAll(async () => {
    server = await startOpenAiServer();
    env = { OPENAI_BASE_URL: server.baseUrl, OPENAI_API_KEY: 'test' };
  });
  afterAll(() => server.close());

  it('generate writes 14 trajectories, one of each category', async () => {
    const args = [
      'generate',
      '--questions',
      shared(REAL_QUESTIONS),
      '--limit',
      '14',
      '--model',
      model,
      '--run',
      run,
      '--steps',
      '2',
    ];
    const done = await runHere([...args, ...SHORT, '--json'], env);
    expect(done.stderr + done.stdout).not.toContain('error [');
    expect(done.code).toBe(0);
    expect(done.json()).toMatchObject({ written: 14, skipped: 0, set: 'min-score-tau6' });
    const trajectories = readLines<Trajectory>(path.join(run, 'trajectories/min-score-tau6.jsonl'));
    expect(trajectories).toHaveLength(14);
    const categories = new Set(trajectories.map((trajectory) => trajectory.category));
    expect(categories.size).toBe(14);
    for (const { steps, tokens, segments } of trajectories) {
      expect(segments.at(-1)!.end).toBe(tokens.length);
      for (const step of steps) expect(Object.keys(step.scores ?? {})).toEqual([...BUILTIN_TOOLS, THINK]);
    }
    const again = await runHere([...args, ...SHORT, '--json'], env);
    expect(again.json()).toMatchObject({ written: 0, already: 14 });
  });

  it('train ppo learns from them', async () => {
    const settings = ['ppo.batchTrajectories=4', 'ppo.iterations=1', 'parity.tokens=48'].flatMap((one) => [
      '--set',
      one,
    ]);
    const args = ['train', 'ppo', '--run', run, '--init', 'base', ...settings, '--json'];
    const done = await runHere(args, env);
    expect(done.stderr).not.toContain('error [');
    const result = done.json() as { adapter: string };
    const steps = readLines<Record<string, number | string>>(path.join(run, 'metrics.jsonl')).filter(
      (row) => row.stage === 'spark' && row.event === undefined,
    );
    expect(steps.length).toBeGreaterThan(4);
    for (const row of steps) {
      for (const name of ['loss', 'policyLoss', 'klPenalty', 'k1', 'k2', 'k3', 'valueLoss', 'gradNorm', 'ratioMax']) {
        expect(row[name], `${name} at step ${row.step}`).toSatisfy(Number.isFinite);
      }
    }
    const inspected = await runHere(['adapter', 'inspect', result.adapter, '--model', model, '--json']);
    const { tensors } = inspected.json() as { tensors: { name: string; norm: number }[] };
    const changed = tensors.filter((tensor) => tensor.name.endsWith('lora_b') && tensor.norm > 0);
    expect(changed).toHaveLength(14); // B starts at zero: 2 layers x 7 projections have moved
  });

  it('eval scores the adapter', async () => {
    const questions = ['--questions', shared(REAL_QUESTIONS), '--limit', '7'];
    const done = await runHere(['eval', '--run', run, '--stage', 'spark', ...questions, ...SHORT, '--json'], env);
    expect(done.stderr).not.toContain('error [');
    expect(done.json()).toMatchObject({ name: 'spark', evaluation: { questions: 7 } });
    expect(existsSync(path.join(run, 'eval', 'spark.jsonl'))).toBe(true);
  });

  it('eval --replay scores 700 real outputs under every protocol', async () => {
    const done = await runHere(['eval', '--replay', shared(REAL_OUTPUTS), '--json']);
    const { outputs, protocols } = done.json() as { outputs: number; protocols: Record<string, { accuracy: number }> };
    expect(outputs).toBe(700);
    expect(Object.keys(protocols)).toHaveLength(4);
    for (const { accuracy } of Object.values(protocols)) {
      expect(accuracy).toBeGreaterThan(0.3);
      expect(accuracy).toBeLessThan(0.6);
    }
  });
});
