/** Makes of a PEFT folder of rank 4 one whose weights have ranks and alphas of their own, and that lacks some of them. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';

interface Tensor {
  readonly shape: readonly [number, number];
  readonly data_offsets: readonly [number, number];
}

/** What PEFT's configuration says of the copy; patterns as PEFT writes them. */
const PATTERNS = {
  rank_pattern: { q_proj: 2, 'layers.1.mlp.up_proj': 3, embed_tokens: 2, lm_head: 3 },
  alpha_pattern: { v_proj: 10.5, 'layers.1.mlp.up_proj': 12 },
};

/** The rank of a tensor's module in the copy; 0: it has none there. */
function rankOf(name: string): number {
  if (name.includes('o_proj') || name.includes('layers.1.mlp.down_proj')) return 0;
  if (name.includes('q_proj')) return 2;
  return name.includes('layers.1.mlp.up_proj') ? 3 : 4;
}

interface Matrix {
  readonly name: string;
  readonly shape: readonly [number, number];
  readonly values: Float32Array;
}

/** LoRA on the embedding and the output projection of a model of this width and vocabulary, in PEFT's shapes. */
function outside({ width, vocabulary }: ModelSize): Matrix[] {
  const shapes: Record<string, readonly [number, number]> = {
    'base_model.model.model.embed_tokens.lora_embedding_A': [2, vocabulary],
    'base_model.model.model.embed_tokens.lora_embedding_B': [width, 2],
    'base_model.model.lm_head.lora_A.weight': [3, width],
    'base_model.model.lm_head.lora_B.weight': [vocabulary, 3],
  };
  return Object.entries(shapes).map(([name, shape], of) => {
    const values = Float32Array.from({ length: shape[0] * shape[1] }, (_, i) => 0.15 * Math.sin(7 * i * i + of));
    return { name, shape, values };
  });
}

export interface ModelSize {
  readonly width: number;
  readonly vocabulary: number;
}

/** With `size`, also LoRA on the embedding (rank 2) and the output projection (rank 3) of a model of that size. */
export function makeMixed(from: string, to: string, size?: ModelSize): void {
  const bytes = readFileSync(`${from}/adapter_model.safetensors`);
  const length = Number(bytes.readBigUInt64LE(0));
  const { __metadata__, ...tensors } = JSON.parse(bytes.toString('utf8', 8, 8 + length)) as Record<string, Tensor>;
  const header: Record<string, unknown> = { __metadata__ };
  const data: Buffer[] = [];
  let offset = 0;
  const add = ({ name, shape, values }: Matrix) => {
    data.push(Buffer.from(values.buffer));
    header[name] = { dtype: 'F32', shape, data_offsets: [offset, offset + values.byteLength] };
    offset += values.byteLength;
  };
  for (const [name, { shape, data_offsets }] of Object.entries(tensors)) {
    const rank = rankOf(name);
    if (rank === 0) continue;
    const [rows, columns] = name.includes('lora_A') ? [rank, shape[1]] : [shape[0], rank];
    const values = new Float32Array(rows * columns);
    for (let i = 0; i < values.length; i++) {
      const at = Math.floor(i / columns) * shape[1] + (i % columns);
      values[i] = bytes.readFloatLE(8 + length + data_offsets[0] + 4 * at);
    }
    add({ name, shape: [rows, columns], values });
  }
  if (size !== undefined) outside(size).forEach(add);
  const text = Buffer.from(JSON.stringify(header));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(text.length));
  mkdirSync(to);
  writeFileSync(`${to}/adapter_model.safetensors`, Buffer.concat([prefix, text, ...data]));
  const config = JSON.parse(readFileSync(`${from}/adapter_config.json`, 'utf8'));
  writeFileSync(`${to}/adapter_config.json`, JSON.stringify({ ...config, ...PATTERNS }));
}
