/**
 * Reads the header of a GGUF file before llama.cpp maps it, and refuses a foreign or truncated file, an adapter given
 * as a model, an adapter of another model, and metadata over which llama.cpp would end the process.
 */
import { existsSync, statSync } from 'node:fs';
import { isNodeError, SparkError } from '../errors.js';
import { F32_TYPE, isWeightType } from './ggmlTypes.js';
import { type GgufHeader, readGgufHeader } from './ggufHeader.js';
import { partsOf } from './ggufParts.js';
import { vocabularyProblem } from './ggufVocabulary.js';

export interface ModelFileInfo {
  readonly bytes: number;
  readonly architecture: string;
  readonly chatTemplate: string | null;
  readonly wantsInstructions: boolean;
  readonly trainContextSize: number | null;
  /** How many tokens there are; their ids are below. */
  readonly vocabularySize: number;
  /** Tensor name to its dimensions, innermost first. */
  readonly tensors: ReadonlyMap<string, readonly number[]>;
}

/** Throws `io_error` or `invalid_file`. Of a model in several files any one: all of them are checked. */
export function checkModelFile(file: string): ModelFileInfo {
  const header = join(file, readHeader(file));
  const architecture = text(header, 'general.architecture');
  const type = text(header, 'general.type') ?? 'model';
  if (architecture === null || type !== 'model') {
    throw new SparkError(
      'invalid_file',
      `expected a GGUF model, but ${file} says general.type = ${type}, general.architecture = ${architecture ?? 'missing'}` +
        `${type === 'adapter' ? '; give an adapter as an adapter, beside its base model' : ''}`,
    );
  }
  const problem = vocabularyProblem(header.metadata);
  if (problem !== null) throw damaged(file, problem);
  if (OUR_ARCHITECTURES.has(architecture)) {
    checkTokenizer(file, header);
    checkShape(file, header, architecture);
  }
  const contextLength = header.metadata.get(`${architecture}.context_length`);
  return {
    bytes: header.bytes,
    architecture,
    chatTemplate: text(header, 'tokenizer.chat_template'),
    wantsInstructions: header.metadata.get('spark.instructions') !== false,
    trainContextSize: contextLength === undefined ? null : Number(contextLength),
    vocabularySize: (header.metadata.get('tokenizer.ggml.tokens') as readonly unknown[]).length,
    tensors: new Map(header.tensors.map((tensor) => [tensor.name, tensor.dimensions])),
  };
}

/** The parts of a model as one; a model in one file as it is. The rules are those of llama.cpp. */
function join(file: string, header: GgufHeader): GgufHeader {
  const count = Number(header.metadata.get('split.count') ?? 0);
  if (count <= 1) return header;
  const paths = partsOf(file);
  const own = Number(header.metadata.get('split.no')) + 1;
  const ending = `-${String(own).padStart(5, '0')}-of-${String(count).padStart(5, '0')}.gguf`;
  if (paths.length !== count || !file.endsWith(ending)) {
    throw damaged(file, `expected a name that ends in ${ending}, as part ${own} of ${count} parts has to have`);
  }
  const missing = paths.filter((part) => !existsSync(part));
  if (missing.length > 0) {
    const more = missing.length > MISSING_NAMED ? ` and ${missing.length - MISSING_NAMED} more` : '';
    throw new SparkError(
      'io_error',
      `expected all ${count} parts of the model, got no ${missing.slice(0, MISSING_NAMED).join(', ')}${more}; ` +
        'download what is missing into the same folder',
    );
  }
  const parts = paths.map((part) => (part === file ? header : readHeader(part)));
  const tensors = parts.flatMap((part) => part.tensors);
  parts.forEach(({ metadata }, index) => {
    const [number, of] = [metadata.get('split.no'), metadata.get('split.count')];
    if (number === index && of === count) return;
    throw damaged(paths[index]!, `expected part ${index + 1} of ${count}, got split.no ${number}, split.count ${of}`);
  });
  const [first] = parts as [GgufHeader];
  const expected = first.metadata.get('split.tensors.count');
  if (expected !== tensors.length || new Set(tensors.map(({ name }) => name)).size < tensors.length) {
    throw damaged(file, `expected ${expected} tensors in all parts, each once, got ${tensors.length}`);
  }
  return { bytes: parts.reduce((sum, { bytes }) => sum + bytes, 0), metadata: first.metadata, tensors };
}

