/**
 * The header of a GGUF file, read with every length checked against the file's size. The inference library's own reader
 * believes a damaged count and loops or allocates for minutes, and llama.cpp asserts, which ends the process.
 * Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

export type GgufScalar = number | bigint | boolean | string;
export type GgufValue = GgufScalar | readonly GgufScalar[];

export interface GgufTensor {
  readonly name: string;
  /** Innermost first: a matrix of R rows and C columns is [C, R]. */
  readonly dimensions: readonly number[];
}

export interface GgufHeader {
  readonly bytes: number;
  /** By full key: `tokenizer.ggml.tokens`. */
  readonly metadata: ReadonlyMap<string, GgufValue>;
  readonly tensors: readonly GgufTensor[];
}

const MAGIC = 0x46554747; // 'GGUF', little-endian
const VERSIONS = [2, 3];
const MAX_DIMENSIONS = 4;
const MAX_ARRAY_DEPTH = 4;
const STRING = 8;
const ARRAY = 9;

/** Throws a plain Error with the reason when the file is not a sound GGUF file. */
export function readGgufHeader(file: string): GgufHeader {
  const descriptor = openSync(file, 'r');
  try {
    const bytes = fstatSync(descriptor).size;
    const cursor = new Cursor(descriptor, bytes);
    if (bytes < 24 || cursor.u32() !== MAGIC) throw new Error('it does not begin with GGUF');
    const version = cursor.u32();
    if (!VERSIONS.includes(version)) throw new Error(`expected GGUF version ${VERSIONS.join(' or ')}, got ${version}`);
    const tensorCount = cursor.count(24);
    const keyCount = cursor.count(12);
    const metadata = new Map<string, GgufValue>();
    for (let i = 0; i < keyCount; i++) {
      const key = cursor.string();
      if (metadata.has(key)) throw new Error(`the key ${key} occurs twice`);
      metadata.set(key, readValue(cursor, cursor.u32(), 0));
    }
    const names = new Set<string>();
    const tensors: GgufTensor[] = [];
    const offsets: number[] = [];
    for (let i = 0; i < tensorCount; i++) {
      const { tensor, offset } = readTensor(cursor);
      if (names.has(tensor.name)) throw new Error(`the tensor ${tensor.name} occurs twice`);
      names.add(tensor.name);
      tensors.push(tensor);
      offsets.push(offset);
    }
    checkOffsets(tensors, offsets, cursor.position, bytes);
    return { bytes, metadata, tensors };
  } finally {
    closeSync(descriptor);
  }
}

function readTensor(cursor: Cursor): { tensor: GgufTensor; offset: number } {
  const name = cursor.string();
  const rank = cursor.u32();
  if (rank < 1 || rank > MAX_DIMENSIONS) throw new Error(`tensor ${name}: expected 1 to 4 dimensions, got ${rank}`);
  const dimensions = Array.from({ length: rank }, () => cursor.size());
  const elements = dimensions.reduce((product, size) => product * size, 1);
  if (elements < 1 || elements > Number.MAX_SAFE_INTEGER) {
    throw new Error(`tensor ${name}: expected sizes of at least 1, got ${dimensions.join(' × ')}`);
  }
  cursor.u32(); // type: llama.cpp says itself which it does not know
  return { tensor: { name, dimensions }, offset: cursor.size() };
}

/** Where a tensor ends depends on its type, which llama.cpp checks; a start past the end is a truncated file. */
function checkOffsets(tensors: readonly GgufTensor[], offsets: readonly number[], start: number, bytes: number): void {
  offsets.forEach((offset, index) => {
    if (start + offset >= bytes) {
      throw new Error(
        `tensor ${tensors[index]!.name} starts at byte ${start + offset} of ${bytes}: the file is truncated`,
      );
    }
  });
}

/** Bytes of a value of each fixed-size type, by type number; 0 for string and array. */
const SIZES = [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8];

function readValue(cursor: Cursor, type: number, depth: number): GgufValue {
  if (type === ARRAY) {
    if (depth >= MAX_ARRAY_DEPTH) throw new Error('arrays are nested too deep');
    const element = cursor.u32();
    // A string is at least its 8 bytes of length, an array 12.
    const length = cursor.count(element === STRING ? 8 : element === ARRAY ? 12 : (SIZES[element] ?? 1));
    const values: GgufScalar[] = [];
    for (let i = 0; i < length; i++) values.push(readValue(cursor, element, depth + 1) as GgufScalar);
    return values;
  }
  if (type === STRING) return cursor.string();
  const size = SIZES[type];
  if (size === undefined) throw new Error(`a metadata value is of unknown type ${type}`);
  const at = cursor.take(size);
  switch (type) {
    case 0:
      return at.readUInt8();
    case 1:
      return at.readInt8();
    case 2:
      return at.readUInt16LE();
    case 3:
      return at.readInt16LE();
    case 4:
      return at.readUInt32LE();
    case 5:
      return at.readInt32LE();
    case 6:
      return at.readFloatLE();
    case 7:
      return at.readUInt8() !== 0;
    case 10:
      return at.readBigUInt64LE();
    case 11:
      return at.readBigInt64LE();
    default:
      return at.readDoubleLE();
  }
}

/** Reads on through a file by a window; refuses to pass its end. */
class Cursor {
  readonly #descriptor: number;
  readonly #bytes: number;
  #window: Buffer = Buffer.alloc(0);
  #windowStart = 0;
  position = 0;

  constructor(descriptor: number, bytes: number) {
    this.#descriptor = descriptor;
    this.#bytes = bytes;
  }

  take(length: number): Buffer {
    if (length > this.#bytes - this.position) throw new Error(`it ends at byte ${this.#bytes}, inside its header`);
    const inWindow = this.position - this.#windowStart;
    if (inWindow + length > this.#window.length) {
      const wanted = Math.min(Math.max(length, 1 << 20), this.#bytes - this.position);
      const window = Buffer.alloc(wanted);
      let read = 0;
      while (read < wanted) {
        const got = readSync(this.#descriptor, window, read, wanted - read, this.position + read);
        if (got === 0) throw new Error('it became shorter while it was read');
        read += got;
      }
      this.#window = window;
      this.#windowStart = this.position;
    }
    const from = this.position - this.#windowStart;
    this.position += length;
    return this.#window.subarray(from, from + length);
  }

  u32(): number {
    return this.take(4).readUInt32LE();
  }

  size(): number {
    const value = this.take(8).readBigUInt64LE();
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new Error(`a size of ${value} cannot be`);
    return Number(value);
  }

  /** A number of things that take at least `bytesEach`: no more of them than the file has room for. */
  count(bytesEach: number): number {
    const value = this.size();
    if (value * bytesEach > this.#bytes - this.position)
      throw new Error(`a count of ${value} is more than the file holds`);
    return value;
  }

  string(): string {
    return this.take(this.count(1)).toString('utf8');
  }
}
