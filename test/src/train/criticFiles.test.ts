/** A critic that others trained: what its folder holds is what the critic has; what ours cannot be is refused by name. */
import { copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openModel } from '../../../src/engine/index.js';
import type { Model } from '../../../src/engine/types.js';
import { seededRandom } from '../../../src/random.js';
import { loadCritic } from '../../../src/train/criticFiles.js';
import { ppoSettings } from '../../../src/train/ppoSettings.js';
import { temporaryFolder } from '../cli/runCli.js';
import { FIXTURE_MODEL } from './support.js';

type Tensor = readonly [name: string, shape: readonly number[], dtype?: string];

const folder = path.join(temporaryFolder(), 'critic');
const file = path.join(folder, 'value_head.safetensors');
const HIDDEN = 12;
const BATCH = {
  tokens: Int32Array.of(1, 5, 9, 13, 17, 21),
  cuSeqlens: Int32Array.of(0, 6),
  lossMask: Uint8Array.of(0, 1, 1, 1, 1, 1),
};
const SILU = { activation: 'silu' };
let model: Model;
let lora: Readonly<Record<string, { data: Float32Array }>>;

/** As `safetensors.torch.save_file` writes a state dict of fp32 tensors. */
function writeHead(tensors: readonly Tensor[], metadata: Record<string, string> | null = SILU, spoil?: number) {
  const random = seededRandom(5);
  const parts = tensors.map(([, shape]) => Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, random));
  if (spoil !== undefined) parts[0]![0] = spoil;
  let at = 0;
  const entries = tensors.map(([name, shape, dtype = 'F32'], index) => {
    const data_offsets = [at, at + parts[index]!.byteLength];
    at = data_offsets[1]!;
    return [name, { dtype, shape, data_offsets }];
  });
  const header = Buffer.from(
    JSON.stringify({ ...(metadata === null ? {} : { __metadata__: metadata }), ...Object.fromEntries(entries) }),
  );
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  writeFileSync(file, Buffer.concat([length, header, ...parts.map((part) => Buffer.from(part.buffer))]));
  return parts;
}

const head = (): Tensor[] => [
  ['0.weight', [HIDDEN, model.info.width]],
  ['0.bias', [HIDDEN]],
  ['2.weight', [1, HIDDEN]],
  ['2.bias', [1]],
];

beforeAll(async () => {
  model = await openModel(FIXTURE_MODEL, { backend: 'cpu', threads: 2 });
  const adapter = await model.createAdapter({ rank: 3, alpha: 6, seed: 9 });
  // One step, so that B is not zero.
  await adapter.accumulateSft(BATCH, { normalizer: 5 });
  await adapter.optimizerStep({ learningRate: 0.1 });
  await adapter.save(folder, 'peft');
  lora = await adapter.tensors('value');
});
afterAll(() => model.dispose());

it('has the weights of its files, under whatever names the head has them', async () => {
  const parts = writeHead(head());
  const critic = await loadCritic(model, folder);
  const got = await critic.tensors('value');
  for (const [name, { data }] of Object.entries(lora)) expect(got[name]!.data).toEqual(data);
  const names = ['fc1.weight', 'fc1.bias', 'fc2.weight', 'fc2.bias'];
  names.forEach((name, index) => {
    expect(got[`value_head.${name}`]!.data).toEqual(parts[index]);
  });
  expect(Object.keys(got)).toHaveLength(Object.keys(lora).length + 4);
  const values = await critic.values({ ...BATCH, valuePositions: Int32Array.of(2, 5) });
  expect(values.every((value) => Number.isFinite(value) && value !== 0)).toBe(true);
  // Layers without a bias are layers with a bias of 0.
  writeHead(head().filter(([name]) => !name.endsWith('bias')));
  const bare = await (await loadCritic(model, folder)).tensors('value');
  expect(bare['value_head.fc1.bias']!.data).toEqual(new Float32Array(HIDDEN));
});

it('is refused by name where ours cannot be it', async () => {
  const failure = () =>
    loadCritic(model, folder).then(
      () => 'loaded',
      (error) => `${error.code}: ${error.message}`,
    );
  const { width } = model.info;
  rmSync(file, { force: true });
  expect(await failure()).toMatch(/^no_data: .*value_head\.safetensors.*docs\/models\.md/);
  writeHead(head(), null);
  expect(await failure()).toMatch(/^unsupported_file: .*activation: silu.*got none/);
  writeHead(head(), { activation: 'gelu' });
  expect(await failure()).toMatch(/^unsupported_file: .*got gelu/);
  writeHead([
    ['weight', [1, width]],
    ['bias', [1]],
  ]);
  expect(await failure()).toMatch(/^unsupported_file: .*two layers.*got weight \(1, \d+\)/);
  writeHead([...head(), ['4.weight', [HIDDEN, HIDDEN]]]);
  expect(await failure()).toMatch(/^unsupported_file: .*4\.weight/);
  writeHead(head().map(([name, shape]) => [name, shape, 'BF16'] as const));
  expect(await failure()).toMatch(/^unsupported_file: .*0\.weight in F32, got BF16/);
  writeHead(head(), SILU, Number.NaN);
  expect(await failure()).toMatch(/^not_finite: .*0\.weight holds NaN at 0/);
  writeHead(head());
  writeFileSync(file, readFileSync(file).subarray(0, 400));
  expect(await failure()).toMatch(/^invalid_file: .*safetensors/);
  writeFileSync(file, 'no');
  expect(await failure()).toMatch(/^invalid_file: .*safetensors/);
  // A LoRA of its own targets is taken, one that some layers lack is not.
  const only = path.join(path.dirname(folder), 'q');
  await (await model.createAdapter({ rank: 2, targets: ['q'] })).save(only, 'peft');
  writeHead(head());
  copyFileSync(file, path.join(only, path.basename(file)));
  expect((await loadCritic(model, only)).targets).toEqual(['q']);
  for (const name of ['adapter_config.json', 'adapter_model.safetensors'])
    copyFileSync(path.join('test/fixtures/adapters/some-layers', name), path.join(only, name));
  await expect(loadCritic(model, only)).rejects.toThrow(
    expect.objectContaining({
      code: 'adapter_mismatch',
      message: expect.stringMatching(/same weights of every layer/),
    }),
  );
  const settings = { criticInit: folder, criticTrunk: 'actor' };
  expect(ppoSettings.safeParse(settings).error?.issues[0]?.message).toMatch(/expected own with criticInit/);
  expect(ppoSettings.safeParse({ criticInit: folder, criticHidden: 8 }).success).toBe(false);
});
