/** The engine from JavaScript: it computes, learns, saves and loads, and never holds up the event loop. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { loadAddon } from '../../src/engine/addon.js';
import { findAddon } from '../../src/engine/addonPlace.js';
import { type Model, openModel } from '../../src/engine/index.js';
import { failure, longBatch, MODEL, makeBatch, makeChoices, temporaryFolder } from './support.js';

const folder = temporaryFolder();
const batch = makeBatch([40, 25, 9], 3);
const lossTokens = 74 - 3;
let model: Model;

beforeAll(async () => {
  model = await openModel(MODEL, { threads: 2 });
});

async function train(adapter: Awaited<ReturnType<Model['createAdapter']>>, steps: number): Promise<number[]> {
  const losses: number[] = [];
  for (let step = 0; step < steps; step++) {
    const { lossSum, tokens } = await adapter.accumulateSft(batch, { normalizer: lossTokens });
    expect(tokens).toBe(lossTokens);
    losses.push(lossSum / tokens);
    expect((await adapter.optimizerStep({ learningRate: 0.01 })).step).toBe(step + 1);
  }
  return losses;
}

it('describes the model', () => {
  expect(model.info).toMatchObject({
    path: MODEL,
    architecture: 'llama',
    backend: 'cpu',
    threads: 2,
    width: 48,
    layers: 2,
    heads: 3,
    kvHeads: 1,
    headSize: 16,
    feedForward: 64,
    vocabulary: 289,
    contextLength: 256,
    tensorTypes: { F32: 22 },
  });
});

it('learns: the SFT loss falls, and log-probs agree with the loss', async () => {
  const adapter = await model.createAdapter({ rank: 4, alpha: 8, seed: 1 });
  expect(adapter).toMatchObject({ rank: 4, alpha: 8, targets: ['q', 'k', 'v', 'o', 'gate', 'up', 'down'] });
  // R (C_in + C_out) over q, k, v, o, gate, up, down and two layers
  expect(adapter.parameterCount).toBe(2 * 4 * (48 + 48 + 2 * (48 + 16) + 48 + 48 + 3 * (48 + 64)));
  const base = await model.logprobs(batch, null);
  expect(await model.logprobs(batch, adapter)).toEqual(base);
  const losses = await train(adapter, 5);
  expect(losses[4]!).toBeLessThan(losses[0]! - 0.5);
  expect(-base.reduce((sum, lp) => sum + lp, 0) / lossTokens).toBeCloseTo(losses[0]!, 4);
});

it('writes itself with an adapter merged, and of another type', async () => {
  const adapter = await model.createAdapter({ rank: 4, alpha: 8, seed: 1 });
  await train(adapter, 3);
  const adapted = await model.logprobs(batch, adapter);
  const file = `${folder}/merged.gguf`;
  const report = await model.save(file, { adapter });
  expect(report).toEqual({ bytes: statSync(file).size, tensorTypes: { F32: 22 }, merged: 14, unpacked: 0 });
  const merged = await openModel(file, { threads: 2 });
  const logprobs = await merged.logprobs(batch, null);
  expect(Math.max(...logprobs.map((lp, i) => Math.abs(lp - adapted[i]!)))).toBeLessThan(1e-4);
  const packed = await merged.save(`${folder}/q8.gguf`, { type: 'Q8_0', adapter: null });
  expect(packed).toMatchObject({ merged: 0, tensorTypes: { Q8_0: 2, F16: 14, F32: 6 } });
  expect((await failure(() => merged.save(file))).code).toBe('invalid_argument');
  merged.dispose();
});

it('trains a critic towards its returns', async () => {
  const critic = await model.createCritic({ rank: 2, hidden: 16, seed: 2 });
  expect(Array.from(await critic.values(batch))).toEqual([0, 0, 0]);
  const first = await critic.accumulateValue(batch, { normalizer: 3 });
  expect(first).toEqual({ count: 3, lossSum: 3 });
  await critic.optimizerStep({ learningRate: 0.05 });
  for (let i = 0; i < 10; i++) {
    await critic.accumulateValue(batch, { normalizer: 3 });
    await critic.optimizerStep({ learningRate: 0.05 });
  }
  expect((await critic.accumulateValue(batch, { normalizer: 3 })).lossSum).toBeLessThan(1);
});

it('accumulates any loss by its slopes, and says the log-probs they were for', async () => {
  const adapter = await model.createAdapter({ rank: 4, alpha: 8, seed: 1 });
  await train(adapter, 2);
  const lp = await model.logprobs(batch, adapter);
  const step = await adapter.accumulate(batch, new Float32Array(74).fill(-1 / lossTokens));
  expect(step).toEqual({ tokens: lossTokens, logprobs: lp });
  const own = await adapter.tensors('grad');
  await adapter.zeroGrad();
  await adapter.accumulateSft(batch, { normalizer: lossTokens });
  expect(await adapter.tensors('grad')).toEqual(own);
  await adapter.accumulate(batch, new Float32Array(74).fill(1 / lossTokens)); // the way back
  const largest = (tensors: typeof own) => Math.max(...Object.values(tensors).flatMap(({ data }) => [...data]));
  expect(largest(await adapter.tensors('grad'))).toBeLessThan(1e-5 * largest(own));
});

it('trains a critic over the adapter’s trunk in the policy’s pass, and reads both in one', async () => {
  const adapter = await model.createAdapter({ rank: 4, alpha: 8, seed: 1 });
  await train(adapter, 2);
  const critic = await model.createCritic({ trunk: adapter, hidden: 16, seed: 2 });
  expect(critic).toMatchObject({ rank: 4, alpha: 8, targets: adapter.targets, parameterCount: 16 * 48 + 16 + 16 + 1 });
  const logprobs = await model.logprobs(batch, adapter);
  const policy = { ...batch, oldLogprobs: logprobs, refLogprobs: logprobs };
  let first: number | undefined;
  let last = 0;
  for (let i = 0; i < 10; i++) {
    const value = { critic, normalizer: 3, coefficient: 0.1 };
    const metrics = await adapter.accumulatePolicy(policy, { normalizer: lossTokens, value });
    expect(metrics).toMatchObject({ tokens: lossTokens, value: { count: 3 } });
    last = metrics.value!.lossSum;
    first ??= last;
    await adapter.optimizerStep({ learningRate: 1e-3 });
    await critic.optimizerStep({ learningRate: 0.05 });
  }
  expect(first).toBe(3);
  expect(last).toBeLessThan(1);
  expect(await adapter.accumulatePolicy(policy, { normalizer: lossTokens })).not.toHaveProperty('value');
  const both = await model.logprobsAndValues(batch, adapter, critic);
  const close = (a: Float32Array, b: Float32Array) => Math.max(...a.map((x, i) => Math.abs(x - b[i]!)));
  expect(close(both.logprobs, await model.logprobs(batch, adapter))).toBeLessThan(1e-5);
  expect(close(both.values, await critic.values(batch))).toBeLessThan(1e-5);
  const shape = { tokens: 74, sequences: 3, longest: 40, lossTokens, values: 3 };
  expect((await critic.plan(shape)).activations).toBeGreaterThan((await adapter.plan(shape)).activations);
});

it('trains a critic with a LoRA of its own in the same call, and a trunk that is undefined is none', async () => {
  const adapter = await model.createAdapter({ rank: 4, alpha: 8, seed: 1 });
  const options = { rank: 2, alpha: 4, hidden: 16, seed: 2 };
  const [critic, other] = [
    await model.createCritic({ ...options, trunk: undefined }),
    await model.createCritic(options),
  ];
  expect(critic).toMatchObject({ rank: 2, alpha: 4, parameterCount: other.parameterCount });
  // With a trunk its adapter has the LoRA: what is said of one is not used.
  expect(await model.createCritic({ ...options, trunk: adapter })).toMatchObject({ rank: 4, alpha: 8 });
  const value = { critic, normalizer: 3, coefficient: 0.1 };
  const policy = { ...batch, oldLogprobs: await model.logprobs(batch, adapter) };
  const metrics = await adapter.accumulatePolicy(policy, { normalizer: lossTokens, value });
  const gradients = [await adapter.tensors('grad'), await critic.tensors('grad')];
  await adapter.zeroGrad();
  expect(await adapter.accumulatePolicy(policy, { normalizer: lossTokens })).toEqual({ ...metrics, value: undefined });
  expect(await other.accumulateValue(policy, { normalizer: 3 })).toEqual(metrics.value);
  expect([await adapter.tensors('grad'), await other.tensors('grad')]).toEqual(gradients);
  const both = await model.logprobsAndValues(batch, adapter, critic);
  expect(both).toEqual({
    logprobs: await model.logprobs(batch, adapter),
    values: await critic.values(batch),
    choiceLogprobs: new Float32Array(0),
  });
});

describe('choices among a few tokens', () => {
  /** log-softmax of `values` */
  const normalised = (values: readonly number[]) => {
    const lse = Math.log(values.reduce((sum, x) => sum + Math.exp(x), 0));
    return values.map((x) => x - lse);
  };
  const largestGap = (a: ArrayLike<number>, b: ArrayLike<number>) =>
    Math.max(...Array.from(a, (x, i) => Math.abs(x - b[i]!)));

  it('have the log-probs that a sequence for each alternative has, among themselves', async () => {
    const adapter = await model.createAdapter({ rank: 4, alpha: 8, seed: 1 });
    await train(adapter, 2);
    const choices = makeChoices();
    const each: number[] = [];
    for (const [g, position] of choices.choicePositions.entries()) {
      const group = [];
      for (const token of choices.choiceTokens.subarray(choices.choiceOffsets[g], choices.choiceOffsets[g + 1])) {
        const tokens = Int32Array.of(...batch.tokens.subarray(0, position + 1), token);
        const lossMask = new Uint8Array(tokens.length).fill(1, -1);
        const lp = await model.logprobs({ tokens, cuSeqlens: Int32Array.of(0, tokens.length), lossMask }, adapter);
        group.push(lp.at(-1)!);
      }
      each.push(...normalised(group));
    }
    const got = await model.choiceLogprobs({ ...batch, ...choices }, adapter);
    expect(got).toHaveLength(5);
    expect(largestGap(got, each)).toBeLessThan(1e-5);
    const { choiceTargets: _, ...untargeted } = choices;
    expect(await model.choiceLogprobs({ ...batch, ...untargeted }, adapter)).toEqual(got);
    expect(largestGap(await model.choiceLogprobs({ ...batch, ...choices }, null), got)).toBeGreaterThan(1e-3);
    expect(await model.choiceLogprobs(batch, adapter)).toEqual(new Float32Array(0));
    const critic = await model.createCritic({ trunk: adapter, hidden: 8 });
    const all = await model.logprobsAndValues({ ...batch, ...choices }, adapter, critic);
    expect(largestGap(all.choiceLogprobs, got)).toBeLessThan(1e-5);
  });

  it('are learned beside any loss, towards the targets', async () => {
    const adapter = await model.createAdapter({ rank: 4, alpha: 8, seed: 1 });
    const choices = makeChoices();
    const both = { ...batch, ...choices };
    const slopes = new Float32Array(74);
    let first: number | undefined;
    let last = 0;
    for (let i = 0; i < 30; i++) {
      const { tokens, choices: metrics } = await adapter.accumulate(both, slopes);
      expect(tokens).toBe(lossTokens);
      expect(metrics!.groups).toBe(2);
      const loss = -metrics!.logprobs.reduce((sum, lp, j) => sum + lp * choices.choiceTargets[j]!, 0);
      expect(metrics!.lossSum).toBeCloseTo(loss, 5);
      last = metrics!.lossSum;
      first ??= last;
      await adapter.optimizerStep({ learningRate: 0.02 });
    }
    // The least there is: the entropy of the targets of each choice, times their sum.
    const least = 0.75 * (-(2 / 3) * Math.log(2 / 3) - (1 / 3) * Math.log(1 / 3)) + 1.25 * entropyOf(0.2);
    expect(first! - least).toBeGreaterThan(0.05);
    expect(last - least).toBeLessThan(0.01);
    expect(last - least).toBeGreaterThan(-1e-4);
    const policy = await adapter.accumulatePolicy(both, { normalizer: lossTokens });
    const sft = await adapter.accumulateSft(both, { normalizer: lossTokens });
    expect(largestGap(policy.choices!.logprobs, sft.choices!.logprobs)).toBeLessThan(1e-5);
    expect(await adapter.accumulateSft(batch, { normalizer: lossTokens })).not.toHaveProperty('choices');
  });

  const entropyOf = (p: number) => -p * Math.log(p) - (1 - p) * Math.log(1 - p);

  it('are planned', async () => {
    const adapter = await model.createAdapter({ rank: 2 });
    const few = await adapter.plan({ tokens: 64, choices: 8 });
    expect(await adapter.plan({ tokens: 64, choices: 8, alternatives: 16 })).toEqual(few);
    expect((await adapter.plan({ tokens: 64, choices: 8, alternatives: 80 })).total).toBeGreaterThan(few.total);
    const error = await failure(() => adapter.plan({ tokens: 64, choices: 8, alternatives: 15 }));
    expect(error.message).toMatch(/shape\.alternatives: expected 16 to /);
  });
});

