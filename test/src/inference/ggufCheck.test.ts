/** The check of a GGUF's header, before llama.cpp sees the file, for every architecture that the engine trains. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { checkAdapterFile } from '../../../src/inference/adapterCheck.js';
import { checkModelFile } from '../../../src/inference/ggufCheck.js';
import {
  type Draft,
  F32,
  parse,
  STRING,
  serialise,
  stringArray,
  strings,
  text,
  U32,
  u32,
  u64,
} from '../../gguf/draft.js';

const folder = mkdtempSync(path.join(tmpdir(), 'spark-gguf-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const fixture = (name: string) => fileURLToPath(new URL(`../../fixtures/${name}.gguf`, import.meta.url));

/** A copy of the file with the 4-byte metadata number after the key `name` set to `value`. */
function changed(file: string, name: string, value: number): string {
  const bytes = readFileSync(file);
  const at = bytes.indexOf(name);
  if (at < 0) throw new Error(`${name} is not in ${file}`);
  bytes.writeUInt32LE(value, at + name.length + 4);
  const target = path.join(folder, 'changed.gguf');
  writeFileSync(target, bytes);
  return target;
}

const MODELS = [
  ['llama', 'parity', ['blk.0.attn_q.weight', 'blk.0.attn_k.weight']],
  ['qwen2', 'parity-qwen2', ['blk.0.attn_q.bias', 'blk.0.attn_k.bias']],
  ['qwen3', 'parity-qwen3', ['blk.0.attn_q_norm.weight', 'blk.0.attn_k_norm.weight']],
] as const;

describe.each(MODELS)('%s', (architecture, name, tensors) => {
  const file = fixture(name);

  it('is accepted', () => {
    const info = checkModelFile(file);
    expect(info.architecture).toBe(architecture);
    expect(info.trainContextSize).toBe(256);
    expect(info.tensors.get('blk.1.ffn_down.weight')).toEqual([64, 48]);
  });

  it.each(['context_length', 'embedding_length', 'block_count', 'feed_forward_length', 'attention.head_count'])(
    'needs %s',
    (key) => {
      expect(() => checkModelFile(changed(file, `${architecture}.${key}`, 0))).toThrow(
        `expected ${architecture}.${key} of at least 1, got 0`,
      );
    },
  );

  it.each([
    ['attention.head_count', 5, 'blk.0.attn_q.weight'],
    ['attention.head_count_kv', 3, 'blk.0.attn_k.weight'],
    ['attention.key_length', 40, 'blk.0.attn_q.weight'],
    ['feed_forward_length', 65, 'blk.0.ffn_up.weight'],
    ['embedding_length', 49, 'token_embd.weight'],
  ])('finds a %s that its tensors deny', (key, value, tensor) => {
    const open = () => checkModelFile(changed(file, `${architecture}.${key}`, value));
    expect(open).toThrow(expect.objectContaining({ code: 'invalid_file' }));
    expect(open).toThrow(`its metadata makes ${tensor}`);
  });

  it.each(tensors)('finds a %s of another size', (tensor) => {
    const resized = composed(name, ({ tensors: all }) => {
      const found = all.find((candidate) => candidate.name.toString() === tensor)!;
      const columns = Number(found.dimensions[0]);
      found.dimensions[0] = 7n;
      found.data = found.data.subarray(0, (found.data.length / columns) * 7);
    });
    const open = () => checkModelFile(resized);
    expect(open).toThrow(expect.objectContaining({ code: 'invalid_file' }));
    expect(open).toThrow(new RegExp(`its metadata makes ${tensor} .*, but it is 7`));
  });
});

/** A sound file, with its parts changed by `change`. */
function composed(name: string, change: (draft: Draft) => void): string {
  const draft = parse(readFileSync(fixture(name)));
  change(draft);
  return written(serialise(draft).bytes);
}

function written(bytes: Buffer): string {
  const target = path.join(folder, 'composed.gguf');
  writeFileSync(target, bytes);
  return target;
}

function refusedWith(file: string, words: string | RegExp, code = 'invalid_file'): void {
  expect(() => checkModelFile(file)).toThrow(expect.objectContaining({ code }));
  expect(() => checkModelFile(file)).toThrow(words);
}

function add(key: string, type: number, value: Buffer) {
  return ({ entries }: Draft) => void entries.push({ key: Buffer.from(key), type, value });
}

function withTokens(change: (tokens: Buffer[]) => void) {
  return ({ entries }: Draft): void => {
    const entry = entries.find(({ key }) => key.toString() === 'tokenizer.ggml.tokens')!;
    const tokens = strings(entry.value);
    change(tokens);
    entry.value = stringArray(tokens);
  };
}

