/**
 * Model, Adapter and Critic over native handles. These classes only pass arguments on: bindings/ reads and checks them,
 * so that every rule is written once. Only mistyped keys are found here, as bindings/ asks for those it knows.
 */
import { SparkError } from '../errors.js';
import { checkKeys } from '../options.js';
import type { NamedTensors, TrainableInfo } from './addon.js';
import {
  type AdapterHandle,
  type Addon,
  type CriticHandle,
  type Handle,
  loadAddon,
  type ModelHandle,
} from './addon.js';
import type { Batch, BatchShape } from './batch.js';
import { call, toEngineError } from './call.js';
import type {
  AccumulateMetrics,
  LogprobsAndValues,
  OptimizerMetrics,
  PolicyMetrics,
  SftMetrics,
  ValueMetrics,
} from './metrics.js';
import { KEYS } from './optionKeys.js';
import type {
  AccumulateOptions,
  Adapter,
  AdapterOptions,
  CallOptions,
  Critic,
  CriticOptions,
  LoraTarget,
  LoraWeight,
  MemoryPlan,
  Model,
  ModelInfo,
  OpenModelOptions,
  OptimizerOptions,
  PolicyOptions,
  SaveModelOptions,
  SaveReport,
} from './types.js';

/** The native handle of each wrapper. Not a property, so that a caller's object cannot pretend to have one. */
const handles = new WeakMap<object, Handle>();

/** The handle of a wrapper; any other value is returned unchanged, for the addon to refuse with its own message. */
function handleOf<H extends Handle>(value: unknown): H {
  const handle = typeof value === 'object' && value !== null ? handles.get(value) : undefined;
  return (handle ?? value) as H;
}

/** As `handleOf`, where null has a meaning that a forgotten argument must not get. */
function handleOrNull(adapter: Adapter | null): AdapterHandle | null {
  if (adapter !== undefined) return handleOf<AdapterHandle>(adapter);
  throw new SparkError(
    'invalid_argument',
    'adapter: expected an Adapter of this model, or null for the base model, got undefined',
  );
}

/** `options` with the wrapper at `key` replaced by its handle; anything but an object is left for the addon to refuse. */
function withHandle<T>(options: T, key: string): T {
  if (typeof options !== 'object' || options === null) return options;
  const given: unknown = Reflect.get(options, key);
  return given === undefined ? options : { ...options, [key]: handleOf(given) };
}

/**
 * Opens a GGUF of an architecture that the engine trains (docs/models.md). The file is memory-mapped and must not
 * change while the model is open. Throws `io_error`, `invalid_file`, `unsupported_file`, `backend_unavailable`,
 * `addon_missing`. A GPU that fails during a call is lost to the process: this call and every later one on that GPU, of
 * any model, throws `device_lost`.
 */
export async function openModel(path: string, options: OpenModelOptions = {}): Promise<Model> {
  checkKeys(options, KEYS.openModel, 'openModel: options');
  const addon = loadAddon();
  return call(options?.signal, async (cancel) => {
    const handle = await addon.openModel({ ...options, path }, cancel);
    return new NativeModel(addon, handle);
  });
}

class NativeModel implements Model {
  readonly info: ModelInfo;
  readonly #addon: Addon;
  readonly #handle: ModelHandle;

  constructor(addon: Addon, handle: ModelHandle) {
    this.#addon = addon;
    this.#handle = handle;
    this.info = addon.modelInfo(handle);
    handles.set(this, handle);
  }

