/**
 * An adapter counts as saved once llama.cpp has read the file back and its log-probs are those of the adapter in memory.
 * An export that is silently wrong (another scale, rows in another order, a target left out) is found here.
 */
import { renameSync } from 'node:fs';
import type { Adapter, Model } from '../../engine/types.js';
import { SparkError } from '../../errors.js';
import { compareLogprobs, difference } from './compare.js';
import { engineLogprobs, type Sequences, servedLogprobs } from './score.js';
import { meanTolerance } from './tolerance.js';

export interface SaveRequest {
  readonly model: Model;
  readonly adapter: Adapter;
  /** GGUF file to write; must not exist yet */
  readonly file: string;
  readonly sequences: Sequences;
  /** Most mean |Δ log-prob|; null: by the file's types */
  readonly tolerance: number | null;
  readonly signal?: AbortSignal | undefined;
}

export interface SavedAdapter {
  /** Mean and worst |Δ log-prob| of the file as llama.cpp reads it, in nats */
  readonly mean: number;
  readonly worst: number;
  /** Mean |change of log-prob| that the adapter makes, in nats */
  readonly effect: number;
}

/** Throws `export_failed`; the file is then renamed to `<file>.rejected`, and the training state kept beside it. */
export async function saveChecked(request: SaveRequest): Promise<SavedAdapter> {
  const { adapter, file } = request;
  await adapter.save(file, 'gguf');
  return checkSaved(request);
}

/** The check alone, of a file that is there. */
export async function checkSaved(request: SaveRequest): Promise<SavedAdapter> {
  const { model, adapter, file, sequences, signal } = request;
  const modelPath = model.info.path;
  const ours = {
    base: await engineLogprobs(model, null, sequences, signal),
    adapted: await engineLogprobs(model, adapter, sequences, signal),
  };
  const served = {
    base: await servedLogprobs({ modelPath, kvCacheType: 'F32', signal }, sequences),
    adapted: await servedLogprobs({ modelPath, adapterPath: file, kvCacheType: 'F32', signal }, sequences),
  };
  const base = compareLogprobs(ours.base, served.base);
  const adapted = compareLogprobs(ours.adapted, served.adapted);
  const effect = compareLogprobs(ours.adapted, ours.base).mean;
  // What llama.cpp's own rounding does to the base it does to the adapter too; half of the effect is far more than that.
  const effects = compareLogprobs(difference(ours.adapted, ours.base), difference(served.adapted, served.base));
  const far = !(adapted.mean <= meanTolerance(model.info, request.tolerance) + base.mean);
  const otherEffect = !(effects.mean <= 0.5 * effect + 2 * base.mean + 1e-5);
  if (!far && !otherEffect) return { mean: adapted.mean, worst: adapted.worst, effect };
  const rejected = `${file}.rejected`;
  const state = `${file}.state.safetensors`;
  renameSync(file, rejected);
  await adapter.saveState(state);
  throw new SparkError(
    'export_failed',
    `${file}: expected llama.cpp to read back the adapter that was saved, but its log-probs are ${adapted.mean.toExponential(2)} ` +
      `nats off on average (the base: ${base.mean.toExponential(2)}), where the adapter itself changes them by ` +
      `${effect.toExponential(2)} and llama.cpp sees a change that differs by ${effects.mean.toExponential(2)}. ` +
      `The file was renamed to ${rejected}, and what was learned is kept in ${state}. Please report this`,
  );
}
