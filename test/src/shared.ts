/** The folder of real questions and assets, which is not in the repository; without it tests that need it are skipped. */
import { existsSync } from 'node:fs';
import path from 'node:path';

const folder = path.resolve(process.env.SPARK_SHARED ?? '../shared');

export const hasShared = existsSync(folder);
if (!hasShared) console.warn(`skipping tests on real questions and assets: no folder at ${folder} (set SPARK_SHARED)`);

/** A path inside that folder. */
export function shared(relative: string): string {
  return path.join(folder, relative);
}

export const REAL_QUESTIONS = 'data/mmlu-pro/dev-700.parquet';
export const REAL_OUTPUTS = 'data/mmlu-pro/llama-3.1-8b-instruct-5shot-outputs-700.jsonl';
export const REAL_TOKENIZER_MODEL = 'assets/llama31-tiny-random-f16.gguf';
