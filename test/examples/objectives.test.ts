/**
 * The examples' objectives: loss and every gradient by name against PyTorch's autograd, which was given the loss alone
 * (test/fixtures/make_example_fixtures.py), and each example as it is run.
 */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { dpoStep, type Pair } from '../../examples/dpo.js';
import { type Group, grpoStep } from '../../examples/grpo.js';
import { type Adapter, type Model, openModel } from '../../src/engine/index.js';
import { fixtureTensor } from '../bindings/support.js';
import { full } from '../src/full.js';

const fixture = (name: string) => fileURLToPath(new URL(`../fixtures/models/${name}`, import.meta.url));
const expected = (key: string) => fixtureTensor(fixture('examples.safetensors'), key);
const ids = (key: string) => Array.from(expected(key));

let model: Model;
let adapter: Adapter;

beforeAll(async () => {
  model = await openModel(fixture('tied.gguf'), { threads: 2 });
  adapter = await model.loadAdapter(fixture('tied-adapter.gguf'));
});

const pairs: Pair[] = [0, 1, 2].map((p) => ({
  prompt: ids(`dpo.${p}.prompt`),
  chosen: ids(`dpo.${p}.chosen`),
  rejected: ids(`dpo.${p}.rejected`),
}));

const groups: Group[] = [4, 3].map((size, g) => ({
  prompt: ids(`grpo.${g}.prompt`),
  completions: Array.from({ length: size }, (_, i) => ({
    tokens: ids(`grpo.${g}.${i}.tokens`),
    reward: expected(`grpo.${g}.rewards`)[i]!,
    oldLogprobs: expected(`grpo.${g}.${i}.old`),
  })),
}));

/** Largest difference, relative to the largest value expected. */
function distance(got: Float32Array, from: Float32Array): number {
  expect(got.length).toBe(from.length);
  const largest = from.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  return got.reduce((most, x, i) => Math.max(most, Math.abs(x - from[i]!)), 0) / largest;
}

/** Of each tensor by its name; our fp32 against float64, as test/native/pytorch_test.cpp holds the built-in objectives. */
async function expectGradients(key: string): Promise<void> {
  const gradients = await adapter.tensors('grad');
  await adapter.zeroGrad();
  expect(Object.keys(gradients)).toHaveLength(28);
  for (const [name, { data }] of Object.entries(gradients)) {
    expect([name, distance(data, expected(`${key}.${name}`))]).toEqual([
      name,
      expect.toSatisfy((d: number) => d < 1e-5),
    ]);
  }
}

describe('loss and gradients are PyTorch’s', () => {
  it('DPO', async () => {
    const { loss } = await dpoStep(model, adapter, pairs);
    expect(Math.abs(loss / expected('dpo.loss')[0]! - 1)).toBeLessThan(1e-6);
    await expectGradients('dpo');
  });

  it('GRPO', async () => {
    const { loss, clipped } = await grpoStep(model, adapter, groups, { clip: 0.2, klCoefficient: 0.3 });
    expect(Math.abs(loss / expected('grpo.loss')[0]! - 1)).toBeLessThan(1e-5); // a sum of both signs
    expect(clipped).toBeGreaterThan(0);
    await expectGradients('grpo');
  });

  it('GRPO of a group that earned the same all over: nothing but the KL is left', async () => {
    const same = groups.map((g) => ({ ...g, completions: g.completions.map((c) => ({ ...c, reward: 0.5 })) }));
    const { loss, clipped } = await grpoStep(model, adapter, same, { klCoefficient: 0 });
    expect([Math.abs(loss), clipped]).toEqual([0, 0]);
    for (const { data } of Object.values(await adapter.tensors('grad'))) expect(data.every((x) => x === 0)).toBe(true);
  });
});

const RUN: readonly (readonly [string, number])[] = [
  ['dpo', 10],
  ['grpo', 5],
];
it.each(full ? RUN : RUN.slice(0, 1))('examples/%s.ts runs as it says, and its loss falls', async (name, steps) => {
  const stdout = await example(`examples/${name}.ts`);
  const losses = [...stdout.matchAll(/loss (-?[\d.]+)/g)].map((match) => Number(match[1]));
  expect(losses).toHaveLength(steps);
  for (let step = 1; step < losses.length; step++) expect(losses[step]!).toBeLessThan(losses[step - 1]!);
});

it.runIf(full)('examples/own-parts.ts runs a ladder with its own tool, judge and reward', async () => {
  const stdout = await example('examples/own-parts.ts', '4');
  expect(stdout).toMatch(/^base +.*\nbase-tools .*\nsft .*\nppo .*\nspark .*\n.*report\.html\n$/);
});

/**
 * What it prints, run as `npm run example` does. Not spawnSync: it takes most of a minute, and the test runner wants to hear
 * from this process.
 */
async function example(...args: readonly string[]): Promise<string> {
  const [root, runner] = ['', 'node_modules/vite-node/vite-node.mjs'].map((at) =>
    fileURLToPath(new URL(`../../${at}`, import.meta.url)),
  );
  const command = [runner!, '-c', 'vitest.config.ts', '--script', ...args];
  const { stdout, stderr } = await promisify(execFile)(process.execPath, command, { cwd: root, timeout: 1_000_000 });
  expect(stderr).toBe('');
  return stdout;
}
