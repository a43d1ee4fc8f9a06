/** Which configuration key each shared flag sets: one table, for the patch and for naming the flag when a key is wrong. */
import type { ConfigPatch } from '../config/index.js';
import { SparkError } from '../errors.js';

const KEYS = {
  run: 'name',
  seed: 'seed',
  model: 'model.path',
  backend: 'model.backend',
  device: 'model.device',
  threads: 'model.threads',
  compute: 'model.compute',
  recompute: 'model.recompute',
  'memory-limit': 'model.memoryLimitGb',
  'server-url': 'server.baseUrl',
  'server-model': 'server.model',
  judge: 'judge.kind',
  'judge-url': 'judge.baseUrl',
  'judge-model': 'judge.model',
  'max-cost': 'judge.maxCostUsd',
  'max-judge-tokens': 'judge.maxTotalTokens',
  'max-judge-requests': 'judge.maxRequests',
  'parity-check': 'parity.check',
  selection: 'rollout.selection',
  tau: 'rollout.tau',
  steps: 'rollout.maxSteps',
  'min-steps': 'rollout.minSteps',
  temperature: 'rollout.temperature',
  verifier: 'questions.verifier',
} as const;

type Args = { readonly [flag in keyof typeof KEYS]?: unknown };

export function flagPatch(args: Args): ConfigPatch {
  const patch: Record<string, unknown> = {};
  for (const [flag, key] of given(args)) {
    const [section, name] = key.split('.') as [string, string?];
    if (name === undefined) patch[section] = args[flag];
    else patch[section] = { ...(patch[section] as object), [name]: args[flag] };
  }
  return patch;
}

/** `make()`; where its `invalid_config` names a key that a flag has set, it also names the flag, which is what was typed. */
export function namingFlags<T>(args: Args, make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof SparkError) || error.code !== 'invalid_config') throw error;
    let { message } = error;
    for (const [flag, key] of given(args)) message = message.replace(`\n  ${key}: `, `\n  --${flag} (${key}): `);
    throw new SparkError(error.code, message, { cause: error });
  }
}

const given = (args: Args) =>
  (Object.entries(KEYS) as [keyof typeof KEYS, string][]).filter(([flag]) => args[flag] !== undefined);
