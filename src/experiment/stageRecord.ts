import { existsSync } from 'node:fs';
import path from 'node:path';
import { SparkError } from '../errors.js';
import { fileSha256 } from '../inference/fileHash.js';
import type { PpoResult } from '../train/ppo.js';
import type { SftResult } from '../train/sft.js';

/** A finished stage, as `stages.json` remembers it. */
export interface StageRecord {
  /** GGUF file, relative to the run folder */
  readonly adapter: string;
  /** sha256 of all files the adapter was saved as, by their paths relative to the run folder */
  readonly files: Readonly<Record<string, string>>;
  readonly dependsOn: string;
  readonly result: SftResult | PpoResult;
}

/** The adapter's files with their hashes: the GGUF, and the PEFT folder beside it. */
export async function hashStageFiles(root: string, adapter: string): Promise<Record<string, string>> {
  const peft = adapter.replace(/\.gguf$/, '-peft');
  const names = [adapter, `${peft}/adapter_model.safetensors`, `${peft}/adapter_config.json`];
  const hashes: Record<string, string> = {};
  for (const name of names) hashes[name] = await fileSha256(path.join(root, name));
  return hashes;
}

/** `invalid_file` where a file is not what was saved. One that was taken away is nobody's mistake. */
export async function checkStageFiles(root: string, stage: string, record: StageRecord): Promise<void> {
  for (const [name, expected] of Object.entries(record.files)) {
    const file = path.join(root, name);
    if (!existsSync(file)) continue;
    const got = await fileSha256(file);
    if (got === expected) continue;
    const remedy =
      name === record.adapter
        ? `remove it: the stage "${stage}" is then trained again`
        : `remove its folder; spark-rl adapter export ${path.join(root, record.adapter)} --format peft --out FOLDER writes another`;
    throw new SparkError(
      'invalid_file',
      `${file} is not what was saved: expected sha256 ${expected}, got ${got}; ${remedy}`,
    );
  }
}
