/**
 * Files that llama.cpp quantised, through the addon: our log-probs are PyTorch's on the dequantised weights, and llama.cpp
 * serves the same file with the same adapter. llama.cpp also rounds activations to 8 bits, which exact arithmetic on the
 * same weights does not: the two can only be near, and how near is measured here.
 */
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { openModel } from '../../src/engine/index.js';
import { Served } from './llamaCppLogprobs.js';
import { fixtureTensor } from './support.js';

const fixture = (name: string) => fileURLToPath(new URL(`../fixtures/quantised/${name}`, import.meta.url));

const largest = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Math.max(...Array.from(a, (value, i) => Math.abs(value - b[i]!)));

// The last column in nats. Worst token measured: f16 0.0013, bf16 0.016, q8_0 0.044, the others up to 0.064. Twice that and
// more, for llama.cpp's kernels differ between processors; a forgotten adapter or matrix is off by a nat.
describe.each([
  ['f16', 'narrow', 0.005],
  ['bf16', 'narrow', 0.05],
  ['q8_0', 'wide', 0.15],
  ['q4_0', 'wide', 0.15],
  ['q4_k', 'wide', 0.15],
  ['q5_k', 'wide', 0.15],
  ['q6_k', 'wide', 0.15],
  ['q4_k_m', 'wide', 0.15],
  ['q4_1', 'even', 0.15],
  ['q4_k_m-96', 'even', 0.15],
  ['q5_k_m-96', 'even', 0.15],
  ['q3_k_m-96', 'even', 0.15],
])('%s', (name, width, near) => {
  const expected = (key: string) => fixtureTensor(fixture(`${name}.safetensors`), key);
  const adapterPath = fixture(`${width}-adapter.gguf`);

  it("is PyTorch's on the same weights, and near llama.cpp's on the same file", async () => {
    const tokens = Int32Array.from(expected('tokens'));
    const cuSeqlens = Int32Array.from(expected('cu_seqlens'));
    const lossMask = new Uint8Array(tokens.length).fill(1);
    for (const start of cuSeqlens.slice(0, -1)) lossMask[start] = 0;
    const model = await openModel(fixture(`${name}.gguf`), { threads: 2 });
    const adapter = await model.loadAdapter(adapterPath);
    const base = await model.logprobs({ tokens, cuSeqlens, lossMask }, null);
    const adapted = await model.logprobs({ tokens, cuSeqlens, lossMask }, adapter);
    // 3.4e-6 nats measured
    expect(largest(base, expected('logprobs.base'))).toBeLessThan(1e-5);
    expect(largest(adapted, expected('logprobs.adapter'))).toBeLessThan(1e-5);
    expect(largest(base, adapted)).toBeGreaterThan(0.3);
    model.dispose();

    const served = await Served.open(fixture(`${name}.gguf`));
    const first = cuSeqlens.at(-2)!; // the last sequence, the longest
    const gaps = [
      largest(await served.logprobs(tokens.slice(first)), base.slice(first)),
      largest(await served.logprobs(tokens.slice(first), adapterPath), adapted.slice(first)),
    ];
    await served.dispose();
    expect(Math.max(...gaps)).toBeLessThan(near);
  });
});
