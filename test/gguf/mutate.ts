/**
 * Seeded damage to a sound GGUF file, of two kinds: a lie (one field or some bytes changed, everything else left), and a
 * file that is put together soundly, but of wrong parts, as a bad converter writes it.
 */
import { seededRandom } from '../../src/random.js';
import {
  ARRAY,
  type Draft,
  type Entry,
  F32,
  I32,
  parse,
  SIZES,
  STRING,
  serialise,
  stringArray,
  strings,
  type TensorDraft,
  text,
  U32,
  u32,
  u64,
} from './draft.js';

export interface Mutant {
  readonly bytes: Buffer;
  /** What was done, for a report. */
  readonly what: string;
}

interface Dice {
  below(limit: number): number;
  pick<T>(list: readonly T[]): T;
}

function dice(seed: number): Dice {
  const random = seededRandom(seed);
  const below = (limit: number): number => Math.floor(random() * limit);
  return { below, pick: (list) => list[below(list.length)]! };
}

/** The same seed and file always make the same mutant. */
export function mutate(source: Buffer, seed: number): Mutant {
  const roll = dice(seed);
  const draft = parse(source);
  return roll.below(2) === 0 ? lie(draft, roll) : compose(draft, roll);
}

function lie(draft: Draft, roll: Dice): Mutant {
  const { bytes, fields } = serialise(draft);
  const header = fields.at(-1)!.at + 8;
  switch (roll.below(5)) {
    case 0:
    case 1: {
      const field = roll.pick(fields);
      const value = number(bytes, field.at, field.bytes);
      const next = roll.pick([
        value + 1n,
        value - 1n,
        0n,
        1n,
        value * 2n,
        value ^ (1n << BigInt(roll.below(field.bytes * 8))),
        (1n << 32n) + value,
        (1n << 63n) - 1n,
        (1n << 64n) - 1n,
        BigInt(roll.below(64)),
      ]);
      if (field.bytes === 4) bytes.writeUInt32LE(Number(BigInt.asUintN(32, next)), field.at);
      else u64(next).copy(bytes, field.at);
      return { bytes, what: `${field.name}: ${value} → ${next}` };
    }
    case 2: {
      const at = roll.below(header - 8);
      const value = roll.pick([0n, 1n << 32n, (1n << 64n) - 1n, BigInt(roll.below(2 ** 31))]);
      u64(value).copy(bytes, at);
      return { bytes, what: `u64 ${value} at byte ${at}` };
    }
    case 3: {
      const flips = 1 + roll.below(4);
      const places = Array.from({ length: flips }, () => roll.below(header));
      for (const at of places) bytes[at] = bytes[at]! ^ (1 << roll.below(8));
      return { bytes, what: `bits flipped in bytes ${places.join(', ')}` };
    }
    default: {
      const length = roll.pick([roll.below(header), roll.below(bytes.length), bytes.length - 1 - roll.below(64)]);
      return { bytes: bytes.subarray(0, length), what: `cut to ${length} of ${bytes.length} bytes` };
    }
  }
}

function number(bytes: Buffer, at: number, size: 4 | 8): bigint {
  return size === 4 ? BigInt(bytes.readUInt32LE(at)) : bytes.readBigUInt64LE(at);
}

type Change = (draft: Draft, roll: Dice) => string;

function compose(draft: Draft, roll: Dice): Mutant {
  const what = roll.pick(CHANGES)(draft, roll);
  return { bytes: serialise(draft).bytes, what };
}

const CHANGES: readonly Change[] = [
  dropEntry,
  retype,
  otherValue,
  otherValue,
  otherString,
  addEntry,
  twiceTheKey,
  otherKey,
  otherTokens,
  otherTokens,
  otherElements,
  alignment,
  dropTensor,
  addTensor,
  swapTensors,
  reshape,
  otherTensorType,
  otherTensorName,
  otherOffset,
];

function dropEntry(draft: Draft, roll: Dice): string {
  const [gone] = draft.entries.splice(roll.below(draft.entries.length), 1);
  return `without ${gone!.key}`;
}

/** The same number in another type, as a converter with other habits writes it. */
function retype(draft: Draft, roll: Dice): string {
  const entry = roll.pick(draft.entries.filter(({ type }) => type !== STRING && type !== ARRAY));
  const value = entry.type === F32 ? entry.value.readFloatLE() : entry.value.readUIntLE(0, SIZES[entry.type]!);
  entry.type = roll.pick([0, 1, 2, 3, U32, I32, F32, 7, 10, 11, 12]);
  const out = Buffer.alloc(SIZES[entry.type]!);
  if (entry.type === F32) out.writeFloatLE(value);
  else if (entry.type === 12) out.writeDoubleLE(value);
  else u64(Math.trunc(value)).copy(out);
  entry.value = out;
  return `${entry.key} as type ${entry.type}`;
}