const MISSING_NAMED = 8;

/** Architectures that the engine trains. The engine refuses others; for the generator llama.cpp alone checks them. */
const OUR_ARCHITECTURES: ReadonlySet<string> = new Set(['llama', 'qwen2', 'qwen3']);

const REQUIRED_SIZES = [
  'context_length',
  'embedding_length',
  'block_count',
  'feed_forward_length',
  'attention.head_count',
] as const;

/** Refuses other tokenizers: they need special tokens, and llama.cpp does not check that the file has them. */
function checkTokenizer(file: string, header: GgufHeader): void {
  const tokenizer = text(header, 'tokenizer.ggml.model') ?? 'none';
  if (TOKENIZERS.includes(tokenizer)) return;
  throw new SparkError(
    'unsupported_file',
    `expected tokenizer.ggml.model to be ${TOKENIZERS.join(' or ')} in ${file}, got ${tokenizer}; use another GGUF of the model`,
  );
}

/**
 * llama.cpp computes tensor shapes from the metadata and asserts that no size is 0, so the metadata has to agree with
 * the tensors in the file.
 */
function checkShape(file: string, header: GgufHeader, architecture: string): void {
  const { metadata, tensors } = header;
  const number = (key: string): number | null => {
    const value = metadata.get(`${architecture}.${key}`);
    // Some models list a number per layer; those are left to llama.cpp.
    return typeof value === 'number' || typeof value === 'bigint' ? Number(value) : null;
  };
  for (const key of REQUIRED_SIZES) {
    const value = number(key);
    const list = metadata.get(`${architecture}.${key}`);
    if (Array.isArray(list) && list.length > 0) continue;
    if (value === null || value < 1) {
      throw damaged(file, `expected ${architecture}.${key} of at least 1, got ${value ?? 'none'}`);
    }
  }
  for (const [name, sizes] of expectedShapes(header, architecture, number)) {
    const tensor = tensors.find((candidate) => candidate.name === name);
    // Tensors of experts have other names; llama.cpp itself reports a tensor that is missing.
    if (tensor === undefined) continue;
    if (sizes.some((size, index) => size !== null && size !== tensor.dimensions[index])) {
      throw damaged(
        file,
        `its metadata makes ${name} ${sizes.join(' × ')}, but it is ${tensor.dimensions.join(' × ')}`,
      );
    }
  }
  checkAsserted(file, header, architecture, number);
}

const TOKENIZERS = ['llama', 'gpt2'];
const MAX_LAYERS = 512;
const ROPE_SCALINGS = ['none', 'linear', 'yarn', 'longrope'];

