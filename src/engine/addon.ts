/** Loads the native addon once, at first use. bindings/addon.cpp lists its exports; only src/engine uses them. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import '../openmp.js';
import { SparkError } from '../errors.js';
import { findAddon, remedy } from './addonPlace.js';
import type { Batch, BatchShape } from './batch.js';
import type {
  AccumulateMetrics,
  LogprobsAndValues,
  OptimizerMetrics,
  PolicyMetrics,
  SftMetrics,
  ValueMetrics,
} from './metrics.js';
import type {
  AdapterOptions,
  CriticOptions,
  LoraTarget,
  LoraWeight,
  MemoryPlan,
  ModelInfo,
  OpenModelOptions,
  OptimizerOptions,
  PolicyOptions,
  SaveReport,
  SaveType,
} from './types.js';

declare const kind: unique symbol;
/** Opaque native objects; the type only keeps them apart. */
export interface Handle<Kind extends string = string> {
  readonly [kind]: Kind;
}
export type ModelHandle = Handle<'model'>;
export type AdapterHandle = Handle<'adapter'>;
export type CriticHandle = Handle<'critic'>;
export type CancelHandle = Handle<'cancel'>;
type Cancel = CancelHandle | undefined;

export interface TrainableInfo {
  readonly rank: number;
  readonly alpha: number;
  readonly targets: readonly LoraTarget[];
  readonly weights: readonly LoraWeight[];
  readonly parameterCount: number;
}

export type NamedTensors = Record<string, { shape: number[]; data: Float32Array }>;

export interface Addon {
  openModel(options: { path: string } & Omit<OpenModelOptions, 'signal'>, cancel: Cancel): Promise<ModelHandle>;
  modelInfo(model: ModelHandle): ModelInfo;
  createAdapter(model: ModelHandle, options: AdapterOptions, cancel: Cancel): Promise<AdapterHandle>;
  createCritic(model: ModelHandle, options: CriticOptions, cancel: Cancel): Promise<CriticHandle>;
  loadAdapter(model: ModelHandle, path: string, cancel: Cancel): Promise<AdapterHandle>;
  logprobs(model: ModelHandle, batch: Batch, adapter: AdapterHandle | null, cancel: Cancel): Promise<Float32Array>;
  choiceLogprobs(
    model: ModelHandle,
    batch: Batch,
    adapter: AdapterHandle | null,
    cancel: Cancel,
  ): Promise<Float32Array>;
  logprobsAndValues(
    model: ModelHandle,
    batch: Batch,
    adapter: AdapterHandle | null,
    critic: CriticHandle,
    cancel: Cancel,
  ): Promise<LogprobsAndValues>;
  saveModel(
    model: ModelHandle,
    path: string,
    options: { type?: SaveType },
    adapter: AdapterHandle | null,
    cancel: Cancel,
  ): Promise<SaveReport>;
  trainableInfo(handle: AdapterHandle | CriticHandle): TrainableInfo;
  accumulate(adapter: AdapterHandle, batch: Batch, dlp: Float32Array, cancel: Cancel): Promise<AccumulateMetrics>;
  accumulateSft(
    adapter: AdapterHandle,
    batch: Batch,
    options: { normalizer: number },
    cancel: Cancel,
  ): Promise<SftMetrics>;
  accumulatePolicy(
    adapter: AdapterHandle,
    batch: Batch,
    options: PolicyOptions,
    cancel: Cancel,
  ): Promise<PolicyMetrics>;
  saveAdapter(adapter: AdapterHandle, path: string, format: 'gguf' | 'peft', cancel: Cancel): Promise<void>;
  values(critic: CriticHandle, batch: Batch, cancel: Cancel): Promise<Float32Array>;
  accumulateValue(
    critic: CriticHandle,
    batch: Batch,
    options: { normalizer: number },
    cancel: Cancel,
  ): Promise<ValueMetrics>;
  optimizerStep(
    handle: AdapterHandle | CriticHandle,
    options: OptimizerOptions,
    cancel: Cancel,
  ): Promise<OptimizerMetrics>;
  zeroGrad(handle: AdapterHandle | CriticHandle, cancel: Cancel): Promise<void>;
  saveState(handle: AdapterHandle | CriticHandle, path: string, cancel: Cancel): Promise<void>;
  loadState(handle: AdapterHandle | CriticHandle, path: string, cancel: Cancel): Promise<void>;
  plan(handle: AdapterHandle | CriticHandle, shape: BatchShape, cancel: Cancel): Promise<MemoryPlan>;
  tensors(handle: AdapterHandle | CriticHandle, which: 'value' | 'grad', cancel: Cancel): Promise<NamedTensors>;
  dispose(handle: Handle): void;
  createCancel(): CancelHandle;
  cancel(flag: CancelHandle): void;
  cancelAll(): void;
}

let loaded: Addon | undefined;

/** The addon; `addon_missing` with the command that builds it, when it is not built or does not load. */
export function loadAddon(path?: string): Addon {
  if (path === undefined && loaded !== undefined) return loaded;
  const addon = open(path ?? findAddon());
  if (path === undefined) loaded = addon;
  return addon;
}

function open(path: string): Addon {
  if (!existsSync(path)) {
    throw new SparkError('addon_missing', `expected the training engine at ${path}, got none; build it: ${remedy()}`);
  }
  let addon: Addon;
  try {
    addon = createRequire(import.meta.url)(path) as Addon;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new SparkError(
      'addon_missing',
      `the training engine at ${path} does not load: ${reason}; build it again for this machine: ${remedy()}`,
      { cause },
    );
  }
  // process.exit() joins the thread pool, so without this it would wait until a running native call has finished.
  process.once('exit', () => addon.cancelAll());
  return addon;
}
