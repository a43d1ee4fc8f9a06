/** The native engine: open a model, get log-probs, train adapters and critics on it. */
export { openModel } from './model.js';
export type * from './types.js';
