/**
 * A critic that others trained: a PEFT folder with the LoRA, and in it `value_head.safetensors` with the head
 * (docs/models.md says how that is made of a `value_head.pt`). The engine reads critics from its own states alone, so a fresh
 * critic's state gets the weights, and is loaded.
 */
import { closeSync, existsSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Adapter, Critic, Model } from '../engine/types.js';
import { SparkError, writeError } from '../errors.js';
import { readFloats, safetensorsLayout, type TensorPlace } from './safetensors.js';

const HEAD = 'value_head.safetensors';
/** What our head computes between its two layers. */
const ACTIVATION = 'silu';

type Weights = Readonly<Record<string, Float32Array>>;

/**
 * Throws `no_data` for a folder without the head, `invalid_file`, and `adapter_mismatch` and `unsupported_file` for what our
 * critic cannot be: another head than linear, SiLU, linear, or a LoRA of several ranks.
 */
export async function loadCritic(model: Model, folder: string): Promise<Critic> {
  const head = readHead(folder, model.info.width);
  const adapter = await model.loadAdapter(folder);
  const place = mkdtempSync(path.join(tmpdir(), 'spark-critic-'));
  try {
    const critic = await model.createCritic({ ...uniform(adapter, model, folder), hidden: head.hidden });
    const state = path.join(place, 'critic.state');
    await critic.saveState(state);
    const lora = Object.entries(await adapter.tensors('value')).map(([name, { data }]) => [name, data] as const);
    put(state, { ...Object.fromEntries(lora), ...head.weights });
    await critic.loadState(state);
    return critic;
  } finally {
    rmSync(place, { recursive: true, force: true });
    adapter.dispose();
  }
}

function readHead(folder: string, width: number): { readonly hidden: number; readonly weights: Weights } {
  const file = path.join(folder, HEAD);
  if (!existsSync(file)) {
    throw new SparkError(
      'no_data',
      `ppo.criticInit: expected ${file}, got no such file; docs/models.md (A critic that others trained) says how to make it ` +
        'of a value_head.pt',
    );
  }
  const { metadata, tensors } = safetensorsLayout(file);
  const shapes = Object.entries(tensors).map(([name, { shape }]) => `${name} (${shape.join(', ')})`);
  const expected = `expected two layers, (E, ${width}) and (1, E), and at most a bias for each`;
  const wrong = () => new SparkError('unsupported_file', `${file}: ${expected}, got ${shapes.join(', ')}`);
  const of = (...shape: number[]) => Object.entries(tensors).filter(([, one]) => one.shape.join() === shape.join());
  const matrices = Object.entries(tensors).filter(([, { shape }]) => shape.length === 2);
  const first = matrices.find(([, { shape }]) => shape[1] === width && shape[0]! > 1);
  const hidden = first?.[1].shape[0] ?? 0;
  const second = matrices.find(([, { shape }]) => shape[0] === 1 && shape[1] === hidden);
  if (first === undefined || second === undefined || matrices.length !== 2) throw wrong();
  const biases = [of(hidden), of(1)];
  if (biases.some((found) => found.length > 1)) throw wrong();
  if (2 + biases.flat().length !== shapes.length) throw wrong();
  if (metadata.activation !== ACTIVATION) {
    throw new SparkError(
      'unsupported_file',
      `${file}: expected the metadata activation: ${ACTIVATION}, which is what lies between the layers of our head, got ` +
        `${metadata.activation ?? 'none'}; with another one its values would be wrong: leave ppo.criticInit out`,
    );
  }
  const values = ([name, tensor]: readonly [string, TensorPlace]) => readFloats(file, name, tensor);
  const bias = (found: readonly (readonly [string, TensorPlace])[], length: number) =>
    found[0] === undefined ? new Float32Array(length) : values(found[0]);
  return {
    hidden,
    weights: {
      'value_head.fc1.weight': values(first),
      'value_head.fc1.bias': bias(biases[0]!, hidden),
      'value_head.fc2.weight': values(second),
      'value_head.fc2.bias': bias(biases[1]!, 1),
    },
  };
}

/** The options of a critic whose LoRA is this one. */
function uniform({ weights, targets, rank, alpha }: Adapter, { info }: Model, folder: string) {
  const odd = weights.find((one) => one.rank !== rank || one.alpha !== alpha);
  const all = info.layers * targets.length;
  if (odd === undefined && weights.length === all) return { rank, alpha, targets };
  const got =
    odd === undefined ? `${weights.length} of ${all} weights` : `rank ${odd.rank}, alpha ${odd.alpha} in ${odd.name}`;
  throw new SparkError(
    'adapter_mismatch',
    `${folder}: expected a critic's LoRA on the same weights of every layer, with one rank and alpha (${rank}, ${alpha}), got ` +
      `${got}; leave ppo.criticInit out`,
  );
}

/** Puts the weights where the state has its own. */
function put(state: string, weights: Weights): void {
  const { tensors } = safetensorsLayout(state);
  const descriptor = openSync(state, 'r+');
  try {
    for (const [name, values] of Object.entries(weights)) {
      const tensor = tensors[`value.${name}`];
      if (tensor === undefined || tensor.end - tensor.start !== values.byteLength) {
        throw new SparkError(
          'adapter_mismatch',
          `the critic's LoRA: expected ${name} in the size of this model's, got another`,
        );
      }
      writeSync(
        descriptor,
        new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
        0,
        values.byteLength,
        tensor.start,
      );
    }
  } catch (error) {
    throw writeError(error, state);
  } finally {
    closeSync(descriptor);
  }
}
