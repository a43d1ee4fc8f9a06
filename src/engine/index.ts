/** The native engine: open a model, get log-probs, train adapters and critics on it. */
export type * from './batch.js';
export type * from './metrics.js';
export { openModel } from './model.js';
export type * from './types.js';
