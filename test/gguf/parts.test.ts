/** A model in parts, as llama-gguf-split makes them: our engine, llama.cpp and the check of headers, from any part. */
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { resolveConfig } from '../../src/config/resolve.js';
import { openModel } from '../../src/engine/index.js';
import { checkModelFile } from '../../src/inference/ggufCheck.js';
import { modelSha256, partsOf } from '../../src/inference/ggufParts.js';
import { openLlamaCpp } from '../../src/inference/llamaCpp.js';
import { type Draft, I32, parse, serialise, u32 } from './draft.js';

const WHOLE = 'test/fixtures/parity-qwen3.gguf';
const U16 = 2;
const folder = mkdtempSync(path.join(tmpdir(), 'spark-parts-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function entry(key: string, type: number, value: Buffer) {
  return { key: Buffer.from(key), type, value };
}

/** Writes the parts, all metadata in the first, and returns their paths. */
function split(name: string, count: number, change: (part: Draft, index: number) => void = () => {}): string[] {
  const whole = parse(readFileSync(WHOLE));
  const each = Math.ceil(whole.tensors.length / count);
  return Array.from({ length: count }, (_, index) => {
    const number = (value: number): Buffer => Buffer.from([value, 0]);
    const entries = [
      ...(index === 0 ? whole.entries : []),
      entry('split.no', U16, number(index)),
      entry('split.count', U16, number(count)),
      entry('split.tensors.count', I32, u32(whole.tensors.length)),
    ];
    const part: Draft = { ...whole, entries, tensors: whole.tensors.slice(index * each, (index + 1) * each) };
    change(part, index);
    const file = path.join(folder, `${name}-0000${index + 1}-of-0000${count}.gguf`);
    writeFileSync(file, serialise(part).bytes);
    return file;
  });
}

const TOKENS = [5, 80, 7, 41, 12, 99];

async function logprobs(file: string): Promise<{ readonly ours: number[]; readonly theirs: number[] }> {
  const model = await openModel(file, { threads: 1 });
  const batch = {
    tokens: Int32Array.from(TOKENS),
    cuSeqlens: Int32Array.of(0, TOKENS.length),
    lossMask: Uint8Array.from(TOKENS, (_, i) => (i === 0 ? 0 : 1)),
  };
  const ours = [...(await model.logprobs(batch, null))];
  model.dispose();
  await using generator = await openLlamaCpp({ modelPath: file, contextSize: 64 });
  return { ours, theirs: [...(await generator.logprobs(TOKENS))] };
}

it('any part gives what the whole file gives, to the bit, in our engine and in llama.cpp', async () => {
  const parts = split('three', 3);
  const whole = await logprobs(WHOLE);
  for (const part of [parts[0]!, parts[2]!]) expect(await logprobs(part)).toEqual(whole);
  expect(checkModelFile(parts[1]!).tensors).toEqual(checkModelFile(WHOLE).tensors);
  expect(resolveConfig({ model: { path: parts[2]! } }).model.path).toBe(parts[0]);
});

it('the hash of a model is that of all of its parts, whichever is named', async () => {
  const parts = split('hash', 2);
  const hash = await modelSha256(parts[0]!);
  expect(await modelSha256(parts[1]!)).toBe(hash);
  split('hash', 2, (part, index) => {
    if (index === 1) part.tensors[0]!.data = Buffer.alloc(part.tensors[0]!.data.length);
  });
  expect(await modelSha256(parts[0]!)).not.toBe(hash);
});

it('names what is missing', async () => {
  const parts = split('missing', 3);
  rmSync(parts[1]!);
  rmSync(parts[2]!);
  const says = {
    code: 'io_error',
    message: expect.stringContaining(`all 3 parts of the model, got no ${parts[1]}, ${parts[2]};`),
  };
  expect(() => checkModelFile(parts[0]!)).toThrow(expect.objectContaining(says));
  await expect(openModel(parts[0]!)).rejects.toMatchObject(says);
});

it.each<[string, string, (part: Draft, index: number) => void]>([
  [
    'a part in the place of another',
    'expected part 2 of 3',
    (part, index) => {
      if (index === 1) part.entries[0]!.value = Buffer.from([2, 0]);
    },
  ],
  [
    'a tensor that is gone',
    'tensors in all parts',
    (part, index) => {
      if (index === 2) part.tensors.pop();
    },
  ],
])('refuses %s', async (name, says, change) => {
  const [first] = split(name.replaceAll(' ', '-'), 3, change);
  const refusal = { code: 'invalid_file', message: expect.stringContaining(says) };
  expect(() => checkModelFile(first!)).toThrow(expect.objectContaining(refusal));
  await expect(openModel(first!)).rejects.toMatchObject(refusal);
});

it('refuses a part under another name', async () => {
  const [first] = split('renamed', 2);
  const other = path.join(folder, 'model.gguf');
  copyFileSync(first!, other);
  const refusal = {
    code: 'invalid_file',
    message: expect.stringContaining('a name that ends in -00001-of-00002.gguf'),
  };
  expect(() => checkModelFile(other)).toThrow(expect.objectContaining(refusal));
  await expect(openModel(other)).rejects.toMatchObject(refusal);
});

it('knows parts by their names', () => {
  expect(partsOf('a/m-00002-of-00002.gguf')).toEqual(['a/m-00001-of-00002.gguf', 'a/m-00002-of-00002.gguf']);
  for (const whole of ['m.gguf', 'm-00001-of-00001.gguf', 'm-00003-of-00002.gguf', 'm-1-of-2.gguf']) {
    expect(partsOf(whole)).toEqual([whole]);
  }
});