it('takes recompute offload, which a backend without memory of its own plans and runs as block', async () => {
  const offloading = await openModel(MODEL, { backend: 'cpu', threads: 2, recompute: 'offload' });
  expect(offloading.info.recompute).toBe('offload');
  const adapter = await offloading.createAdapter({ rank: 2 });
  expect(await adapter.plan({ tokens: 64 })).toMatchObject({ recompute: 'block', host: 0 });
  expect((await adapter.accumulateSft(batch, { normalizer: lossTokens })).tokens).toBe(lossTokens);
  offloading.dispose();
});

it('reports the policy metrics of an untouched adapter exactly', async () => {
  const adapter = await model.createAdapter({ rank: 2 });
  const lp = await model.logprobs(batch, adapter);
  const metrics = await adapter.accumulatePolicy(
    { ...batch, oldLogprobs: lp, refLogprobs: lp },
    { normalizer: lossTokens },
  );
  expect(metrics).toMatchObject({ tokens: lossTokens, clippedCount: 0 });
  expect(metrics.ratioSum).toBeCloseTo(lossTokens, 4);
  expect(metrics.clipLossSum).toBeCloseTo(-0.5 * lossTokens, 4);
  expect(metrics.k3Sum).toBeCloseTo(0, 6);
  expect(metrics.logprobs).toEqual(lp);
});

