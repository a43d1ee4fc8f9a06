/** `adapter merge`: the merged file gives the log-probs of base + adapter in both engines; a wrong one is not kept. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Adapter, type Model, openModel } from '../../../src/engine/index.js';
import { openLlamaCpp } from '../../../src/inference/llamaCpp.js';
import { silentLog } from '../../../src/log.js';
import { engineLogprobs, servedLogprobs } from '../../../src/parity/logprobs.js';
import { mergeAdapter } from '../../../src/parity/mergeAdapter.js';
import { checkMerged } from '../../../src/parity/mergeCheck.js';
import { seededRandom } from '../../../src/random.js';
import { failure } from '../../bindings/support.js';
import { temporaryFolder } from './runCli.js';
import { runHere } from './runHere.js';

const PARITY = 'test/fixtures/parity.gguf'; // F32
const QWEN = 'test/fixtures/parity-qwen3.gguf'; // F32, rotary pairs (i, i + D/2)
const TINY = 'models/spark-tiny.gguf'; // F16
const folder = temporaryFolder();
const random = seededRandom(4);
const tokens = Array.from({ length: 60 }, () => 10 + Math.floor(random() * 200));
const tokensFile = path.join(folder, 'tokens.json');
const signal = new AbortController().signal;

beforeAll(() => writeFileSync(tokensFile, JSON.stringify(tokens)));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function train(model: Model, steps: number): Promise<Adapter> {
  const adapter = await model.createAdapter({ rank: 4, alpha: 8, seed: 2 });
  const batch = {
    tokens: Int32Array.from(tokens),
    cuSeqlens: Int32Array.of(0, tokens.length),
    lossMask: new Uint8Array(tokens.length).fill(1, 1),
  };
  for (let step = 0; step < steps; step++) {
    await adapter.zeroGrad();
    await adapter.accumulateSft(batch, { normalizer: tokens.length - 1 });
    await adapter.optimizerStep({ learningRate: 1e-2 });
  }
  return adapter;
}

async function trainedFile(base: string, name: string, format: 'gguf' | 'peft' = 'gguf'): Promise<string> {
  const model = await openModel(base, { backend: 'cpu' });
  const file = path.join(folder, name);
  await (await train(model, 6)).save(file, format);
  model.dispose();
  return file;
}

const served = async (modelPath: string, adapterPath?: string) =>
  (await servedLogprobs({ modelPath, adapterPath, kvCacheType: 'F32' }, [tokens]))[0]!;

const worst = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Math.max(...Array.from(a, (value, i) => Math.abs(value - b[i]!)));

interface Written {
  tensorTypes: Record<string, number>;
  merged: number;
  check: { tokens: number; effect: number; engine: { mean: number }; llamaCpp: { mean: number } };
}

describe('adapter merge', () => {
  it.each([
    ['F32 kept', PARITY, 'keep', { F32: 22 }, 1e-4],
    ['F16 kept', TINY, 'keep', { F16: 29, F32: 9 }, 5e-2],
    ['F16 to F32', TINY, 'F32', { F32: 38 }, 1e-2],
    ['Q8_0', TINY, 'Q8_0', { Q8_0: 29, F32: 9 }, 2],
    ['BF16 of another architecture', QWEN, 'BF16', { BF16: 16, F32: 9 }, 0.3],
  ])('%s: llama.cpp on the merged file gives the log-probs of base + adapter', async (name, base, type, types, far) => {
    const adapter = await trainedFile(base, `${name}.gguf`);
    const out = path.join(folder, `${name}-merged.gguf`);
    const args = ['--model', base, '--out', out, '--type', type, '--tokens', tokensFile, '--json', '--quiet'];
    const done = await runHere(['adapter', 'merge', adapter, ...args]);
    expect(done.stderr).toBe('');
    const written = done.json() as Written;
    expect(written.tensorTypes).toEqual(types);
    expect(written.check.tokens).toBe(59);
    const [plain, adapted, merged] = [await served(base), await served(base, adapter), await served(out)];
    expect(worst(merged, adapted)).toBeLessThan(far);
    expect(worst(merged, plain)).toBeGreaterThan(2 * far);
    const model = await openModel(out, { backend: 'cpu' });
    expect(worst((await engineLogprobs(model, null, [tokens]))[0]!, adapted)).toBeLessThan(far);
    model.dispose();
  });

  it('takes a PEFT folder, samples its own tokens, and says what it found', async () => {
    const adapter = await trainedFile(TINY, 'peft', 'peft');
    const out = path.join(folder, 'from-peft.gguf');
    const done = await runHere(['adapter', 'merge', adapter, '--model', TINY, '--out', out]);
    expect([done.code, done.stdout]).toEqual([0, expect.stringContaining('29 F16, 9 F32; the adapter is in 28')]);
    expect(done.stdout).toMatch(/engine +mean \|Δ log-prob\| \d\.\de-\d, worst/);
    expect(done.stdout).toMatch(/llama\.cpp +mean/);
    expect(await sameText(TINY, out)).toBe(true);
  });

  it('refuses wrong usage before it computes, and leaves nothing', async () => {
    const adapter = await trainedFile(PARITY, 'usage.gguf');
    const place = path.join(folder, 'usage');
    mkdirSync(place);
    const taken = path.join(place, 'taken.gguf');
    writeFileSync(taken, 'mine');
    for (const [args, code, words] of [
      [['--model', PARITY], 2, '--out'],
      [['--model', PARITY, '--out', taken], 2, 'exists already'],
      [
        ['--model', PARITY, '--out', path.join(place, 'a.gguf'), '--type', 'Q4_K'],
        2,
        '--type: got "Q4_K", expected one of',
      ],
      [['--model', TINY, '--out', path.join(place, 'a.gguf')], 1, 'adapter_mismatch'],
      [['--model', PARITY, '--out', path.join(place, 'absent/a.gguf'), '--tokens', tokensFile], 1, 'io_error'],
    ] as const) {
      const done = await runHere(['adapter', 'merge', adapter, ...args]);
      expect([done.code, done.stderr]).toEqual([code, expect.stringContaining(words)]);
    }
    expect(readdirSync(place)).toEqual(['taken.gguf']);
    expect(readFileSync(taken, 'utf8')).toBe('mine');
  });
});

describe('the check of a merged file', () => {
  let model: Model;
  let adapter: Adapter;
  let adapterFile: string;
  beforeAll(async () => {
    model = await openModel(TINY, { backend: 'cpu' });
    adapter = await train(model, 6);
    adapterFile = path.join(folder, 'check.gguf');
    await adapter.save(adapterFile, 'gguf');
  });
  afterAll(() => model.dispose());

  const check = (file: string, tensorTypes: Record<string, number>) =>
    checkMerged({ model, adapter, adapterFile, file, tensorTypes, sequences: [tokens], signal });

  it.each(['keep', 'Q8_0'] as const)('refuses %s without the adapter, with half and with twice of it', async (type) => {
    const twice = path.join(folder, `twice-${type}.gguf`);
    writeFileSync(twice, withAlpha(adapterFile, 16));
    const half = path.join(folder, `half-${type}.gguf`);
    writeFileSync(half, withAlpha(adapterFile, 4));
    const wrong = [null, await model.loadAdapter(twice), await model.loadAdapter(half)];
    for (const [index, other] of wrong.entries()) {
      const file = path.join(folder, `wrong-${type}-${index}.gguf`);
      const { tensorTypes } = await model.save(file, { type, adapter: other });
      const error = await failure(() => check(file, tensorTypes));
      expect([error.code, error.message]).toEqual(['export_failed', expect.stringContaining('in our engine')]);
    }
    const file = path.join(folder, `right-${type}.gguf`);
    const { tensorTypes } = await model.save(file, { type, adapter });
    expect(Math.abs((await check(file, tensorTypes)).engine.along)).toBeLessThan(0.1);
  });

  it('keeps no file that llama.cpp does not confirm', async () => {
    const place = path.join(folder, 'unconfirmed');
    mkdirSync(place);
    // llama.cpp gets another adapter than the engine merges.
    const adapterPath = path.join(folder, 'other.gguf');
    writeFileSync(adapterPath, withAlpha(adapterFile, 16));
    const out = path.join(place, 'm.gguf');
    const request = { model, adapter, adapterPath, out, sequences: [tokens], log: silentLog, signal };
    const error = await failure(() => mergeAdapter({ ...request, type: 'keep' }));
    expect([error.code, error.message]).toEqual(['export_failed', expect.stringContaining('in llama.cpp')]);
    expect(readdirSync(place)).toEqual([]);
    await mergeAdapter({ ...request, adapterPath: adapterFile, type: 'keep' });
    expect(existsSync(out)).toBe(true);
    expect(readdirSync(place)).toEqual(['m.gguf']);
  });
});

/** A GGUF LoRA file's bytes with alpha changed. */
function withAlpha(file: string, alpha: number): Buffer {
  const bytes = readFileSync(file);
  const key = Buffer.from('adapter.lora.alpha');
  const at = bytes.indexOf(key) + key.length;
  expect([bytes.readUInt32LE(at), bytes.readFloatLE(at + 4)]).toEqual([6, 8]); // type 6 is F32; alpha was 8
  bytes.writeFloatLE(alpha, at + 4);
  return bytes;
}

/** Checks that tokenizer and chat template were copied. */
async function sameText(a: string, b: string): Promise<boolean> {
  const seen: unknown[] = [];
  for (const modelPath of [a, b]) {
    const generator = await openLlamaCpp({ modelPath, contextSize: 64 });
    seen.push([generator.tokenize('What is 12 times 7?', false), generator.chatTemplate, generator.bosText]);
    await generator.dispose();
  }
  return JSON.stringify(seen[0]) === JSON.stringify(seen[1]);
}
