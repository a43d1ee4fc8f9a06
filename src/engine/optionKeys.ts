/** The keys of the options in types.ts, whose names and types are all that a program sees. */
import type { KeysOf } from '../options.js';
import type { BatchShape } from './batch.js';
import type {
  AccumulateOptions,
  AdapterOptions,
  CallOptions,
  CriticOptions,
  OpenModelOptions,
  OptimizerOptions,
  PolicyOptions,
  SaveModelOptions,
  ValueTerm,
} from './types.js';

const call = { signal: true } as const satisfies KeysOf<CallOptions>;
const adapter = {
  rank: true,
  alpha: true,
  targets: true,
  seed: true,
  ...call,
} as const satisfies KeysOf<AdapterOptions>;
const accumulate = { normalizer: true, ...call } as const satisfies KeysOf<AccumulateOptions>;

export const KEYS = {
  call,
  adapter,
  accumulate,
  openModel: {
    backend: true,
    device: true,
    threads: true,
    compute: true,
    recompute: true,
    memoryLimit: true,
    ...call,
  } satisfies KeysOf<OpenModelOptions>,
  critic: { ...adapter, hidden: true, trunk: true } satisfies KeysOf<CriticOptions>,
  policy: {
    ...accumulate,
    clip: true,
    klCoefficient: true,
    ratio: true,
    value: true,
  } satisfies KeysOf<PolicyOptions>,
  value: { critic: true, normalizer: true, coefficient: true } satisfies KeysOf<ValueTerm>,
  optimizer: {
    learningRate: true,
    beta1: true,
    beta2: true,
    epsilon: true,
    weightDecay: true,
    maxGradNorm: true,
    ...call,
  } satisfies KeysOf<OptimizerOptions>,
  saveModel: { type: true, adapter: true, ...call } satisfies KeysOf<SaveModelOptions>,
  shape: {
    tokens: true,
    sequences: true,
    longest: true,
    lossTokens: true,
    values: true,
    choices: true,
    alternatives: true,
    prefix: true,
  } satisfies KeysOf<BatchShape>,
} as const;
