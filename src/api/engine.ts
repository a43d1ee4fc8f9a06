/**
 * `spark-rl/engine`: the training engine alone. Log-probs of a frozen GGUF base with or without a LoRA adapter,
 * gradients of losses over them, an optimizer. The first call loads the native addon; nothing else of the package is
 * loaded.
 */
export { openModel } from '../engine/index.js';
export type {
  AccumulateMetrics,
  AccumulateOptions,
  Adapter,
  AdapterOptions,
  Batch,
  BatchShape,
  CallOptions,
  Critic,
  CriticOptions,
  LogprobsAndValues,
  LoraTarget,
  MemoryPlan,
  Model,
  ModelInfo,
  OpenModelOptions,
  OptimizerMetrics,
  OptimizerOptions,
  PolicyMetrics,
  PolicyOptions,
  SaveModelOptions,
  SaveReport,
  SaveType,
  SftMetrics,
  Trainable,
  ValueMetrics,
  ValueTerm,
} from '../engine/types.js';
export { SparkError, type SparkErrorCode } from '../errors.js';
