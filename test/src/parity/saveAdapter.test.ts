/** An adapter is accepted as saved only when llama.cpp reads the adapter in memory back from the file. */
import { copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Adapter, type Model, openModel } from '../../../src/engine/index.js';
import { checkSaved, sameEffect, saveChecked } from '../../../src/parity/saveAdapter.js';
import { seededRandom } from '../../../src/random.js';
import { makeMixed } from '../../bindings/mixedAdapter.js';
import { temporaryFolder } from '../cli/runCli.js';

const folder = temporaryFolder();
const random = seededRandom(4);
const sequences = [100, 90].map((length) => Array.from({ length }, () => 10 + Math.floor(random() * 200)));

describe.each([
  ['F32', 'test/fixtures/parity.gguf', 1e-5],
  ['Q4_K', 'test/fixtures/quantised/q4_k.gguf', 0.1],
])('%s', (name, modelPath, near) => {
  let model: Model;
  beforeAll(async () => {
    model = await openModel(modelPath, { backend: 'cpu', threads: 2 });
  });
  afterAll(() => model.dispose());

  /** An adapter trained until it changes log-probs by tenths of a nat, or by less with a smaller rate. */
  async function trained(alpha: number, seed = 2, learningRate = 1e-2): Promise<Adapter> {
    const adapter = await model.createAdapter({ rank: 4, alpha, seed });
    const tokens = Int32Array.from(sequences[0]!);
    const lossMask = new Uint8Array(tokens.length).fill(1, 1);
    for (let step = 0; step < 8; step++) {
      await adapter.accumulateSft(
        { tokens, cuSeqlens: Int32Array.of(0, tokens.length), lossMask },
        { normalizer: tokens.length - 1 },
      );
      await adapter.optimizerStep({ learningRate });
    }
    return adapter;
  }
  const request = (adapter: Adapter, file: string) => ({
    model,
    adapter,
    file: path.join(folder, `${name}-${file}`),
    sequences,
    tolerance: null,
  });

  /** A copy of the exported file with every B multiplied by `factor`. */
  async function corrupted(adapter: Adapter, file: string, factor: number) {
    const wrong = request(adapter, file);
    const right = `${wrong.file}.right`;
    await adapter.save(right, 'gguf');
    copyFileSync(right, wrong.file);
    const bytes = readFileSync(wrong.file);
    for (const [tensor, { data }] of Object.entries(await adapter.tensors('value'))) {
      if (!tensor.endsWith('lora_b')) continue;
      const at = bytes.indexOf(Buffer.from(data.buffer, data.byteOffset, data.byteLength));
      expect(at, tensor).toBeGreaterThan(0);
      data.forEach((value, i) => {
        bytes.writeFloatLE(value * factor, at + 4 * i);
      });
    }
    writeFileSync(wrong.file, bytes);
    return wrong;
  }

  it('passes what was exported right, and says how near it is', async () => {
    const saved = await saveChecked(request(await trained(8), 'right.gguf'));
    expect(saved.effect).toBeGreaterThan(0.2);
    expect(saved.mean).toBeLessThan(near);
    expect(saved.visible).toBe(true);
    // At most √2 of the rounding over the effect (see verify.test.ts): 2e-4 nats for fp32, 0.023 for K types.
    expect(Math.abs(saved.share - 1)).toBeLessThan((Math.SQRT2 * (name === 'F32' ? 2e-4 : 0.023)) / saved.effect);
    expect(existsSync(path.join(folder, `${name}-right.gguf`))).toBe(true);
  });

  it('passes an adapter whose weights have alphas of their own, which a GGUF has one of', async () => {
    const folders = [path.join(folder, `${name}-whole`), path.join(folder, `${name}-mixed`)] as const;
    await (await trained(8)).save(folders[0], 'peft');
    makeMixed(...folders);
    const mixed = await model.loadAdapter(folders[1]);
    const saved = await saveChecked(request(mixed, 'mixed.gguf'));
    expect(saved.effect).toBeGreaterThan(0.05);
    expect(saved.mean).toBeLessThan(near);
    const wrong = request(mixed, 'mixed-as-whole.gguf');
    await (await model.loadAdapter(folders[0])).save(wrong.file, 'gguf');
    await expect(checkSaved(wrong)).rejects.toMatchObject({ code: 'export_failed' });
  });

  it('passes an adapter that has learned nothing yet, and says that there was nothing to see', async () => {
    const fresh = await model.createAdapter({ rank: 4, alpha: 8, seed: 2 });
    expect(await saveChecked(request(fresh, 'fresh.gguf'))).toMatchObject({ effect: 0, visible: false });
  });

  it('refuses a file with other bits: B doubled, another adapter, another scale, one that does nothing', async () => {
    const adapter = await trained(8);
    const wrong = [await corrupted(adapter, 'doubled.gguf', 2)];
    for (const [file, other] of Object.entries({
      'other.gguf': await trained(8, 3),
      'scale.gguf': await trained(16),
      'nothing.gguf': await model.createAdapter({ rank: 4, alpha: 8, seed: 2 }),
    })) {
      wrong.push(request(adapter, file));
      await other.save(wrong.at(-1)!.file, 'gguf');
    }
    wrong.push(request(adapter, 'torn.gguf'));
    writeFileSync(wrong.at(-1)!.file, readFileSync(wrong[0]!.file).subarray(0, 4000));
    for (const one of wrong) {
      await expect(checkSaved(one), one.file).rejects.toMatchObject({ code: 'export_failed' });
      expect(existsSync(one.file)).toBe(false);
      expect(existsSync(`${one.file}.rejected`)).toBe(true);
    }
  });

  it('sees in llama.cpp’s log-probs alone that B was doubled, scaled a little, or does nothing', async () => {
    const adapter = await trained(8);
    // On a quantised base, rounding hides a tenth of the effect.
    for (const factor of name === 'F32' ? [2, 1.1, 1.05, 0.95, 0.9, 0, -1] : [2, 0.5, 0, -1]) {
      const wrong = await corrupted(adapter, `factor${factor}.gguf`, factor);
      await expect(sameEffect(wrong), `factor ${factor}`).rejects.toMatchObject({ code: 'export_failed' });
    }
    const right = await corrupted(adapter, 'factor1.gguf', 1);
    expect((await sameEffect(right)).visible).toBe(true);
  });

  it('sees it also where the effect is no larger than llama.cpp’s rounding of a quantised base', async () => {
    const adapter = await trained(8, 2, 8e-5);
    const right = await sameEffect(await corrupted(adapter, 'small.gguf', 1));
    expect(right.effect).toBeLessThan(0.04);
    expect(right.visible).toBe(true);
    for (const factor of [0, -1]) {
      const wrong = await corrupted(adapter, `small${factor}.gguf`, factor);
      await expect(sameEffect(wrong), `factor ${factor}`).rejects.toMatchObject({ code: 'export_failed' });
    }
  });
});
