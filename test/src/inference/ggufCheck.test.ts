/** What is found in a GGUF's header before llama.cpp sees it, for every architecture that the engine trains. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { checkModelFile } from '../../../src/inference/ggufCheck.js';

const folder = mkdtempSync(path.join(tmpdir(), 'spark-gguf-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const fixture = (name: string) => fileURLToPath(new URL(`../../fixtures/${name}.gguf`, import.meta.url));

/** A metadata number of 4 bytes behind its key, or a tensor's first size behind its name; the same place in both. */
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
    const open = () => checkModelFile(changed(file, tensor, 7));
    expect(open).toThrow(expect.objectContaining({ code: 'invalid_file' }));
    expect(open).toThrow(new RegExp(`its metadata makes ${tensor} .*, but it is 7`));
  });
});
