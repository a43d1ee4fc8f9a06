/**
 * The whole public API. Each layer also has an entry of its own that loads nothing above it: `spark-rl/engine`,
 * `spark-rl/rollout`, `spark-rl/train`, `spark-rl/run`.
 */
export * from './api/engine.js';
export * from './api/rollout.js';
export * from './api/run.js';
export * from './api/train.js';
