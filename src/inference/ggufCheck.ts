/**
 * What can be wrong with a GGUF file, found by reading its header before the inference library maps it: a foreign or
 * truncated file, an adapter given as a model, an adapter of another model.
 */
import { stat } from 'node:fs/promises';
import { isNodeError, SparkError, throwIfAborted } from '../errors.js';

/** The part of a GGUF header this file looks at. */
export interface GgufHeader {
  readonly metadata: object;
  readonly tensorInfo?: readonly GgufTensor[];
}

interface GgufTensor {
  readonly name: string;
  readonly dimensions: readonly (number | bigint)[];
  readonly fileOffset?: number | bigint;
  /** From 1, in a model split over several files. */
  readonly filePart?: number;
}

export type ReadHeader = (file: string, signal: AbortSignal | undefined) => Promise<GgufHeader>;

export interface ModelFileInfo {
  readonly bytes: number;
  readonly architecture: string;
  readonly chatTemplate: string | null;
  readonly wantsInstructions: boolean;
  readonly trainContextSize: number | null;
  /** Tensor name to its dimensions, innermost first. */
  readonly tensors: ReadonlyMap<string, readonly number[]>;
}

/** Throws `io_error` or `invalid_file`. */
export async function checkModelFile(
  file: string,
  readHeader: ReadHeader,
  signal?: AbortSignal,
): Promise<ModelFileInfo> {
  const bytes = await fileSize(file);
  const header = await read(file, bytes, readHeader, signal);
  const architecture = text(header.metadata, 'general', 'architecture');
  const type = text(header.metadata, 'general', 'type') ?? 'model';
  if (architecture === null || type !== 'model') {
    throw new SparkError(
      'invalid_file',
      `expected a GGUF model, but ${file} says general.type = ${type}, general.architecture = ${architecture ?? 'missing'}` +
        `${type === 'adapter' ? '; give an adapter as an adapter, beside its base model' : ''}`,
    );
  }
  checkVocabulary(file, header.metadata);
  const contextLength = lookUp(header.metadata, architecture, 'context_length');
  return {
    bytes,
    architecture,
    chatTemplate: text(header.metadata, 'tokenizer', 'chat_template'),
    wantsInstructions: lookUp(header.metadata, 'spark', 'instructions') !== false,
    trainContextSize: contextLength === undefined ? null : Number(contextLength),
    tensors: new Map((header.tensorInfo ?? []).map((tensor) => [tensor.name, tensor.dimensions.map(Number)])),
  };
}

/** llama.cpp asserts that token texts differ, and a failed assertion of its ends the process. */
function checkVocabulary(file: string, metadata: object): void {
  const tokens = lookUp(metadata, 'tokenizer', 'ggml', 'tokens');
  if (!Array.isArray(tokens) || tokens.length === 0) {
    throw damaged(file, 'tokenizer.ggml.tokens is missing: a model without its vocabulary');
  }
  const different = new Set(tokens).size;
  if (different < tokens.length) throw damaged(file, `${tokens.length - different} token texts occur twice`);
  for (const name of ['token_type', 'scores']) {
    const list = lookUp(metadata, 'tokenizer', 'ggml', name);
    if (Array.isArray(list) && list.length !== tokens.length) {
      throw damaged(file, `expected ${tokens.length} entries in tokenizer.ggml.${name}, got ${list.length}`);
    }
  }
}

/** Throws `adapter_mismatch` when the adapter's matrices do not fit the model's. */
export async function checkAdapterFile(
  file: string,
  model: ModelFileInfo,
  readHeader: ReadHeader,
  signal?: AbortSignal,
): Promise<void> {
  const header = await read(file, await fileSize(file), readHeader, signal);
  const type = text(header.metadata, 'general', 'type');
  const kind = text(header.metadata, 'adapter', 'type');
  if (type !== 'adapter' || kind !== 'lora') {
    throw new SparkError(
      'adapter_mismatch',
      `expected a GGUF LoRA adapter, but ${file} says general.type = ${type ?? 'missing'}, adapter.type = ${kind ?? 'missing'}`,
    );
  }
  const architecture = text(header.metadata, 'general', 'architecture');
  if (architecture !== model.architecture) {
    throw new SparkError(
      'adapter_mismatch',
      `expected an adapter of architecture ${model.architecture}, but ${file} is of ${architecture ?? 'none'}`,
    );
  }
  for (const tensor of header.tensorInfo ?? []) checkAdapterTensor(file, tensor, model);
}

function checkAdapterTensor(file: string, tensor: GgufTensor, model: ModelFileInfo): void {
  const match = /^(.*)\.lora_([ab])$/.exec(tensor.name);
  if (match === null) return;
  const base = model.tensors.get(match[1]!);
  if (base === undefined) {
    throw new SparkError(
      'adapter_mismatch',
      `${file} adapts ${match[1]}, which the model does not have; use the adapter's own base model`,
    );
  }
  // GGUF dimensions are innermost first: W is [C_in, C_out], A is [C_in, R], B is [R, C_out].
  const [expected, got] =
    match[2] === 'a' ? [base[0], Number(tensor.dimensions[0])] : [base[1], Number(tensor.dimensions[1])];
  if (expected !== got) {
    throw new SparkError(
      'adapter_mismatch',
      `${file}: ${tensor.name} expected width ${expected} as in the model, got ${got}; use the adapter's own base model`,
    );
  }
}

async function read(
  file: string,
  size: number,
  readHeader: ReadHeader,
  signal: AbortSignal | undefined,
): Promise<GgufHeader> {
  let header: GgufHeader;
  try {
    header = await readHeader(file, signal);
  } catch (error) {
    throwIfAborted(signal);
    throw damaged(file, (error as Error).message, error);
  }
  for (const tensor of header.tensorInfo ?? []) {
    if ((tensor.filePart ?? 1) > 1) continue;
    if (tensor.fileOffset !== undefined && Number(tensor.fileOffset) >= size) {
      throw damaged(file, `tensor ${tensor.name} starts at byte ${tensor.fileOffset} of ${size}`);
    }
  }
  return header;
}

async function fileSize(file: string): Promise<number> {
  try {
    const info = await stat(file);
    if (!info.isFile()) throw new SparkError('invalid_file', `expected a GGUF file, but ${file} is a folder or device`);
    return info.size;
  } catch (error) {
    if (error instanceof SparkError) throw error;
    const missing = isNodeError(error) && error.code === 'ENOENT';
    throw new SparkError(
      'io_error',
      missing ? `no file at ${file}; check the path` : `cannot read ${file}: ${(error as Error).message}`,
      { cause: error },
    );
  }
}

function damaged(file: string, reason: string, cause?: unknown): SparkError {
  return new SparkError(
    'invalid_file',
    `expected a GGUF file, but ${file} is damaged or something else (${reason}); download it again or check the path`,
    { cause },
  );
}

function lookUp(metadata: object, ...keys: readonly string[]): unknown {
  return keys.reduce<unknown>(
    (at, key) => (typeof at === 'object' && at !== null ? (at as Record<string, unknown>)[key] : undefined),
    metadata,
  );
}

function text(metadata: object, ...keys: readonly string[]): string | null {
  const value = lookUp(metadata, ...keys);
  return typeof value === 'string' ? value : null;
}
