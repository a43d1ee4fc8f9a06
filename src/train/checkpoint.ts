/**
 * Checkpoints of a training: weights, AdamW moments, arrays that a method computed earlier (such as lp_ref), and its
 * position. Each is a folder; `latest.json` names the newest one and is replaced by a rename, so after a kill at any
 * moment a whole checkpoint is there. It also has the sha256 of every file, so that damaged files are refused.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Adapter, Critic } from '../engine/types.js';
import { SparkError, writeError } from '../errors.js';
import { fileSha256 } from '../inference/fileHash.js';
import { modelSha256 } from '../inference/ggufParts.js';
import { readSealed, writeSealed } from '../sealed.js';
import type { Sample } from '../trajectory/sample.js';
import type { TrainContext } from './trainer.js';
import type { ValidationState } from './validation.js';

export interface Checkpoint<Position> {
  readonly position: Position;
  /** The arrays that were saved, by name. */
  readonly arrays: Readonly<Record<string, readonly Float32Array[]>>;
}

export interface CheckpointState<Position> extends Checkpoint<Position> {
  readonly trainables: Readonly<Record<string, Adapter | Critic>>;
}

interface Manifest {
  readonly folder: string;
  readonly fingerprint: string;
  readonly position: unknown;
  readonly arrays: Readonly<Record<string, readonly number[]>>;
  /** sha256 by name */
  readonly files: Readonly<Record<string, string>>;
}

export class Checkpoints {
  readonly #folder: string;
  readonly #fingerprint: string;

  /** `fingerprint` is a hash of what the training depends on; a checkpoint with another one is refused. */
  constructor(folder: string, fingerprint: string) {
    this.#folder = folder;
    this.#fingerprint = fingerprint;
  }

  /** The checkpoints of a training; null when it keeps none. `decisive`: the settings that the result depends on. */
  static async open(context: TrainContext, samples: readonly Sample[], decisive: object): Promise<Checkpoints | null> {
    const { checkpointFolder, model, seed } = context;
    if (checkpointFolder === null) return null;
    const facts = { model: await modelSha256(model.info.path), seed, decisive, samples: hashOfSamples(samples) };
    return new Checkpoints(checkpointFolder, createHash('sha256').update(JSON.stringify(facts)).digest('hex'));
  }

  get #latest() {
    return path.join(this.#folder, 'latest.json');
  }

  async save<Position>(state: CheckpointState<Position>, label: string): Promise<void> {
    const before = this.#manifest();
    // Exists already. Writing it again would first remove the only good copy.
    if (before?.folder === label && before.fingerprint === this.#fingerprint) return;
    const folder = path.join(this.#folder, label);
    try {
      rmSync(folder, { recursive: true, force: true });
      mkdirSync(folder, { recursive: true });
      for (const [name, trainable] of Object.entries(state.trainables)) {
        await trainable.saveState(path.join(folder, stateFile(name)));
      }
      const lengths: Record<string, number[]> = {};
      for (const [name, arrays] of Object.entries(state.arrays)) {
        lengths[name] = arrays.map((array) => array.length);
        await writeFile(path.join(folder, arrayFile(name)), Buffer.concat(arrays.map(bytesOf)), { flush: true });
      }
      const manifest: Manifest = {
        folder: label,
        fingerprint: this.#fingerprint,
        position: state.position,
        arrays: lengths,
        files: await hashesOf(folder, [
          ...Object.keys(state.trainables).map(stateFile),
          ...Object.keys(lengths).map(arrayFile),
        ]),
      };
      await writeSealed(this.#latest, manifest);
    } catch (error) {
      throw writeError(error, folder);
    }
    if (before !== null && before.folder !== label) {
      rmSync(path.join(this.#folder, before.folder), { recursive: true, force: true });
    }
  }

  /** Loads the newest checkpoint into the trainables and returns the rest of it; null when there is none. */
  async load<Position>(trainables: Readonly<Record<string, Adapter | Critic>>): Promise<Checkpoint<Position> | null> {
    const manifest = this.#manifest();
    if (manifest === null) return null;
    if (manifest.fingerprint !== this.#fingerprint) {
      throw new SparkError(
        'invalid_file',
        `${this.#folder} holds a checkpoint of another model, other data or settings; remove that folder to start this stage afresh`,
      );
    }
    const folder = path.join(this.#folder, manifest.folder);
    await this.#check(folder, manifest.files);
    for (const [name, trainable] of Object.entries(trainables)) {
      await trainable.loadState(path.join(folder, stateFile(name)));
    }
    const arrays: Record<string, Float32Array[]> = {};
    for (const [name, lengths] of Object.entries(manifest.arrays)) {
      arrays[name] = cut(readFileSync(path.join(folder, arrayFile(name))), lengths, name);
    }
    return { position: manifest.position as Position, arrays };
  }

  #manifest(): Manifest | null {
    return readSealed<Manifest>(this.#latest, { remedy: this.#remedy });
  }

  get #remedy(): string {
    return `remove the folder ${this.#folder}: this stage then starts afresh`;
  }

  /** Throws when any file is damaged; called before anything is loaded. */
  async #check(folder: string, files: Readonly<Record<string, string>>): Promise<void> {
    for (const [name, expected] of Object.entries(files)) {
      const file = path.join(folder, name);
      const got = existsSync(file) ? await fileSha256(file) : null;
      if (got === expected) continue;
      throw new SparkError(
        'invalid_file',
        `${file} is damaged: expected sha256 ${expected}, got ${got ?? 'no such file'}; ${this.#remedy}`,
      );
    }
  }
}

/** Names what a checkpoint holds: after a measure on validation questions it is another than before, at the same step. */
export function checkpointLabel(steps: number, validation: ValidationState | null): string {
  return validation === null ? `step-${steps}` : `step-${steps}-measured-${validation.count}`;
}

function stateFile(name: string): string {
  return `${name}.safetensors`;
}

function arrayFile(name: string): string {
  return `${name}.f32`;
}

async function hashesOf(folder: string, names: readonly string[]): Promise<Record<string, string>> {
  const hashes: Record<string, string> = {};
  for (const name of names) hashes[name] = await fileSha256(path.join(folder, name));
  return hashes;
}

/**
 * sha256 of what a training learns from: ids, tokens, loss masks and returns of its samples, in order, and the choices of
 * actions where something is learned from them.
 */
export function hashOfSamples(samples: readonly Sample[]): string {
  const hash = createHash('sha256');
  for (const sample of samples) {
    hash.update(sample.id).update(bytesOf(sample.tokens)).update(sample.lossMask).update(bytesOf(sample.returns));
    if (sample.decisions?.learned === true) hash.update(JSON.stringify(sample.decisions));
    if (sample.decisions?.learned === true && sample.choices) hash.update(JSON.stringify(sample.choices.trie));
  }
  return hash.digest('hex');
}

function bytesOf(array: Float32Array | Int32Array): Buffer {
  return Buffer.from(array.buffer, array.byteOffset, array.byteLength);
}

function cut(bytes: Buffer, lengths: readonly number[], name: string): Float32Array[] {
  const total = lengths.reduce((sum, length) => sum + length, 0);
  if (bytes.byteLength !== total * 4) {
    throw new SparkError('invalid_file', `${name}.f32: expected ${total * 4} bytes, got ${bytes.byteLength}`);
  }
  const all = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
  let at = 0;
  return lengths.map((length) => {
    at += length;
    return all.slice(at - length, at);
  });
}
