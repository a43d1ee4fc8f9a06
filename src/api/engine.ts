/**
 * `spark-rl/engine`: the training engine alone. Log-probs of a frozen GGUF base with or without a LoRA adapter,
 * gradients of losses over them, an optimizer. The first call loads the native addon; nothing else of the package is
 * loaded.
 */
export * from '../engine/index.js';
export { SparkError, type SparkErrorCode } from '../errors.js';