  async createAdapter(options: AdapterOptions = {}): Promise<Adapter> {
    checkKeys(options, KEYS.adapter, 'createAdapter: options');
    return call(options.signal, async (cancel) => {
      return new NativeAdapter(this.#addon, await this.#addon.createAdapter(this.#handle, options, cancel));
    });
  }

  async createCritic(options: CriticOptions = {}): Promise<Critic> {
    checkKeys(options, KEYS.critic, 'createCritic: options');
    return call(options.signal, async (cancel) => {
      const given = withHandle(options, 'trunk');
      return new NativeCritic(this.#addon, await this.#addon.createCritic(this.#handle, given, cancel));
    });
  }

  async loadAdapter(path: string, options?: CallOptions): Promise<Adapter> {
    checkKeys(options, KEYS.call, 'loadAdapter: options');
    return call(options?.signal, async (cancel) => {
      return new NativeAdapter(this.#addon, await this.#addon.loadAdapter(this.#handle, path, cancel));
    });
  }

  async logprobs(batch: Batch, adapter: Adapter | null, options?: CallOptions): Promise<Float32Array> {
    checkKeys(options, KEYS.call, 'logprobs: options');
    return call(options?.signal, async (cancel) =>
      this.#addon.logprobs(this.#handle, batch, handleOrNull(adapter), cancel),
    );
  }

  async choiceLogprobs(batch: Batch, adapter: Adapter | null, options?: CallOptions): Promise<Float32Array> {
    checkKeys(options, KEYS.call, 'choiceLogprobs: options');
    return call(options?.signal, async (cancel) =>
      this.#addon.choiceLogprobs(this.#handle, batch, handleOrNull(adapter), cancel),
    );
  }

  async logprobsAndValues(
    batch: Batch,
    adapter: Adapter | null,
    critic: Critic,
    options?: CallOptions,
  ): Promise<LogprobsAndValues> {
    checkKeys(options, KEYS.call, 'logprobsAndValues: options');
    return call(options?.signal, async (cancel) => {
      const actor = handleOrNull(adapter);
      return this.#addon.logprobsAndValues(this.#handle, batch, actor, handleOf<CriticHandle>(critic), cancel);
    });
  }

  async save(path: string, options: SaveModelOptions = {}): Promise<SaveReport> {
    checkKeys(options, KEYS.saveModel, 'save: options');
    return call(options?.signal, async (cancel) => {
      const adapter = handleOf<AdapterHandle>(options?.adapter ?? null);
      return this.#addon.saveModel(this.#handle, path, options, adapter, cancel);
    });
  }

  dispose(): void {
    this.#addon.dispose(this.#handle);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

abstract class NativeTrainable<H extends AdapterHandle | CriticHandle> {
  readonly rank: number;
  readonly alpha: number;
  readonly targets: readonly LoraTarget[];
  readonly weights: readonly LoraWeight[];
  readonly parameterCount: number;
  protected readonly addon: Addon;
  protected readonly handle: H;

  constructor(addon: Addon, handle: H) {
    this.addon = addon;
    this.handle = handle;
    handles.set(this, handle);
    const info: TrainableInfo = describe(addon, handle);
    this.rank = info.rank;
    this.alpha = info.alpha;
    this.targets = info.targets;
    this.weights = info.weights;
    this.parameterCount = info.parameterCount;
  }

  async optimizerStep(options: OptimizerOptions): Promise<OptimizerMetrics> {
    checkKeys(options, KEYS.optimizer, 'optimizerStep: options');
    return call(options?.signal, async (cancel) => this.addon.optimizerStep(this.handle, options, cancel));
  }

  async zeroGrad(options?: CallOptions): Promise<void> {
    checkKeys(options, KEYS.call, 'zeroGrad: options');
    return call(options?.signal, async (cancel) => this.addon.zeroGrad(this.handle, cancel));
  }

  async saveState(path: string, options?: CallOptions): Promise<void> {
    checkKeys(options, KEYS.call, 'saveState: options');
    return call(options?.signal, async (cancel) => this.addon.saveState(this.handle, path, cancel));
  }

  async loadState(path: string, options?: CallOptions): Promise<void> {
    checkKeys(options, KEYS.call, 'loadState: options');
    return call(options?.signal, async (cancel) => this.addon.loadState(this.handle, path, cancel));
  }

  async plan(shape: BatchShape, options?: CallOptions): Promise<MemoryPlan> {
    checkKeys(shape, KEYS.shape, 'plan: shape');
    checkKeys(options, KEYS.call, 'plan: options');
    return call(options?.signal, async (cancel) => this.addon.plan(this.handle, shape, cancel));
  }

  async tensors(which: 'value' | 'grad', options?: CallOptions): Promise<NamedTensors> {
    checkKeys(options, KEYS.call, 'tensors: options');
    return call(options?.signal, async (cancel) => this.addon.tensors(this.handle, which, cancel));
  }

  dispose(): void {
    this.addon.dispose(this.handle);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

function describe(addon: Addon, handle: AdapterHandle | CriticHandle): TrainableInfo {
  try {
    return addon.trainableInfo(handle);
  } catch (error) {
    throw toEngineError(error);
  }
}

class NativeAdapter extends NativeTrainable<AdapterHandle> implements Adapter {
  async accumulate(batch: Batch, dlp: Float32Array, options?: CallOptions): Promise<AccumulateMetrics> {
    checkKeys(options, KEYS.call, 'accumulate: options');
    return call(options?.signal, async (cancel) => this.addon.accumulate(this.handle, batch, dlp, cancel));
  }

  async accumulateSft(batch: Batch, options: AccumulateOptions): Promise<SftMetrics> {
    checkKeys(options, KEYS.accumulate, 'accumulateSft: options');
    return call(options?.signal, async (cancel) => this.addon.accumulateSft(this.handle, batch, options, cancel));
  }

  async accumulatePolicy(batch: Batch, options: PolicyOptions): Promise<PolicyMetrics> {
    checkKeys(options, KEYS.policy, 'accumulatePolicy: options');
    checkKeys(options?.value, KEYS.value, 'accumulatePolicy: options.value');
    return call(options?.signal, async (cancel) => {
      const value = withHandle(options?.value, 'critic');
      const given = value === undefined ? options : { ...options, value };
      return this.addon.accumulatePolicy(this.handle, batch, given, cancel);
    });
  }

  async save(path: string, format: 'gguf' | 'peft', options?: CallOptions): Promise<void> {
    checkKeys(options, KEYS.call, 'adapter.save: options');
    return call(options?.signal, async (cancel) => this.addon.saveAdapter(this.handle, path, format, cancel));
  }
}

class NativeCritic extends NativeTrainable<CriticHandle> implements Critic {
  async values(batch: Batch, options?: CallOptions): Promise<Float32Array> {
    checkKeys(options, KEYS.call, 'values: options');
    return call(options?.signal, async (cancel) => this.addon.values(this.handle, batch, cancel));
  }

  async accumulateValue(batch: Batch, options: AccumulateOptions): Promise<ValueMetrics> {
    checkKeys(options, KEYS.accumulate, 'accumulateValue: options');
    return call(options?.signal, async (cancel) => this.addon.accumulateValue(this.handle, batch, options, cancel));
  }
}