/** Checks what llama.cpp asserts beyond shapes. */
function checkAsserted(
  file: string,
  { metadata, tensors }: GgufHeader,
  architecture: string,
  number: (key: string) => Size,
): void {
  const require = (holds: boolean, expected: string): void => {
    if (!holds) throw damaged(file, `expected ${architecture}.${expected}`);
  };
  const layers = number('block_count') ?? 1;
  require(layers <= MAX_LAYERS, `block_count of at most ${MAX_LAYERS}, got ${layers}`);
  require((number('nextn_predict_layers') ?? 0) <= layers, `nextn_predict_layers of at most ${layers}`);
  const scaling = metadata.get(`${architecture}.rope.scaling.type`);
  require(typeof scaling !== 'string' ||
    ROPE_SCALINGS.includes(scaling), `rope.scaling.type to be one of ${ROPE_SCALINGS.join(', ')}, got ${scaling}`);
  const experts = number('expert_count') ?? 0;
  const used = number('expert_used_count') ?? 0;
  require(used <= experts && (experts === 0 || used > 0), `expert_used_count to fit ${experts} experts, got ${used}`);
  require((number('expert_group_count') ?? 0) < Math.max(experts, 1), 'expert_group_count below expert_count');
  const headSize = headSizeOf(number);
  if (headSize !== null) {
    const rotary = number('rope.dimension_count') ?? headSize;
    require(rotary === headSize, `rope.dimension_count to be the head size ${headSize}, got ${rotary}`);
    // Without the key the value length is C / H, even when the key length is another.
    const values = number('attention.value_length') ?? widthOfHeads(number);
    require(values === headSize, `attention.value_length to be the head size ${headSize}, got ${values}`);
  }
  const epsilon = number('attention.layer_norm_rms_epsilon') ?? 0;
  require(epsilon >= 0, `attention.layer_norm_rms_epsilon of at least 0, got ${epsilon}`);
  const plain = tensors.find(({ type }) => !isWeightType(type));
  if (plain !== undefined)
    throw damaged(file, `${plain.name} has tensor type ${plain.type}, which is not one of weights`);
  const narrow = tensors.find(({ dimensions, type }) => dimensions.length === 1 && type !== F32_TYPE);
  if (narrow !== undefined) throw damaged(file, `expected ${narrow.name} in F32, as every vector is`);
}

type Size = number | null;

function headSizeOf(number: (key: string) => Size): Size {
  return number('attention.key_length') ?? widthOfHeads(number);
}

function widthOfHeads(number: (key: string) => Size): Size {
  const [width, heads] = [number('embedding_length'), number('attention.head_count')];
  return width === null || heads === null ? null : Math.floor(width / heads);
}

/** Tensors whose sizes follow from the metadata, innermost size first; null for a size the metadata does not fix. */
function expectedShapes(
  { metadata }: GgufHeader,
  architecture: string,
  number: (key: string) => Size,
): readonly (readonly [string, readonly Size[]])[] {
  const width = number('embedding_length');
  const heads = number('attention.head_count');
  const tokens = metadata.get('tokenizer.ggml.tokens') as readonly unknown[];
  const kvHeads = metadata.has(`${architecture}.attention.head_count_kv`) ? number('attention.head_count_kv') : heads;
  const headSize = headSizeOf(number);
  const queries = product(heads, headSize);
  const keys = product(kvHeads, headSize);
  return [
    ['token_embd.weight', [width, tokens.length]],
    ['blk.0.attn_q.weight', [width, queries]],
    ['blk.0.attn_k.weight', [width, keys]],
    ['blk.0.ffn_up.weight', [width, number('feed_forward_length')]],
    // Qwen2's
    ['blk.0.attn_q.bias', [queries]],
    ['blk.0.attn_k.bias', [keys]],
    // Qwen3's
    ['blk.0.attn_q_norm.weight', [headSize]],
    ['blk.0.attn_k_norm.weight', [headSize]],
  ];
}

function product(a: Size, b: Size): Size {
  return a === null || b === null ? null : a * b;
}

/** Its header; throws `invalid_file` or `io_error` in words. */
export function readHeader(file: string): GgufHeader {
  try {
    if (!statSync(file).isFile())
      throw new SparkError('invalid_file', `expected a GGUF file, but ${file} is not a file`);
    return readGgufHeader(file);
  } catch (error) {
    if (error instanceof SparkError) throw error;
    if (!isNodeError(error)) throw damaged(file, (error as Error).message, error);
    throw new SparkError(
      'io_error',
      error.code === 'ENOENT' ? `no file at ${file}; check the path` : `cannot read ${file}: ${error.message}`,
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

export function text({ metadata }: GgufHeader, key: string): string | null {
  const value = metadata.get(key);
  return typeof value === 'string' ? value : null;
}