describe('files', () => {
  it('an adapter saved as GGUF or PEFT and loaded again gives the same log-probs', async () => {
    const adapter = await model.createAdapter({ rank: 4, seed: 7 });
    await train(adapter, 3);
    const expected = await model.logprobs(batch, adapter);
    expect(expected).not.toEqual(await model.logprobs(batch, null));
    for (const [format, name] of [
      ['gguf', 'round.gguf'],
      ['peft', 'round-peft'],
    ] as const) {
      await adapter.save(`${folder}/${name}`, format);
      const loaded = await model.loadAdapter(`${folder}/${name}`);
      expect(loaded).toMatchObject({ rank: 4, alpha: 16, targets: adapter.targets });
      expect(await model.logprobs(batch, loaded)).toEqual(expected);
      expect((await failure(() => adapter.save(`${folder}/${name}`, format))).code).toBe('invalid_argument');
    }
  });

  it('a state saved and loaded goes on bit for bit', async () => {
    const one = await model.createAdapter({ rank: 2, seed: 9 });
    await train(one, 2);
    await one.saveState(`${folder}/state.safetensors`);
    const two = await model.createAdapter({ rank: 2, seed: 10 });
    await two.loadState(`${folder}/state.safetensors`);
    for (const adapter of [one, two]) {
      await adapter.accumulateSft(batch, { normalizer: lossTokens });
      expect((await adapter.optimizerStep({ learningRate: 0.01 })).step).toBe(3);
    }
    expect(await two.tensors('value')).toEqual(await one.tensors('value'));
  });

  it('tensors come with names, shapes and gradients', async () => {
    const adapter = await model.createAdapter({ rank: 2, targets: ['q'] });
    await adapter.accumulateSft(batch, { normalizer: 1 });
    const grad = await adapter.tensors('grad');
    expect(Object.keys(grad).sort()).toEqual(
      [0, 1].flatMap((n) => [`blk.${n}.attn_q.weight.lora_a`, `blk.${n}.attn_q.weight.lora_b`]),
    );
    expect(grad['blk.1.attn_q.weight.lora_b']).toMatchObject({ shape: [48, 2] });
    expect(Math.max(...grad['blk.1.attn_q.weight.lora_b']!.data)).toBeGreaterThan(0);
    await adapter.zeroGrad();
    expect(Math.max(...(await adapter.tensors('grad'))['blk.1.attn_q.weight.lora_b']!.data)).toBe(0);
  });

  it('a model that is missing, cut, foreign or damaged is a coded error', async () => {
    const bytes = readFileSync(MODEL);
    const file = `${folder}/bad.gguf`;
    const opening = async (content: Buffer) => {
      writeFileSync(file, content);
      return failure(() => openModel(file));
    };
    expect((await failure(() => openModel(`${folder}/none.gguf`))).code).toBe('io_error');
    expect((await failure(() => openModel(folder))).code).toBe('io_error');
    expect((await opening(Buffer.from('{"not": "a model"}'))).code).toBe('unsupported_file');
    expect((await opening(Buffer.alloc(0))).code).toBe('invalid_file');
    for (const length of [10, 1000, 7000, bytes.length - 64]) {
      expect([length, (await opening(bytes.subarray(0, length))).code]).toEqual([length, 'invalid_file']);
    }
    const renamed = Buffer.from(bytes);
    renamed.write('gemma', renamed.indexOf('llama'));
    expect((await opening(renamed)).code).toBe('unsupported_file');
    truncateSync(file, 0);
  });

  it('an adapter of another model, a model as adapter, and no adapter at all', async () => {
    const adapter = await model.createAdapter({ rank: 2 });
    await adapter.save(`${folder}/cut.gguf`, 'gguf');
    truncateSync(`${folder}/cut.gguf`, 3000);
    expect((await failure(() => model.loadAdapter(`${folder}/cut.gguf`))).code).toBe('invalid_file');
    expect((await failure(() => model.loadAdapter(MODEL))).code).toBe('adapter_mismatch');
    expect((await failure(() => model.loadAdapter(`${folder}/none`))).code).toBe('io_error');
    expect((await failure(() => model.loadAdapter(folder))).code).toBe('io_error');
  });
});

