/** The layout of a safetensors file: 8 bytes with the length of a JSON header, the header, the data. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { z } from 'zod';
import { SparkError } from '../errors.js';

export interface TensorPlace {
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Bytes of the file, [start, end) */
  readonly start: number;
  readonly end: number;
}

export interface Layout {
  readonly metadata: Readonly<Record<string, string>>;
  readonly tensors: Readonly<Record<string, TensorPlace>>;
}

/** No header of a value head or a LoRA comes near it. */
const MOST_HEADER_BYTES = 64 << 20;

const count = z.number().int().min(0);
const entry = z.object({ dtype: z.string(), shape: z.array(count), data_offsets: z.tuple([count, count]) });
const header = z.looseObject({ __metadata__: z.record(z.string(), z.string()).optional() }).catchall(z.unknown());

/** Throws `io_error`, and `invalid_file` for what is no safetensors file or ends too early. */
export function safetensorsLayout(file: string): Layout {
  const { bytes, size } = headerOf(file);
  try {
    const { __metadata__: metadata = {}, ...rest } = header.parse(JSON.parse(bytes.toString('utf8')));
    const data = 8 + bytes.length;
    const tensors = Object.entries(rest).map(([name, value]) => {
      const { dtype, shape, data_offsets } = entry.parse(value);
      const [start, end] = [data + data_offsets[0], data + data_offsets[1]];
      if (start > end || end > size) throw new Error(`${name} ends at byte ${end} of ${size}`);
      return [name, { dtype, shape, start, end }] as const;
    });
    return { metadata, tensors: Object.fromEntries(tensors) };
  } catch (error) {
    throw damaged(file, (error as Error).message, error);
  }
}

function headerOf(file: string): { bytes: Buffer; size: number } {
  let descriptor: number;
  try {
    descriptor = openSync(file, 'r');
  } catch (error) {
    throw new SparkError('io_error', `cannot read ${file}: ${(error as Error).message}`, { cause: error });
  }
  try {
    const { size } = fstatSync(descriptor);
    const length = Buffer.alloc(8);
    readSync(descriptor, length, 0, 8, 0);
    const wanted = Number(length.readBigUInt64LE());
    if (size < 8 || wanted > Math.min(size - 8, MOST_HEADER_BYTES)) throw damaged(file, `a header of ${wanted} bytes`);
    const bytes = Buffer.alloc(wanted);
    readSync(descriptor, bytes, 0, wanted, 8);
    return { bytes, size };
  } finally {
    closeSync(descriptor);
  }
}

/** The values of an F32 tensor. Throws `unsupported_file` for another type, `invalid_file` for a wrong length. */
export function readFloats(file: string, name: string, { dtype, shape, start, end }: TensorPlace): Float32Array {
  if (dtype !== 'F32') {
    throw new SparkError('unsupported_file', `${file}: expected ${name} in F32, got ${dtype}; save it as .float()`);
  }
  const values = new Float32Array(shape.reduce((product, one) => product * one, 1));
  if (values.byteLength !== end - start)
    throw damaged(file, `${name} has ${end - start} bytes, not ${values.byteLength}`);
  const descriptor = openSync(file, 'r');
  try {
    readSync(descriptor, new Uint8Array(values.buffer), 0, values.byteLength, start);
  } finally {
    closeSync(descriptor);
  }
  const bad = values.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) throw new SparkError('not_finite', `${file}: ${name} holds ${values[bad]} at ${bad}; save it again`);
  return values;
}

function damaged(file: string, what: string, cause?: unknown): SparkError {
  return new SparkError('invalid_file', `${file}: expected a safetensors file, got ${what}; write it again`, { cause });
}
