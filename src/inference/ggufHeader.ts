/**
 * Reads the header of a GGUF file, checking every length against the file's size. Given a damaged count,
 * node-llama-cpp's own reader loops or allocates for minutes, and llama.cpp asserts, which ends the process. Format:
 * https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { SparkError } from '../errors.js';
import { tensorBytes } from './ggmlTypes.js';

export type GgufScalar = number | bigint | boolean | string;
export type GgufValue = GgufScalar | readonly GgufScalar[];

export interface GgufTensor {
  readonly name: string;
  /** Innermost first: a matrix of R rows and C columns is [C, R]. */
  readonly dimensions: readonly number[];
  /** ggml's number of the type. */
  readonly type: number;
}

export interface GgufHeader {
  readonly bytes: number;
  /** By full key: `general.name`. Strings in arrays are latin1, one character a byte, as tokens can be any bytes. */
  readonly metadata: ReadonlyMap<string, GgufValue>;
  readonly tensors: readonly GgufTensor[];
}

const MAGIC = 0x46554747; // 'GGUF', little-endian
const VERSIONS = [2, 3];
const MAX_DIMENSIONS = 4;
const MAX_KEY = 65535; // the format's limit
const MAX_TENSOR_NAME = 63; // ggml keeps 64 bytes, the last one zero
/** Alignment of a tensor's first byte in the file, which ggml asserts when it maps the file. */
const DATA_ALIGNMENT = 32;
const U16 = 2;
const U32 = 4;
const F32 = 6;
const STRING = 8;
const ARRAY = 9;

/**
 * Throws a plain Error with the reason for a damaged GGUF file, a SparkError for a file that is something else. The
 * rules on names, duplicates, offsets and alignment are those of llama.cpp.
 */
