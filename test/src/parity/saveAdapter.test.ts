/** A saved adapter counts only when llama.cpp reads it back as what it is in memory. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Adapter, type Model, openModel } from '../../../src/engine/index.js';
import { checkSaved, saveChecked } from '../../../src/experiment/parity/saveAdapter.js';
import { seededRandom } from '../../../src/random.js';
import { temporaryFolder } from '../cli/runCli.js';

const folder = temporaryFolder();
const random = seededRandom(4);
const sequences = [40, 30].map((length) => Array.from({ length }, () => 10 + Math.floor(random() * 200)));

describe.each([
  ['F32', 'test/fixtures/parity.gguf', 289],
  ['Q4_K', 'test/fixtures/quantised/q4_k.gguf', 0],
])('%s', (name, path_, _) => {
  let model: Model;
  beforeAll(async () => {
    model = await openModel(path_, { backend: 'cpu', threads: 2 });
  });
  afterAll(() => model.dispose());

  /** Trained until it changes log-probs by tenths of a nat. */
  async function trained(alpha: number, seed = 2): Promise<Adapter> {
    const adapter = await model.createAdapter({ rank: 4, alpha, seed });
    const tokens = Int32Array.from(sequences[0]!, (token) => token % model.info.vocabulary);
    const lossMask = new Uint8Array(tokens.length).fill(1, 1);
    for (let step = 0; step < 8; step++) {
      await adapter.accumulateSft(
        { tokens, cuSeqlens: Int32Array.of(0, tokens.length), lossMask },
        { normalizer: tokens.length - 1 },
      );
      await adapter.optimizerStep({ learningRate: 1e-2 });
    }
    return adapter;
  }
  const request = (adapter: Adapter, file: string) => ({
    model,
    adapter,
    file: path.join(folder, `${name}-${file}`),
    sequences: sequences.map((tokens) => tokens.map((token) => token % model.info.vocabulary)),
    tolerance: null,
  });

  it('passes what was exported right, and says how near it is', async () => {
    const saved = await saveChecked(request(await trained(8), 'right.gguf'));
    expect(saved.effect).toBeGreaterThan(0.2);
    expect(saved.mean).toBeLessThan(name === 'F32' ? 1e-5 : 0.1);
    expect(existsSync(path.join(folder, `${name}-right.gguf`))).toBe(true);
  });

  it('refuses another adapter, another scale and one that does nothing; nothing learned is lost', async () => {
    const adapter = await trained(8);
    const others = {
      'other.gguf': await trained(8, 3),
      'scale.gguf': await trained(16),
      'nothing.gguf': await model.createAdapter({ rank: 4, alpha: 8, seed: 2 }),
    };
    for (const [file, other] of Object.entries(others)) {
      const wrong = request(adapter, file);
      await other.save(wrong.file, 'gguf');
      await expect(checkSaved(wrong), file).rejects.toMatchObject({ code: 'export_failed' });
      expect(existsSync(wrong.file)).toBe(false);
      expect(existsSync(`${wrong.file}.rejected`)).toBe(true);
      const restored = await model.createAdapter({ rank: 4, alpha: 8, seed: 9 });
      await restored.loadState(`${wrong.file}.state.safetensors`);
      expect(await restored.tensors('value')).toEqual(await adapter.tensors('value'));
    }
  });
});
