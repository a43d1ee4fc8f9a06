/**
 * Checkpoints: weights, AdamW moments, the arrays an algorithm took once, and where it stood. Each is a folder of its
 * own; `latest.json` names the newest and is replaced by a rename, so a kill at any moment leaves the one before.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Adapter, Critic } from '../engine/types.js';
import { SparkError, toSparkError } from '../errors.js';
import { redactedJson } from '../secrets/redact.js';
import type { Sample } from '../trajectory/sample.js';

export interface Checkpoint<Position> {
  readonly position: Position;
  /** By name, as saved. */
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
}

export class Checkpoints {
  readonly #folder: string;
  readonly #fingerprint: string;

  /** `fingerprint` says what the training depends on; a checkpoint with another one is refused. */
  constructor(folder: string, fingerprint: string) {
    this.#folder = folder;
    this.#fingerprint = fingerprint;
  }

  get #latest() {
    return path.join(this.#folder, 'latest.json');
  }

  async save<Position>(state: CheckpointState<Position>, label: string): Promise<void> {
    const before = this.#manifest();
    // A label names one state of one training. Writing it again would take the only good copy away first.
    if (before?.folder === label && before.fingerprint === this.#fingerprint) return;
    const folder = path.join(this.#folder, label);
    try {
      rmSync(folder, { recursive: true, force: true });
      mkdirSync(folder, { recursive: true });
      for (const [name, trainable] of Object.entries(state.trainables)) {
        await trainable.saveState(path.join(folder, `${name}.safetensors`));
      }
      const lengths: Record<string, number[]> = {};
      for (const [name, arrays] of Object.entries(state.arrays)) {
        lengths[name] = arrays.map((array) => array.length);
        writeFileSync(path.join(folder, `${name}.f32`), Buffer.concat(arrays.map(bytesOf)));
      }
      const manifest: Manifest = {
        folder: label,
        fingerprint: this.#fingerprint,
        position: state.position,
        arrays: lengths,
      };
      writeFileSync(`${this.#latest}.tmp`, redactedJson(manifest));
      renameSync(`${this.#latest}.tmp`, this.#latest);
    } catch (error) {
      throw toSparkError(error, 'io_error');
    }
    if (before !== null && before.folder !== label) {
      rmSync(path.join(this.#folder, before.folder), { recursive: true, force: true });
    }
  }

  /** Puts the newest checkpoint's state into the trainables; null when there is none. */
  async load<Position>(trainables: Readonly<Record<string, Adapter | Critic>>): Promise<Checkpoint<Position> | null> {
    const manifest = this.#manifest();
    if (manifest === null) return null;
    if (manifest.fingerprint !== this.#fingerprint) {
      throw new SparkError(
        'invalid_file',
        `${this.#folder} holds a checkpoint of other data or settings; remove that folder to start this stage afresh`,
      );
    }
    const folder = path.join(this.#folder, manifest.folder);
    for (const [name, trainable] of Object.entries(trainables)) {
      await trainable.loadState(path.join(folder, `${name}.safetensors`));
    }
    const arrays: Record<string, Float32Array[]> = {};
    for (const [name, lengths] of Object.entries(manifest.arrays)) {
      arrays[name] = cut(readFileSync(path.join(folder, `${name}.f32`)), lengths, name);
    }
    return { position: manifest.position as Position, arrays };
  }

  #manifest(): Manifest | null {
    if (!existsSync(this.#latest)) return null;
    return JSON.parse(readFileSync(this.#latest, 'utf8')) as Manifest;
  }
}

/** Whether a stage was interrupted and can go on. */
export function hasCheckpoint(folder: string): boolean {
  return existsSync(path.join(folder, 'latest.json'));
}

/** What a training run depends on: the tokens and losses of its samples, in order, and its settings. */
export function fingerprint(samples: readonly Sample[], settings: unknown): string {
  const hash = createHash('sha256').update(JSON.stringify(settings));
  for (const sample of samples) {
    hash.update(sample.id).update(bytesOf(sample.tokens)).update(sample.lossMask).update(bytesOf(sample.returns));
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
