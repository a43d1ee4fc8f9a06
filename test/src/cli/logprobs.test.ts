/** `spark-rl logprobs`: our log-probs are those of llama.cpp, for base and adapter. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { openModel } from '../../../src/engine/index.js';
import { openLlamaCpp } from '../../../src/inference/llamaCpp.js';
import { seededRandom } from '../../../src/random.js';
import { temporaryFolder } from './runCli.js';
import { runHere } from './runHere.js';

const MODEL = 'test/fixtures/parity.gguf'; // F32, grouped-query attention, rope_freqs.weight
const TOLERANCE = 2e-4;
const folder = temporaryFolder();

/** An adapter that moves the log-probs by far more than the tolerance. */
async function trainedAdapter(tokens: readonly number[]): Promise<string> {
  const model = await openModel(MODEL, { backend: 'cpu' });
  const adapter = await model.createAdapter({ rank: 4, alpha: 8, seed: 2 });
  const batch = {
    tokens: Int32Array.from(tokens),
    cuSeqlens: Int32Array.of(0, tokens.length),
    lossMask: new Uint8Array(tokens.length).fill(1, 1),
  };
  for (let step = 0; step < 8; step++) {
    await adapter.zeroGrad();
    await adapter.accumulateSft(batch, { normalizer: tokens.length - 1 });
    await adapter.optimizerStep({ learningRate: 2e-2 });
  }
  const file = path.join(folder, 'adapter.gguf');
  await adapter.save(file, 'gguf');
  model.dispose();
  return file;
}

async function served(tokens: readonly number[], adapterPath?: string): Promise<number[]> {
  const generator = await openLlamaCpp({ modelPath: MODEL, adapterPath, contextSize: 128, kvCacheType: 'F32' });
  try {
    return [...(await generator.logprobs(tokens))].slice(1);
  } finally {
    await generator.dispose();
  }
}

describe('spark-rl logprobs', () => {
  it('agrees with llama.cpp on every token, with and without an adapter that we saved', async () => {
    const random = seededRandom(9);
    const tokens = Array.from({ length: 60 }, () => 10 + Math.floor(random() * 200));
    const tokensFile = path.join(folder, 'tokens.json');
    writeFileSync(tokensFile, JSON.stringify(tokens));
    const adapter = await trainedAdapter(tokens);
    const rows: number[][] = [];
    for (const extra of [[], ['--adapter', adapter]]) {
      const done = await runHere(['logprobs', '--model', MODEL, '--tokens', tokensFile, '--json', ...extra]);
      expect(done.stderr).toBe('');
      const [ours] = (done.json() as { logprobs: number[][] }).logprobs;
      const theirs = await served(tokens, extra[1]);
      expect(ours).toHaveLength(59);
      const worst = Math.max(...ours!.map((lp, index) => Math.abs(lp - theirs[index]!)));
      expect(worst).toBeLessThan(TOLERANCE);
      rows.push(ours!);
    }
    const moved = Math.max(...rows[0]!.map((lp, index) => Math.abs(lp - rows[1]![index]!)));
    expect(moved).toBeGreaterThan(100 * TOLERANCE);
  });

  it('says what is wrong with a token file', async () => {
    const bad = path.join(folder, 'bad.json');
    for (const [text, words] of [
      ['[1', 'JSON'],
      ['{"tokens": [1]}', 'list of'],
      ['[1, 999999]', 'vocabulary'],
    ] as const) {
      writeFileSync(bad, text);
      const done = await runHere(['logprobs', '--model', MODEL, '--tokens', bad]);
      expect(done.code).not.toBe(0);
      expect(done.stderr).toContain(words);
    }
  });
});