function otherValue(draft: Draft, roll: Dice): string {
  const entry = roll.pick(draft.entries.filter(({ type }) => type === U32 || type === F32));
  const before = entry.type === F32 ? entry.value.readFloatLE() : entry.value.readUInt32LE();
  const after = roll.pick([0, 1, 2, before + 1, before - 1, before * 2, before / 2, 513, 2 ** 31, 2 ** 32 - 1]);
  const out = Buffer.alloc(4);
  if (entry.type === F32) out.writeFloatLE(roll.pick([after, -1, Number.NaN, Number.POSITIVE_INFINITY, 1e-30, 1e30]));
  else out.writeUInt32LE(Math.trunc(Math.max(0, after)) >>> 0);
  entry.value = out;
  return `${entry.key}: ${before} → ${entry.type === F32 ? out.readFloatLE() : out.readUInt32LE()}`;
}

const WORDS = ['', 'llama', 'qwen2', 'qwen3', 'gemma3', 'none', 'bert', 't5', 'gpt2', 'rwkv', 'default', 'phi-3', 'x'];

function otherString(draft: Draft, roll: Dice): string {
  const entry = roll.pick(draft.entries.filter(({ type }) => type === STRING));
  const word = roll.pick([...WORDS, `${entry.value.subarray(8)}\0`, `${entry.value.subarray(8)}2`]);
  entry.value = text(word);
  return `${entry.key}: ${JSON.stringify(word)}`;
}

/** Keys that llama.cpp looks at, and that no sound file of ours has. */
function addEntry(draft: Draft, roll: Dice): string {
  const architecture = draft.entries[0]!.value.subarray(8).toString();
  const flag = Buffer.from([1]);
  const f32 = (value: number): Buffer => {
    const out = Buffer.alloc(4);
    out.writeFloatLE(value);
    return out;
  };
  const [name, type, value] = roll.pick<readonly [string, number, Buffer]>([
    ['split.count', 2, Buffer.from([2, 0])],
    ['split.count', 2, Buffer.from([1, 0])],
    ['split.count', U32, u32(1)],
    ['split.no', U32, u32(0)],
    ['general.type', U32, u32(0)],
    [`${architecture}.expert_count`, U32, u32(2)],
    [`${architecture}.expert_used_count`, U32, u32(1)],
    [`${architecture}.expert_group_count`, U32, u32(1)],
    [`${architecture}.nextn_predict_layers`, U32, u32(1)],
    [`${architecture}.pooling_type`, U32, u32(1)],
    [`${architecture}.embedding_length_out`, U32, u32(7)],
    [`${architecture}.attention.causal`, U32, u32(1)],
    [`${architecture}.attention.causal`, 7, Buffer.from([roll.below(2)])],
    [`${architecture}.attention.head_count`, ARRAY, Buffer.concat([u32(U32), u64(2), u32(4), u32(roll.pick([4, 2]))])],
    [`${architecture}.attention.key_length_swa`, F32, f32(1)],
    [`${architecture}.rope.scaling.type`, STRING, text(roll.pick(['none', 'linear', 'yarn', 'longrope', 'x', '']))],
    [`${architecture}.rope.scaling.factor`, F32, f32(roll.pick([0, 1, 4, -1]))],
    [`${architecture}.rope.scaling.factor`, U32, u32(4)],
    [`${architecture}.rope.scaling.attn_factor`, F32, f32(2)],
    [`${architecture}.rope.scaling.finetuned`, U32, u32(1)],
    [`${architecture}.classifier.output_labels`, ARRAY, Buffer.concat([u32(U32), u64(1), u32(1)])],
    ['tokenizer.ggml.padding_token_id', I32, u32(1)],
    ['tokenizer.ggml.padding_token_id', U32, u32(1 << 30)],
    ['tokenizer.ggml.suppress_tokens', ARRAY, Buffer.concat([u32(U32), u64(1), u32(1)])],
    ['tokenizer.ggml.add_space_prefix', 7, flag],
    ['tokenizer.ggml.scores', ARRAY, Buffer.concat([u32(F32), u64(1), u32(0)])],
    ['general.file_type', F32, u32(0)],
    ['nested', ARRAY, Buffer.concat([u32(ARRAY), u64(1), u32(U32), u64(1), u32(1)])],
    ['empty', ARRAY, Buffer.concat([u32(U32), u64(0)])],
    ['', U32, u32(1)],
    ['zero\0inside', U32, u32(1)],
    ['unknown.key', F32, f32(1)],
  ]);
  draft.entries = draft.entries.filter(({ key }) => key.toString() !== name);
  draft.entries.push({ key: Buffer.from(name), type, value });
  return `with ${JSON.stringify(name)} of type ${type}: ${value.toString('hex').slice(0, 40)}`;
}

