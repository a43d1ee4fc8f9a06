/** What is said of an adapter's header before llama.cpp sees the file. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { checkAdapterFile } from '../../../src/inference/adapterCheck.js';
import { checkModelFile } from '../../../src/inference/ggufCheck.js';
import { parse, serialise, stringArray } from '../../gguf/draft.js';

const folder = mkdtempSync(path.join(tmpdir(), 'spark-adapter-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Of the sizes that checkAdapterFile looks at: width 32, 67 tokens, grouped queries. */
function model({ tied = false } = {}) {
  const info = checkModelFile('test/fixtures/parity.gguf');
  const tensors = new Map<string, readonly number[]>([
    ['token_embd.weight', [32, 67]],
    ['output.weight', [32, 67]],
    ['blk.0.attn_v.weight', [32, 12]],
    ['blk.1.attn_v.weight', [32, 12]],
  ]);
  if (tied) tensors.delete('output.weight');
  return { ...info, tensors };
}

const ARRAY = 9;
const CONVERTED = 'test/fixtures/adapters/embedding-and-head/converted.gguf';
const refusal = (file: string, of = model()) => {
  try {
    checkAdapterFile(file, of);
  } catch (error) {
    return error as Error;
  }
  return null;
};

describe('an adapter', () => {
  it('may be of the embedding and the output projection', () => expect(refusal(CONVERTED)).toBeNull());

  it('of the embedding is refused where that is the output, too', () => {
    expect(refusal(CONVERTED, model({ tied: true }))).toMatchObject({
      code: expect.stringMatching(/unsupported_file|adapter_mismatch/),
      message: expect.stringContaining('output'),
    });
  });

  it.each([
    ['token_embd.weight', [32, 66], 'token_embd.weight.lora_a expected width 66 as in the model, got 67'],
    ['token_embd.weight', [31, 67], 'token_embd.weight.lora_b expected width 31 as in the model, got 32'],
    ['output.weight', [31, 67], 'output.weight.lora_a expected width 31 as in the model, got 32'],
    ['output.weight', [32, 66], 'output.weight.lora_b expected width 66 as in the model, got 67'],
  ])('of a %s of %j is refused', (name, dimensions, words) => {
    const other = model();
    other.tensors.set(name, dimensions);
    expect(refusal(CONVERTED, other)?.message).toContain(words);
  });

  it('that counts for some tokens alone is refused', () => {
    const draft = parse(readFileSync(CONVERTED));
    const key = Buffer.from('adapter.alora.invocation_tokens');
    draft.entries.push({ key, type: ARRAY, value: stringArray(['1']) });
    const file = path.join(folder, 'alora.gguf');
    writeFileSync(file, serialise(draft).bytes);
    expect(refusal(file)).toMatchObject({ code: 'unsupported_file', message: expect.stringContaining('aLoRA') });
  });

  it('of PEFT is to be converted first', () => {
    for (const file of ['', '/adapter_model.safetensors', '/adapter_config.json']) {
      expect(refusal(`test/fixtures/models/tied-peft${file}`)).toMatchObject({
        code: 'adapter_mismatch',
        message: expect.stringContaining('spark-rl adapter export'),
      });
    }
  });
});