describe('what llama.cpp refuses or aborts over', () => {
  it('is a key with a zero byte inside', () => {
    const bytes = readFileSync(fixture('parity'));
    bytes.writeBigUInt64LE(0x1_0000_0000n, 478);
    refusedWith(written(bytes), 'metadata key 11: a name has a zero byte inside');
  });

  it.each<[string, (draft: Draft) => void, string]>([
    ['an empty key', add('', U32, u32(1)), 'metadata key 23: expected 1 to 65535 bytes, got 0'],
    [
      'a key that comes twice',
      ({ entries }) => entries.push({ ...entries[3]! }),
      'llama.embedding_length occurs twice',
    ],
    ['nested arrays', add('n', 9, Buffer.concat([u32(9), u64(1), u32(U32), u64(1), u32(1)])), 'an array holds arrays'],
    [
      'an alignment of 24',
      add('general.alignment', U32, u32(24)),
      'expected general.alignment to be a power of two, got 24',
    ],
    ['a count of parts that is no u16', add('split.count', U32, u32(1)), 'expected split.count of type 2, got 4'],
    ['a part that is no u16', add('split.no', U32, u32(0)), 'expected split.no of type 2, got 4'],
    ['a type that is no text', add('general.type', U32, u32(0)), 'expected general.type of type 8, got 4'],
    [
      'an alignment that is an i32',
      add('general.alignment', 5, u32(32)),
      'expected general.alignment of type 4, got 5',
    ],
    [
      'a gap',
      ({ tensors }) => Object.assign(tensors[1]!, { offset: 0n }),
      'tensor rope_freqs.weight: expected offset 55488',
    ],
    [
      'a long tensor name',
      ({ tensors }) => Object.assign(tensors[0]!, { name: Buffer.alloc(64, 'n') }),
      'expected 1 to 63',
    ],
    ['other rope scaling', add('llama.rope.scaling.type', STRING, text('ntk')), 'rope.scaling.type to be one of'],
    [
      'experts in use of none',
      add('llama.expert_used_count', U32, u32(1)),
      'expert_used_count to fit 0 experts, got 1',
    ],
    ['groups of no experts', add('llama.expert_group_count', U32, u32(1)), 'expert_group_count below expert_count'],
    ['more predicted layers', add('llama.nextn_predict_layers', U32, u32(3)), 'nextn_predict_layers of at most 2'],
    [
      'a matrix of integers',
      ({ tensors }) => Object.assign(tensors[0]!, { type: 26 }),
      'token_embd.weight has tensor type 26, which is not one of weights',
    ],
    [
      'an epsilon that is no number',
      ({ entries }) => {
        const found = entries.find(({ key }) => key.toString().endsWith('epsilon'))!;
        found.value = u32(0x7fc00000);
      },
      'layer_norm_rms_epsilon of at least 0, got NaN',
    ],
    [
      'an F16 vector',
      ({ tensors }) => {
        const norm = tensors.find(({ name }) => name.toString() === 'output_norm.weight')!;
        Object.assign(norm, { type: 1, data: norm.data.subarray(0, norm.data.length / 2) });
      },
      'expected output_norm.weight in F32',
    ],
    ['a token that comes twice', withTokens((tokens) => tokens.splice(1, 1, tokens[0]!)), '1 token texts occur twice'],
    ['a token with a zero byte', withTokens((tokens) => tokens.splice(1, 1, Buffer.from(`${tokens[0]}\0x`))), 'twice'],
    [
      'a token called as an empty one is',
      withTokens((tokens) => tokens.splice(0, 2, Buffer.alloc(0), Buffer.from('[EMPTY_0]'))),
      '1 token texts occur twice',
    ],
  ])('is %s', (_name, change, words) => refusedWith(composed('parity', change), words));

  it("is an adapter's alpha that is no f32", () => {
    const adapter = parse(readFileSync('test/fixtures/models/tied-adapter.gguf'));
    const alpha = adapter.entries.find(({ key }) => key.toString() === 'adapter.lora.alpha')!;
    Object.assign(alpha, { type: U32, value: u32(8) });
    const file = written(serialise(adapter).bytes);
    const model = checkModelFile(fixture('parity'));
    expect(() => checkAdapterFile(file, model)).toThrow('expected adapter.lora.alpha of type 6, got 4');
  });

  it('is a tokenizer whose own tokens are taken for granted', () => {
    const file = composed('parity', ({ entries }) => {
      entries.find(({ key }) => key.toString() === 'tokenizer.ggml.model')!.value = text('rwkv');
    });
    refusedWith(file, 'to be llama or gpt2', 'unsupported_file');
  });

  it('is data that do not begin on 32 bytes', () => {
    const file = composed('parity', (draft) => {
      draft.alignment = 8;
      add('general.alignment', U32, u32(8))(draft);
      add('pad', U32, u32(0))(draft);
    });
    refusedWith(file, /expected data at a multiple of 32 bytes, got \d+/);
  });

  it.each(MODELS)('is a head of %s that turns in part', (architecture, name) => {
    refusedWith(
      changed(fixture(name), `${architecture}.rope.dimension_count`, 8),
      'rope.dimension_count to be the head size',
    );
    refusedWith(
      changed(fixture(name), `${architecture}.attention.value_length`, 8),
      'attention.value_length to be the head',
    );
    refusedWith(changed(fixture(name), `${architecture}.block_count`, 513), 'block_count of at most 512, got 513');
  });

  it('is not two empty tokens, nor bytes that are no text', () => {
    const empty = withTokens((tokens) => tokens.splice(3, 2, Buffer.alloc(0), Buffer.alloc(0)));
    expect(checkModelFile(composed('parity', empty)).architecture).toBe('llama');
    const bytes = withTokens((tokens) => tokens.splice(3, 2, Buffer.from([0xff]), Buffer.from([0xfe])));
    expect(checkModelFile(composed('parity', bytes)).architecture).toBe('llama');
    expect(checkModelFile(composed('parity', add('x', F32, u32(0)))).architecture).toBe('llama');
  });
});

describe('what is no GGUF file of ours says what it is', () => {
  it('a big-endian one', () => {
    const bytes = readFileSync(fixture('parity'));
    bytes.writeUInt32BE(3, 4);
    refusedWith(written(bytes), 'expected a little-endian GGUF file', 'unsupported_file');
  });

  it('a Git LFS pointer', () => {
    const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${'0'.repeat(64)}\nsize 98\n`;
    refusedWith(written(Buffer.from(pointer)), 'is a Git LFS pointer');
    refusedWith(written(Buffer.from(pointer)), 'git lfs pull');
  });
});
