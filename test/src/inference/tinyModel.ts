/** The shipped model, loaded as small as most tests of inference want it. */
import { fileURLToPath } from 'node:url';
import type { LoadOptions } from '../../../src/inference/llamaMessages.js';

export const MODEL = fileURLToPath(new URL('../../../models/spark-tiny.gguf', import.meta.url));

export const OPTIONS: LoadOptions = {
  modelPath: MODEL,
  sequences: 2,
  inFlight: 2,
  deterministic: false,
  contextSize: 64,
  threads: 1,
  gpu: false,
  kvCacheType: 'F32',
  bytes: 20e6,
};
