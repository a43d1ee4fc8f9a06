/**
 * Before a stage trains: the engine that will learn against the sampler that will serve, on the stage's own tokens, the
 * same file, adapter and cache type. Training on log-probs that the sampler does not share goes wrong in silence.
 */
import { createHash } from 'node:crypto';
import path from 'node:path';
import type { Adapter, Model } from '../../engine/types.js';
import { SparkError } from '../../errors.js';
import { generatorHash } from '../../inference/llamaCpp.js';
import type { Trajectory } from '../../trajectory/trajectory.js';
import type { Session } from '../session.js';
import { type Comparison, compareLogprobs } from './compare.js';
import { engineLogprobs, type Sequences, servedLogprobs } from './score.js';
import { someOf } from './sequences.js';
import { likelyCause, meanTolerance, weightTypes } from './tolerance.js';

export interface CheckRequest {
  readonly stage: string;
  readonly model: Model;
  /** What the stage starts from, and its GGUF file; both null for a fresh adapter, which changes nothing yet. */
  readonly adapter: Adapter | null;
  readonly adapterPath: string | null;
  readonly trajectories: readonly Trajectory[];
}

/** Throws `parity_failed` with the numbers and the likely cause. Measured once for the same files, settings and tokens. */
export async function checkParity(session: Session, request: CheckRequest): Promise<void> {
  const { config, run, log } = session;
  if (!config.parity.check) return;
  const { model, stage } = request;
  const sequences = someOf(
    request.trajectories.map((trajectory) => trajectory.tokens),
    config.parity.tokens,
  );
  if (sequences.length === 0) return;
  const generator = await generatorHash(config.model.path, undefined, session.signal);
  const otherGenerator = request.trajectories.some((trajectory) => !trajectory.generator.startsWith(generator));
  if (otherGenerator) {
    log.warn(`${stage}: some trajectories were written by another model than ${path.basename(config.model.path)}`);
  }
  const kvCacheType = config.inference.kvCacheType;
  const measured = await measure(session, request, sequences, kvCacheType);
  const tolerance = meanTolerance(model.info, config.parity.tolerance);
  run.metrics({ stage, event: 'parity', kvCacheType, ...measured, tolerance });
  const numbers = `mean |Δ log-prob| ${measured.mean.toExponential(1)}, worst ${measured.worst.toExponential(1)} over ${measured.tokens} tokens`;
  if (measured.mean <= tolerance) {
    log.info(`${stage}: parity with llama.cpp (${weightTypes(model.info)}, ${kvCacheType} cache): ${numbers}`);
    return;
  }
  const withF32 = kvCacheType === 'F16' ? await measure(session, request, sequences, 'F32') : measured;
  const evidence = { info: model.info, kvCacheType, meanWithF32Cache: withF32.mean, tolerance, otherGenerator };
  throw new SparkError(
    'parity_failed',
    `${stage}: expected our log-probs and llama.cpp's within a mean of ${tolerance} nats, got ${numbers}. ` +
      `Likely cause: ${likelyCause(evidence)}. To train all the same: --set parity.check=false`,
  );
}

async function measure(
  session: Session,
  { model, adapter, adapterPath }: CheckRequest,
  sequences: Sequences,
  kvCacheType: 'F16' | 'F32',
): Promise<Comparison> {
  const { config, run, signal } = session;
  const modelPath = config.model.path;
  const id = await generatorHash(modelPath, adapterPath ?? undefined, signal);
  const { compute, backend } = model.info;
  const key = createHash('sha256')
    .update(JSON.stringify({ id, compute, backend, kvCacheType, sequences }))
    .digest('hex');
  const known = run.readJson<Record<string, Comparison>>(run.parityFile) ?? {};
  if (known[key] !== undefined) return known[key];
  const ours = await engineLogprobs(model, adapter, sequences, signal);
  const served = await servedLogprobs(
    { modelPath, adapterPath: adapterPath ?? undefined, kvCacheType, signal },
    sequences,
  );
  const result = compareLogprobs(ours, served);
  // JSON has no NaN: a difference that is no number is measured anew each time, and refused each time.
  if (Number.isFinite(result.mean)) await run.writeJson(run.parityFile, { ...known, [key]: result });
  return result;
}