function twiceTheKey(draft: Draft, roll: Dice): string {
  const entry = roll.pick(draft.entries);
  draft.entries.splice(roll.below(draft.entries.length), 0, { ...entry });
  return `${entry.key} twice`;
}

function otherKey(draft: Draft, roll: Dice): string {
  const entry = roll.pick(draft.entries);
  const before = entry.key.toString();
  entry.key = otherName(entry.key, roll);
  return `${before} called ${JSON.stringify(entry.key.toString('latin1'))}`;
}

function otherName(name: Buffer, roll: Dice): Buffer {
  const changed = Buffer.from(name);
  changed[roll.below(changed.length)] = roll.pick([0, 0x20, 0x2e, 0x61, 0x80, 0xff]);
  return roll.pick([changed, name.subarray(0, -1), Buffer.concat([name, Buffer.from([0])])]);
}

function tokensOf(draft: Draft): Entry {
  return draft.entries.find(({ key }) => key.toString() === 'tokenizer.ggml.tokens')!;
}

function otherTokens(draft: Draft, roll: Dice): string {
  const entry = tokensOf(draft);
  const tokens = strings(entry.value);
  const [a, b] = [roll.below(tokens.length), roll.below(tokens.length)];
  const [what, change] = roll.pick<readonly [string, () => void]>([
    [`token ${a} as token ${b}`, () => tokens.splice(a, 1, tokens[b]!)],
    [`tokens ${a} and ${b} empty`, () => [a, b].map((at) => tokens.splice(at, 1, Buffer.alloc(0)))],
    [`token ${a} with a zero byte`, () => tokens.splice(a, 1, Buffer.from(`${tokens[b]}\0x`))],
    [
      `token ${a} empty, token ${b} so called`,
      () => {
        tokens[b] = Buffer.from(`[EMPTY_${a}]`);
        tokens[a] = Buffer.alloc(0);
      },
    ],
    ['one token fewer', () => tokens.pop()],
    ['one token more', () => tokens.push(Buffer.from('one more'))],
    ['no tokens', () => tokens.splice(0)],
    [`token ${a} of other bytes`, () => tokens.splice(a, 1, Buffer.from([0xff, 0xfe, a & 0xff]))],
  ]);
  change();
  entry.value = stringArray(tokens);
  return what;
}

/** An array with elements of another type, or more or fewer of them, or other token types. */
function otherElements(draft: Draft, roll: Dice): string {
  const entry = roll.pick(draft.entries.filter(({ type }) => type === ARRAY));
  const length = Number(entry.value.readBigUInt64LE(4));
  if (roll.below(2) === 0) {
    const element = roll.pick([0, U32, I32, F32, 10]);
    const count = roll.pick([length, length - 1, length + 1, 0]);
    entry.value = Buffer.concat([u32(element), u64(count), Buffer.alloc(count * SIZES[element]!, 1)]);
    return `${entry.key}: ${count} elements of type ${element}`;
  }
  const types = draft.entries.find(({ key }) => key.toString() === 'tokenizer.ggml.token_type')!;
  const changed = Buffer.from(types.value);
  const [token, type] = [roll.below(256), roll.pick([0, 2, 3, 4, 5, 6, 6, 6, 7, -1])];
  changed.writeInt32LE(type, 12 + token * 4);
  types.value = changed;
  return `token ${token} of type ${type}`;
}

function alignment(draft: Draft, roll: Dice): string {
  const said = roll.pick([0, 1, 4, 8, 16, 24, 32, 64, 4096]);
  const type = roll.pick([U32, U32, U32, I32, 10]);
  draft.entries.push({ key: Buffer.from('general.alignment'), type, value: type === 10 ? u64(said) : u32(said) });
  if (said >= 8 && roll.below(3) > 0) draft.alignment = said;
  // 16 bytes of header more or fewer decide where the data begin.
  draft.entries.push({ key: Buffer.from('x'.repeat(1 + roll.below(40))), type: U32, value: u32(0) });
  return `general.alignment ${said} of type ${type}, data at ${draft.alignment}`;
}

