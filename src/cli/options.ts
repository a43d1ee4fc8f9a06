/** Options that several commands take, and how they become a configuration. */
import { existsSync } from 'node:fs';
import type { InferredOptionTypes, Options } from 'yargs';
import { type Config, type ConfigPatch, patchFromAssignment, readConfigFile, resolveConfig } from '../config.js';
import { SparkError } from '../errors.js';
import { RunFolder } from '../experiment/runFolder.js';

export const configOptions = {
  config: { type: 'string', describe: 'YAML file, or the name of a shipped one (quickstart, llama31-8b)' },
  set: { type: 'string', array: true, describe: 'any configuration value: --set ppo.epochs=3 (repeatable)' },
  seed: { type: 'number', describe: 'seed of everything random' },
  run: { type: 'string', describe: 'run folder: a name under runs/, or a path' },
  model: { type: 'string', describe: 'GGUF file of the base model (default: the shipped tiny one)' },
  backend: { choices: ['auto', 'cpu', 'cuda'] as const, describe: 'where the training engine computes' },
  threads: { type: 'number', describe: 'processor threads; 0: all cores' },
} as const satisfies Record<string, Options>;

export const judgeOptions = {
  judge: { choices: ['auto', 'oracle', 'api'] as const, describe: 'oracle: the rules of mini; api: a judge model' },
  'judge-url': { type: 'string', describe: 'OpenAI-compatible base URL (default: OPENAI_BASE_URL, or OpenAI)' },
  'judge-model': { type: 'string', describe: 'judge model (default: gpt-4o)' },
  'max-cost': { type: 'number', describe: 'hard cap on judge cost, US dollars' },
} as const satisfies Record<string, Options>;

export const rolloutOptions = {
  policy: { choices: ['min-score', 'max-score', 'least-used'] as const, describe: 'how a viable action is chosen' },
  tau: { type: 'number', describe: 'τ: an action is viable from this score on' },
  steps: { type: 'number', describe: 'most steps of a trajectory' },
  temperature: { type: 'number', describe: 'sampling temperature of the generator' },
} as const satisfies Record<string, Options>;

export type ConfigArgs = InferredOptionTypes<typeof configOptions>;
type SharedArgs = ConfigArgs &
  Partial<InferredOptionTypes<typeof judgeOptions>> &
  Partial<InferredOptionTypes<typeof rolloutOptions>>;

/**
 * Flags over --set over --config over the configuration the run folder was made with, over the defaults.
 */
export async function configFromArgs(args: SharedArgs, extra: ConfigPatch = {}): Promise<Config> {
  const patches: ConfigPatch[] = [];
  const stored = args.run === undefined ? null : storedConfig(args.run);
  if (stored !== null) patches.push(stored);
  if (args.config !== undefined) patches.push(await readConfigFile(args.config));
  patches.push(extra);
  for (const assignment of args.set ?? []) patches.push(patchFromAssignment(assignment));
  patches.push({
    name: args.run,
    seed: args.seed,
    model: { path: args.model, backend: args.backend, threads: args.threads },
    judge: {
      kind: args.judge,
      baseUrl: args['judge-url'],
      model: args['judge-model'],
      maxCostUsd: args['max-cost'],
    },
    rollout: { policy: args.policy, tau: args.tau, maxSteps: args.steps, temperature: args.temperature },
  });
  const config = resolveConfig(...patches);
  if (!existsSync(config.model.path)) {
    throw new SparkError('invalid_config', `model.path: no file at ${config.model.path}; expected a GGUF model`);
  }
  return config;
}

function storedConfig(run: string): ConfigPatch | null {
  const folder = RunFolder.peek(run);
  if (folder === null) return null;
  const { run: _facts, ...config } = folder;
  return config;
}
