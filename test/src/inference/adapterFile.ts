/** Writes a GGUF LoRA adapter by hand, so that inference is tested without the training engine. */
type Matrix = { readonly name: string; readonly rows: number; readonly columns: number; readonly value: number };

const u32 = (value: number) => Buffer.from(Uint32Array.of(value).buffer);
const u64 = (value: number) => Buffer.from(BigUint64Array.of(BigInt(value)).buffer);
const text = (value: string) => Buffer.concat([u64(Buffer.byteLength(value)), Buffer.from(value)]);
const entry = (key: string, value: string | number) =>
  typeof value === 'string'
    ? Buffer.concat([text(key), u32(8), text(value)])
    : Buffer.concat([text(key), u32(6), Buffer.from(Float32Array.of(value).buffer)]);

const ALIGNMENT = 32;
const padded = (bytes: number) => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;

/** An adapter of rank 2 on the first layer's query projection; every weight of B is `b`, so with 0 it has no effect. */
export function queryAdapter(width: number, b: number): Buffer {
  return adapterFile([
    { name: 'blk.0.attn_q.weight.lora_a', rows: 2, columns: width, value: 0.3 },
    { name: 'blk.0.attn_q.weight.lora_b', rows: width, columns: 2, value: b },
  ]);
}

function adapterFile(matrices: readonly Matrix[]): Buffer {
  const metadata = [
    entry('general.type', 'adapter'),
    entry('general.architecture', 'llama'),
    entry('adapter.type', 'lora'),
    entry('adapter.lora.alpha', 4),
  ];
  let offset = 0;
  const tensors = matrices.map(({ name, rows, columns }) => {
    const info = Buffer.concat([text(name), u32(2), u64(columns), u64(rows), u32(0), u64(offset)]);
    offset += padded(rows * columns * 4);
    return info;
  });
  const head = Buffer.concat([
    Buffer.from('GGUF'),
    u32(3),
    u64(matrices.length),
    u64(metadata.length),
    ...metadata,
    ...tensors,
  ]);
  const data = matrices.map(({ rows, columns, value }) => {
    // Alternating signs, so that a product does not depend on the mean of its input alone.
    const weights = Float32Array.from({ length: rows * columns }, (_, i) => (i % 3 === 0 ? -value : value));
    return Buffer.concat([Buffer.from(weights.buffer)], padded(weights.byteLength));
  });
  return Buffer.concat([Buffer.concat([head], padded(head.length)), ...data]);
}