function dropTensor(draft: Draft, roll: Dice): string {
  const [gone] = draft.tensors.splice(roll.below(draft.tensors.length), 1);
  return `without ${gone!.name}`;
}

function addTensor(draft: Draft, roll: Dice): string {
  const like = roll.pick(draft.tensors);
  const name = roll.pick([
    `${like.name}`,
    'blk.2.attn_q.weight',
    'blk.0.attn_q.scale',
    'blk.0.attn_q.bias',
    'blk.0.ffn_up.bias',
    'blk.0.attn_output.bias',
    'output.bias',
    'rope_freqs.weight',
    'cls.output.weight',
    'unknown',
    'n'.repeat(63),
    'n'.repeat(64),
    '',
  ]);
  const added: TensorDraft = name.endsWith('scale')
    ? { name: Buffer.from(name), dimensions: [1n], type: 0, offset: null, data: Buffer.alloc(4, 0x3f) }
    : { ...like, name: Buffer.from(name) };
  draft.tensors.splice(roll.below(draft.tensors.length), 0, added);
  return `with ${JSON.stringify(name)} as ${like.name}`;
}

function swapTensors(draft: Draft, roll: Dice): string {
  const [a, b] = [roll.below(draft.tensors.length), roll.below(draft.tensors.length)];
  [draft.tensors[a], draft.tensors[b]] = [draft.tensors[b]!, draft.tensors[a]!];
  const names = roll.below(2) === 0;
  const [first, second] = [draft.tensors[a]!, draft.tensors[b]!];
  if (names) [first.name, second.name] = [second.name, first.name];
  return `${second.name} and ${first.name} in each other's ${names ? 'shape' : 'place'}`;
}

function reshape(draft: Draft, roll: Dice): string {
  const tensor = roll.pick(draft.tensors);
  const before = tensor.dimensions.join(' × ');
  const [what, change] = roll.pick<readonly [string, () => unknown]>([
    ['reversed', () => tensor.dimensions.reverse()],
    ['with a 1', () => tensor.dimensions.push(1n)],
    [
      'flat',
      () =>
        tensor.dimensions.splice(
          0,
          4,
          tensor.dimensions.reduce((a, b) => a * b, 1n),
        ),
    ],
    ['with a 1 in front', () => tensor.dimensions.unshift(1n)],
    [
      'with a 0',
      () => {
        tensor.dimensions.push(0n);
        tensor.data = Buffer.alloc(0);
      },
    ],
    [
      'without dimensions',
      () => {
        tensor.dimensions.splice(0);
        tensor.data = tensor.data.subarray(0, 4);
      },
    ],
    ['of five', () => tensor.dimensions.push(1n, 1n, 1n, 1n)],
  ]);
  change();
  return `${tensor.name} (${before}) ${what}`;
}

/** With the bytes that the other type takes, so that only the type itself is wrong. */
function otherTensorType(draft: Draft, roll: Dice): string {
  const tensor = roll.pick(draft.tensors);
  const count = Number(tensor.dimensions.reduce((a, b) => a * b, 1n));
  const [type, block, bytes] = roll.pick<readonly [number, number, number]>([
    [0, 1, 4],
    [1, 1, 2],
    [30, 1, 2],
    [8, 32, 34],
    [2, 32, 18],
    [6, 32, 22],
    [9, 32, 36],
    [12, 256, 144],
    [20, 32, 18],
    [39, 32, 17],
    [41, 128, 18],
    [42, 64, 18],
    [24, 1, 1],
    [26, 1, 4],
    [28, 1, 8],
    [4, 1, 4],
    [999, 1, 4],
  ]);
  tensor.type = type;
  tensor.data = Buffer.alloc(Math.ceil(count / block) * bytes, 1);
  return `${tensor.name} of type ${type}`;
}

function otherTensorName(draft: Draft, roll: Dice): string {
  const tensor = roll.pick(draft.tensors);
  const before = tensor.name.toString();
  tensor.name = otherName(tensor.name, roll);
  return `${before} called ${JSON.stringify(tensor.name.toString('latin1'))}`;
}

function otherOffset(draft: Draft, roll: Dice): string {
  const tensor = roll.pick(draft.tensors);
  tensor.offset = roll.pick([0n, 32n, 8n, 1n << 20n, BigInt(draft.tensors[0]!.data.length), (1n << 64n) - 32n]);
  return `${tensor.name} at ${tensor.offset}`;
}