describe('the event loop', () => {
  it('turns while a call runs', async () => {
    let turns = 0;
    let done = false;
    const running = model.logprobs(longBatch(), null).then(() => {
      done = true;
    });
    while (!done) {
      await new Promise((resolve) => setImmediate(resolve));
      if (!done) turns++;
    }
    await running;
    expect(turns).toBeGreaterThan(10);
  });

  // In a process of its own: what is tested is how that process ends.
  const script = (ending: string) => `
    const { Worker, isMainThread, parentPort } = require('node:worker_threads');
    const addon = require(${JSON.stringify(findAddon())});
    const n = 16 * 250;
    const batch = {
      tokens: new Int32Array(n).fill(5),
      cuSeqlens: Int32Array.from({ length: 17 }, (_, i) => 250 * i),
      lossMask: Uint8Array.from({ length: n }, (_, i) => (i % 250 ? 1 : 0)),
    };
    const begin = async () => {
      const model = await addon.openModel({ path: ${JSON.stringify(MODEL)} }, undefined);
      addon.logprobs(model, batch, null, undefined);
    };
    ${ending}`;

  it.each([
    ['process.exit', `begin().then(() => { addon.cancelAll(); process.exit(7); })`],
    [
      'a worker thread that is terminated',
      `if (isMainThread) {
         const worker = new Worker(__filename);
         worker.once('message', async () => { await worker.terminate(); process.exit(7); });
       } else begin().then(() => parentPort.postMessage('running'));`,
    ],
    ['the garbage collector', `begin().then(() => { for (let i = 0; i < 20; i++) gc(); process.exit(7); })`],
  ])('a call in flight survives %s', (name, ending) => {
    const file = `${folder}/ending-${name.length}.cjs`;
    writeFileSync(file, script(ending));
    const result = spawnSync(process.execPath, ['--expose-gc', file], { encoding: 'utf8', timeout: 600_000 });
    expect([result.stderr, result.signal, result.status]).toEqual(['', null, 7]);
  });
});

it('says how to build the addon when it is missing or does not load', async () => {
  expect(existsSync(findAddon())).toBe(true);
  const missing = await failure(() => loadAddon(`${folder}/none.node`));
  expect(missing.code).toBe('addon_missing');
  expect(missing.message).toMatch(/build it: npm start$/);
  writeFileSync(`${folder}/broken.node`, 'no library');
  const broken = await failure(() => loadAddon(`${folder}/broken.node`));
  expect(broken.code).toBe('addon_missing');
  expect(broken.cause).toBeInstanceOf(Error);
  expect(broken.message).toMatch(/build it again for this machine: npm start$/);
});
