/** A GGUF file taken apart, to be changed and put together again: sound, or with a field that lies. */

export interface Entry {
  key: Buffer;
  type: number;
  /** The value's bytes; of an array with its element type and count. */
  value: Buffer;
}

export interface TensorDraft {
  name: Buffer;
  /** Innermost first. */
  dimensions: bigint[];
  type: number;
  /** Null: where it belongs, behind the tensor before it. */
  offset: bigint | null;
  data: Buffer;
}

export interface Draft {
  version: number;
  entries: Entry[];
  tensors: TensorDraft[];
  alignment: number;
}

/** Where a number stands in a file, for damage that leaves everything around it as it is. */
export interface Field {
  readonly at: number;
  readonly bytes: 4 | 8;
  readonly name: string;
}

export const U32 = 4;
export const I32 = 5;
export const F32 = 6;
export const STRING = 8;
export const ARRAY = 9;
/** By type number; 0 for string and array. */
export const SIZES = [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8];

export function u32(value: number): Buffer {
  const out = Buffer.alloc(4);
  out.writeUInt32LE(value >>> 0);
  return out;
}

export function u64(value: bigint | number): Buffer {
  const out = Buffer.alloc(8);
  out.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)));
  return out;
}

export function text(value: Buffer | string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([u64(bytes.length), bytes]);
}

export function stringArray(values: readonly (Buffer | string)[]): Buffer {
  return Buffer.concat([u32(STRING), u64(values.length), ...values.map(text)]);
}

/** Of a sound file with F32, F16 or BF16 tensors, whose fixtures these are. */
export function parse(bytes: Buffer): Draft {
  let at = 8;
  const take = (length: number): Buffer => {
    at += length;
    return bytes.subarray(at - length, at);
  };
  const count = (): number => Number(take(8).readBigUInt64LE());
  const string = (): Buffer => take(count());
  const tensorCount = count();
  const entryCount = count();
  const entries = Array.from({ length: entryCount }, () => {
    const key = string();
    const type = take(4).readUInt32LE();
    const start = at;
    if (type === STRING) string();
    else if (type !== ARRAY) take(SIZES[type]!);
    else {
      const element = take(4).readUInt32LE();
      const length = count();
      if (element === STRING) for (let i = 0; i < length; i++) string();
      else take(length * SIZES[element]!);
    }
    return { key, type, value: bytes.subarray(start, at) };
  });
  const table = Array.from({ length: tensorCount }, () => {
    const name = string();
    const dimensions = Array.from({ length: take(4).readUInt32LE() }, () => take(8).readBigUInt64LE());
    return { name, dimensions, type: take(4).readUInt32LE(), offset: count() };
  });
  const start = Math.ceil(at / 32) * 32;
  const tensors = table.map(({ name, dimensions, type, offset }) => {
    const size = Number(dimensions.reduce((a, b) => a * b, 1n)) * (type === 0 ? 4 : 2);
    return { name, dimensions, type, offset: null, data: bytes.subarray(start + offset, start + offset + size) };
  });
  return { version: bytes.readUInt32LE(4), entries, tensors, alignment: 32 };
}

export function strings(value: Buffer): Buffer[] {
  const out: Buffer[] = [];
  for (let at = 12; at < value.length; ) {
    const length = Number(value.readBigUInt64LE(at));
    out.push(value.subarray(at + 8, at + 8 + length));
    at += 8 + length;
  }
  return out;
}

export function serialise(draft: Draft): { bytes: Buffer; fields: Field[] } {
  const parts: Buffer[] = [];
  const fields: Field[] = [];
  let at = 0;
  const put = (part: Buffer): void => {
    parts.push(part);
    at += part.length;
  };
  const field = (name: string, part: Buffer): void => {
    fields.push({ at, bytes: part.length as 4 | 8, name });
    put(part);
  };
  const pad = (): void => put(Buffer.alloc((draft.alignment - (at % draft.alignment)) % draft.alignment));
  put(Buffer.from('GGUF'));
  field('version', u32(draft.version));
  field('tensor count', u64(draft.tensors.length));
  field('metadata count', u64(draft.entries.length));
  for (const { key, type, value } of draft.entries) {
    field(`${key} (key length)`, u64(key.length));
    put(key);
    field(`${key} (type)`, u32(type));
    // Of the value the first number: a number's own, a string's length, an array's element type and count.
    const heads = type === ARRAY ? [4, 8] : type === STRING || SIZES[type] === 8 ? [8] : SIZES[type] === 4 ? [4] : [];
    let from = 0;
    for (const head of heads) {
      field(`${key} (value)`, value.subarray(from, from + head));
      from += head;
    }
    put(value.subarray(from));
  }
  let offset = 0n;
  for (const tensor of draft.tensors) {
    field(`${tensor.name} (name length)`, u64(tensor.name.length));
    put(tensor.name);
    field(`${tensor.name} (dimensions)`, u32(tensor.dimensions.length));
    for (const size of tensor.dimensions) field(`${tensor.name} (size)`, u64(size));
    field(`${tensor.name} (type)`, u32(tensor.type));
    field(`${tensor.name} (offset)`, u64(tensor.offset ?? offset));
    const alignment = BigInt(draft.alignment);
    offset = ((offset + BigInt(tensor.data.length) + alignment - 1n) / alignment) * alignment;
  }
  for (const tensor of draft.tensors) {
    pad();
    put(tensor.data);
  }
  pad();
  return { bytes: Buffer.concat(parts), fields };
}
