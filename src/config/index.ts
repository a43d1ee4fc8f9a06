/** Configuration: its schema, and how files and flags become one. */
export type { OtherJudge } from './ablate.js';
export { patchFromAssignment, readConfigFile } from './file.js';
export { inFlightOf } from './inFlight.js';
export { resolveConfig } from './resolve.js';
export { type Config, type ConfigPatch, configSchema } from './schema.js';
