/**
 * Our log-probs against llama.cpp's, token by token, on F32 models of every architecture: base, and adapters that we
 * trained and saved. What is trained on is then exactly what is served.
 */
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Adapter, type Model, openModel } from '../../src/engine/index.js';
import { Served } from './llamaCppLogprobs.js';
import { makeMixed } from './mixedAdapter.js';
import { makeBatch, randomTokens, temporaryFolder } from './support.js';

const TOLERANCE = 2e-4;
const folder = temporaryFolder();
// Longer than the 64 positions from which rope_freqs.weight was made, so that its scaling matters.
const tokens = randomTokens(150, 42);

const largest = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Math.max(...Array.from(a, (value, i) => Math.abs(value - b[i]!)));

function expectParity(a: ArrayLike<number>, b: ArrayLike<number>): void {
  expect(a.length).toBe(tokens.length);
  // NaN compares false, so a missing probability fails too.
  expect(largest(a, b)).toBeLessThan(TOLERANCE);
}

describe.each([
  ['llama', 'parity'],
  ['qwen2', 'parity-qwen2'],
  ['qwen3', 'parity-qwen3'],
])('%s', (architecture, file) => {
  const path = fileURLToPath(new URL(`../fixtures/${file}.gguf`, import.meta.url));
  let served: Served;
  let model: Model;

  beforeAll(async () => {
    served = await Served.open(path);
    model = await openModel(path, { threads: 2 });
  });

  afterAll(async () => {
    model.dispose();
    await served.dispose();
  });

  async function ours(adapter: Adapter | null): Promise<Float32Array> {
    const lossMask = new Uint8Array(tokens.length).fill(1);
    lossMask[0] = 0;
    return model.logprobs({ tokens, cuSeqlens: Int32Array.of(0, tokens.length), lossMask }, adapter);
  }

  it('base model', async () => {
    expect(model.info.architecture).toBe(architecture);
    const base = await ours(null);
    expectParity(await served.logprobs(tokens), base);
    // The comparison is of something: log-probs differ by nats from token to token.
    expect(Math.max(...base.slice(1)) - Math.min(...base.slice(1))).toBeGreaterThan(2);
  });

  it.each([
    ['all seven projections', { rank: 4, alpha: 32, seed: 11 }],
    ['q and v alone', { rank: 3, alpha: 24, seed: 12, targets: ['q', 'v'] as const }],
  ])('an adapter on %s, trained and saved by us', async (name, options) => {
    const adapter = await model.createAdapter(options);
    const batch = makeBatch([60, 45], 8);
    for (let step = 0; step < 4; step++) {
      await adapter.accumulateSft(batch, { normalizer: 103 });
      await adapter.optimizerStep({ learningRate: 0.02 });
    }
    const adapted = await ours(adapter);
    expect(largest(adapted, await ours(null))).toBeGreaterThan(0.5);
    const own = `${folder}/${architecture}-${name.length}`;
    await adapter.save(`${own}.gguf`, 'gguf');
    expectParity(await served.logprobs(tokens, `${own}.gguf`), adapted);
    // And so does the adapter after a trip through Hugging Face's format and row order.
    await adapter.save(`${own}-peft`, 'peft');
    const back = await model.loadAdapter(`${own}-peft`);
    await back.save(`${own}-back.gguf`, 'gguf');
    expectParity(await served.logprobs(tokens, `${own}-back.gguf`), adapted);
  });

  it('an adapter whose weights have ranks and alphas of their own, trained on and saved by us', async () => {
    const whole = await model.createAdapter({ rank: 4, alpha: 32, seed: 13 });
    const batch = makeBatch([60, 45], 8);
    const train = async (adapter: Adapter) => {
      for (let step = 0; step < 4; step++) {
        await adapter.accumulateSft(batch, { normalizer: 103 });
        await adapter.optimizerStep({ learningRate: 0.02 });
      }
    };
    await train(whole);
    const own = `${folder}/${architecture}-mixed`;
    await whole.save(`${own}-whole`, 'peft');
    makeMixed(`${own}-whole`, `${own}-peft`, model.info);
    const mixed = await model.loadAdapter(`${own}-peft`);
    const sizes = new Set(mixed.weights.map(({ rank, alpha }) => `${rank} ${alpha}`));
    expect(sizes).toEqual(new Set(['2 32', '3 32', '3 12', '4 32', '4 10.5']));
    expect(mixed.weights.length).toBe(whole.weights.length - 3 + 2);
    expect([mixed.weights[0], mixed.weights.at(-1)]).toEqual([
      { name: 'token_embd.weight', rank: 2, alpha: 32 },
      { name: 'output.weight', rank: 3, alpha: 32 },
    ]);
    await train(mixed);
    const adapted = await ours(mixed);
    expect(largest(adapted, await ours(whole))).toBeGreaterThan(0.1);
    await mixed.save(`${own}.gguf`, 'gguf');
    expectParity(await served.logprobs(tokens, `${own}.gguf`), adapted);
    await mixed.save(`${own}-again`, 'peft');
    const back = await model.loadAdapter(`${own}-again`);
    expect(back.weights).toEqual(mixed.weights);
    expect(await back.tensors('value')).toEqual(await mixed.tensors('value'));
  });
});
