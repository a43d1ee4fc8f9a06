/**
 * Our log-probs against llama.cpp's, token by token, on an F32 model with an F32 cache and flash attention off: base, and
 * adapters that we trained and saved. What is trained on is then exactly what is served.
 */
import { getLlama, type Llama, type LlamaContext, LlamaLogLevel, type LlamaModel, type Token } from 'node-llama-cpp';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Adapter, type Model, openModel } from '../../src/engine/index.js';
import { MODEL, makeBatch, randomTokens, temporaryFolder } from './support.js';

const TOLERANCE = 2e-4;
const folder = temporaryFolder();
// Longer than the 64 positions from which rope_freqs.weight was made, so that its scaling matters.
const tokens = randomTokens(150, 42);
let llama: Llama;
let served: LlamaModel;
let model: Model;

beforeAll(async () => {
  llama = await getLlama({ gpu: false, build: 'never', logLevel: LlamaLogLevel.error, maxThreads: 2 });
  served = await llama.loadModel({ modelPath: MODEL });
  model = await openModel(MODEL, { threads: 2 });
});

afterAll(async () => {
  model.dispose();
  await served.dispose();
  await llama.dispose();
});

/** Natural-log probability of tokens[i] after tokens[0..i-1], from llama.cpp. Entry 0 is 0. */
async function theirs(adapterPath?: string): Promise<number[]> {
  const context: LlamaContext = await served.createContext({
    contextSize: 256,
    threads: 2,
    flashAttention: false,
    experimentalKvCacheKeyType: 'F32',
    experimentalKvCacheValueType: 'F32',
    ...(adapterPath === undefined ? {} : { lora: { adapters: [{ filePath: adapterPath, scale: 1 }] } }),
  });
  const results = await context
    .getSequence()
    .controlledEvaluate(Array.from(tokens, (token) => [token as Token, { generateNext: { probabilities: true } }]));
  const logprobs = Array.from(tokens, (token, i) =>
    i === 0 ? 0 : Math.log(results[i - 1]?.next.probabilities?.get(token as Token) ?? Number.NaN),
  );
  await context.dispose();
  return logprobs;
}

async function ours(adapter: Adapter | null): Promise<Float32Array> {
  const lossMask = new Uint8Array(tokens.length).fill(1);
  lossMask[0] = 0;
  return model.logprobs({ tokens, cuSeqlens: Int32Array.of(0, tokens.length), lossMask }, adapter);
}

const largest = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Math.max(...Array.from(a, (value, i) => Math.abs(value - b[i]!)));

function expectParity(a: ArrayLike<number>, b: ArrayLike<number>): void {
  expect(a.length).toBe(tokens.length);
  // NaN compares false, so a missing probability fails too.
  expect(largest(a, b)).toBeLessThan(TOLERANCE);
}

it('base model', async () => {
  const base = await ours(null);
  expectParity(await theirs(), base);
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
  const path = `${folder}/${name.length}.gguf`;
  await adapter.save(path, 'gguf');
  expectParity(await theirs(path), adapted);
  // And so does the adapter after a trip through Hugging Face's format and row order.
  await adapter.save(`${folder}/${name.length}-peft`, 'peft');
  const back = await model.loadAdapter(`${folder}/${name.length}-peft`);
  await back.save(`${folder}/${name.length}-back.gguf`, 'gguf');
  expectParity(await theirs(`${folder}/${name.length}-back.gguf`), adapted);
});