export function readGgufHeader(file: string): GgufHeader {
  const descriptor = openSync(file, 'r');
  try {
    const bytes = fstatSync(descriptor).size;
    const cursor = new Cursor(descriptor, bytes);
    refusePointer(file, cursor, bytes);
    if (bytes < 24 || cursor.u32() !== MAGIC) throw new Error('it does not begin with GGUF');
    checkVersion(file, cursor.u32());
    const tensorCount = cursor.count(24);
    const keyCount = cursor.count(12);
    const metadata = new Map<string, GgufValue>();
    for (let i = 0; i < keyCount; i++) {
      const key = cursor.name(`metadata key ${i}`);
      if (metadata.has(key)) throw new Error(`the key ${key} occurs twice`);
      const type = cursor.u32();
      const expected = ASSERTED_TYPES.get(key) ?? type;
      if (type !== expected) throw new Error(`expected ${key} of type ${expected}, got ${type}`);
      metadata.set(key, readValue(cursor, type));
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
    checkOffsets(tensors, offsets, alignmentOf(metadata), cursor.position, bytes);
    return { bytes, metadata, tensors };
  } finally {
    closeSync(descriptor);
  }
}

const ALIGNMENT = 'general.alignment';

/** Keys of models and adapters whose type llama.cpp asserts; a wrong type of any other key it reports as an error. */
const ASSERTED_TYPES: ReadonlyMap<string, number> = new Map([
  [ALIGNMENT, U32],
  ['split.no', U16],
  ['split.count', U16],
  ['general.type', STRING],
  ['general.architecture', STRING],
  ['adapter.type', STRING],
  ['adapter.lora.alpha', F32],
]);

/** Refuses a Git LFS pointer: a clone without Git LFS has three lines of text in place of the model. */
function refusePointer(file: string, cursor: Cursor, bytes: number): void {
  const begin = 'version https://git-lfs.github.com/spec/';
  if (bytes < begin.length || cursor.peek(begin.length).toString('latin1') !== begin) return;
  throw new SparkError(
    'invalid_file',
    `expected a GGUF file, but ${file} is a Git LFS pointer, which only names the file that is meant; ` +
      'fetch that with git lfs pull, or download it',
  );
}

function checkVersion(file: string, version: number): void {
  if (VERSIONS.includes(version)) return;
  // Versions are small, so in the other byte order their low half is zero.
  if (version !== 0 && (version & 0xffff) === 0) {
    throw new SparkError(
      'unsupported_file',
      `expected a little-endian GGUF file, but ${file} is a big-endian one; convert the model again without the big-endian option`,
    );
  }
  throw new Error(`expected GGUF version ${VERSIONS.join(' or ')}, got ${version}`);
}

function alignmentOf(metadata: ReadonlyMap<string, GgufValue>): number {
  const alignment = Number(metadata.get(ALIGNMENT) ?? DATA_ALIGNMENT);
  if (alignment > 0 && (alignment & (alignment - 1)) === 0) return alignment;
  throw new Error(`expected ${ALIGNMENT} to be a power of two, got ${alignment}`);
}

function readTensor(cursor: Cursor): { tensor: GgufTensor; offset: number } {
  const name = cursor.name('tensor name', MAX_TENSOR_NAME);
  const rank = cursor.u32();
  if (rank < 1 || rank > MAX_DIMENSIONS) throw new Error(`tensor ${name}: expected 1 to 4 dimensions, got ${rank}`);
  const dimensions = Array.from({ length: rank }, () => cursor.size());
  const elements = dimensions.reduce((product, size) => product * size, 1);
  if (elements < 1 || elements > Number.MAX_SAFE_INTEGER) {
    throw new Error(`tensor ${name}: expected sizes of at least 1, got ${dimensions.join(' × ')}`);
  }
  const type = cursor.u32(); // not checked: llama.cpp itself reports a type it does not know
  return { tensor: { name, dimensions, type }, offset: cursor.size() };
}

/** Checks that tensors lie one after the other in the table's order, each at a multiple of the alignment. */
function checkOffsets(
  tensors: readonly GgufTensor[],
  offsets: readonly number[],
  alignment: number,
  headerEnd: number,
  bytes: number,
): void {
  const padded = (position: number): number => Math.ceil(position / alignment) * alignment;
  const start = padded(headerEnd);
  let expected: number | null = 0;
  tensors.forEach(({ name, type, dimensions }, index) => {
    const offset = offsets[index]!;
    if (expected !== null && offset !== expected) {
      throw new Error(`tensor ${name}: expected offset ${expected}, where the tensor before it ends, got ${offset}`);
    }
    if ((start + offset) % DATA_ALIGNMENT !== 0) {
      throw new Error(`tensor ${name}: expected data at a multiple of ${DATA_ALIGNMENT} bytes, got ${start + offset}`);
    }
    const size = tensorBytes(type, dimensions);
    if (start + offset + (size ?? 1) > bytes) {
      throw new Error(`tensor ${name} ends at byte ${start + offset + (size ?? 1)} of ${bytes}: the file is truncated`);
    }
    expected = size === null ? null : padded(offset + size);
  });
}

/** Bytes of a value of each fixed-size type, by type number; 0 for string and array. */
const SIZES = [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8];

function readValue(cursor: Cursor, type: number): GgufValue {
  if (type === ARRAY) {
    const element = cursor.u32();
    if (element === ARRAY) throw new Error('an array holds arrays');
    // A string takes at least 8 bytes, those of its length.
    const length = cursor.count(element === STRING ? 8 : (SIZES[element] ?? 1));
    const values: GgufScalar[] = [];
    for (let i = 0; i < length; i++) {
      values.push(element === STRING ? cursor.string('latin1') : (readValue(cursor, element) as GgufScalar));
    }
    return values;
  }
  if (type === STRING) return cursor.string('utf8');
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

/** Reads through a file front to back, buffered; throws instead of passing the file's end. */
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
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new Error(`a size of ${value} cannot be right`);
    return Number(value);
  }

  /** Reads how many things follow, each of at least `bytesEach`; throws when the rest of the file is too short for them. */
  count(bytesEach: number): number {
    const value = this.size();
    if (value * bytesEach > this.#bytes - this.position)
      throw new Error(`a count of ${value} is more than the file holds`);
    return value;
  }

  string(encoding: 'utf8' | 'latin1'): string {
    return this.take(this.count(1)).toString(encoding);
  }

  /**
   * A key or a tensor's name. A zero byte is refused: for C it ends the name, and llama.cpp aborts over such a key.
   * Read as latin1, so that different names that are not UTF-8 stay different.
   */
  name(field: string, longest = MAX_KEY): string {
    const length = this.count(1);
    if (length < 1 || length > longest) throw new Error(`${field}: expected 1 to ${longest} bytes, got ${length}`);
    const name = this.take(length).toString('latin1');
    if (name.includes('\0')) throw new Error(`${field}: a name has a zero byte inside`);
    return name;
  }

  /** The next bytes, without moving past them. */
  peek(length: number): Buffer {
    const bytes = this.take(length);
    this.position -= length;
    return bytes;
  }
}
