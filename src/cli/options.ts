/** Options that several commands take, and how they become a configuration. */
import { existsSync } from 'node:fs';
import type { InferredOptionTypes, Options } from 'yargs';
import { type Config, type ConfigPatch, patchFromAssignment, readConfigFile, resolveConfig } from '../config/index.js';
import { SparkError } from '../errors.js';
import { POLICY } from '../judge/settings.js';
import { VERIFIERS } from '../questions/verifierSettings.js';
import { RunFolder, runRoot } from '../run/folder.js';
import { SweepFolder } from '../run/sweepFolder.js';
import { SELECTION_RULES } from '../trajectory/trajectory.js';
import { flagPatch, namingFlags } from './flagPatch.js';

/** Where settings come from, and how the engine computes. */
export const modelOptions = {
  config: { type: 'string', describe: 'YAML file, or the name of a shipped one (quickstart, paper, paper-tools)' },
  set: {
    type: 'string',
    array: true,
    describe: 'any configuration value: --set ppo.epochs=3, of a list --set tools.mcp.0.command=… (repeatable)',
  },
  seed: { type: 'number', describe: 'seed of everything random' },
  model: { type: 'string', describe: 'GGUF file of the base model (default: the shipped tiny one)' },
  backend: { choices: ['auto', 'cpu', 'cuda'] as const, describe: 'where the training engine computes' },
  device: { type: 'number', describe: 'which GPU trains, as CUDA counts them' },
  threads: { type: 'number', describe: 'processor threads; 0: all cores' },
  compute: {
    choices: ['auto', 'f32', 'bf16', 'fp8'] as const,
    describe: 'what training multiplies and stores activations in; fp8: an H100 or H200',
  },
  recompute: {
    choices: ['auto', 'none', 'cheap', 'block', 'offload'] as const,
    describe: 'activations computed again, or offloaded',
  },
  'memory-limit': {
    type: 'number',
    describe: 'gigabytes that training may hold (default: nine tenths of what is free)',
  },
} as const satisfies Record<string, Options>;

/** How the answers to questions without options are graded. */
export const verifierOption = {
  verifier: {
    choices: VERIFIERS.filter((name) => name !== 'letter'),
    describe: 'grades answers to questions without options whose row names no verifier; own: of the module parts',
  },
} as const satisfies Record<string, Options>;

export const configOptions = {
  ...modelOptions,
  ...verifierOption,
  run: { type: 'string', describe: 'run folder: a name under runs/, or a path' },
} as const satisfies Record<string, Options>;

export const judgeOptions = {
  judge: {
    choices: ['auto', 'oracle', 'api', 'local'] as const,
    describe: 'oracle: the rules of mini; api: a judge model of a server; local: a GGUF file',
  },
  'judge-url': {
    type: 'string',
    describe: 'OpenAI-compatible base URL without a key (default: OPENAI_BASE_URL, or OpenAI)',
  },
  'judge-model': {
    type: 'string',
    describe: 'judge model (default: gpt-4o); with --judge local a GGUF file, or policy: the run’s base',
  },
  'max-cost': { type: 'number', describe: 'hard cap on judge cost, US dollars' },
  'max-judge-tokens': { type: 'number', describe: 'hard cap on the judge’s tokens, read and written' },
  'max-judge-requests': { type: 'number', describe: 'hard cap on requests to the judge' },
} as const satisfies Record<string, Options>;

/** Who generates. */
export const serverOptions = {
  'server-url': {
    type: 'string',
    describe:
      'OpenAI-compatible base URL of a server that generates in place of llama.cpp here (its key: SPARK_RL_SERVER_KEY)',
  },
  'server-model': { type: 'string', describe: 'the server’s name of the model of --model' },
} as const satisfies Record<string, Options>;

export const rolloutOptions = {
  selection: { choices: SELECTION_RULES, describe: 'the rule that picks an action from the judge’s scores' },
  tau: { type: 'number', describe: 'τ: an action is viable from this score on' },
  steps: { type: 'number', describe: 'most steps of a trajectory' },
  'min-steps': { type: 'number', describe: 'steps before an answer is allowed' },
  temperature: { type: 'number', describe: 'sampling temperature of the generator' },
} as const satisfies Record<string, Options>;

export const parityOptions = {
  'parity-check': {
    type: 'boolean',
    describe: 'before training compare log-probs with llama.cpp’s (default); --no-parity-check: train all the same',
  },
} as const satisfies Record<string, Options>;

export type ConfigArgs = InferredOptionTypes<typeof configOptions>;
type SharedArgs = Partial<
  ConfigArgs &
    InferredOptionTypes<typeof judgeOptions> &
    InferredOptionTypes<typeof serverOptions> &
    InferredOptionTypes<typeof rolloutOptions> &
    InferredOptionTypes<typeof parityOptions>
>;

/**
 * The configuration of a command line. Shared flags win over --set, that over `extra` (the command's own flags), that
 * over --config, that over the configuration the run folder (of `kind`) was made with, and that over the defaults.
 * `none`: no run folder is asked.
 */
export async function configFromArgs(
  args: SharedArgs,
  extra: ConfigPatch = {},
  kind: 'run' | 'sweep' | 'none' = 'run',
): Promise<Config> {
  const config = await settingsFromArgs(args, extra, kind);
  if (!existsSync(config.model.path)) {
    throw new SparkError(
      'invalid_config',
      `model.path: expected a GGUF model, got no file at ${config.model.path}; --model names it`,
    );
  }
  requireJudgeFile(config);
  return config;
}

/** As `configFromArgs`, for work without the models that the configuration names. */
export async function settingsFromArgs(
  args: SharedArgs,
  extra: ConfigPatch = {},
  kind: 'run' | 'sweep' | 'none' = 'run',
): Promise<Config> {
  const file = args.config === undefined ? {} : await readConfigFile(args.config);
  const name = args.run ?? file.name;
  const stored = storedConfig(runRoot(typeof name === 'string' ? name : 'run'), extra, kind);
  const set = (args.set ?? []).map(patchFromAssignment);
  return namingFlags(args, () => resolveConfig(stored, file, extra, ...set, flagPatch(args)));
}

function requireJudgeFile({ judge }: Config): void {
  if (judge.kind !== 'local' || judge.model === POLICY || existsSync(judge.model)) return;
  throw new SparkError(
    'invalid_config',
    `judge.model: expected a GGUF model, got no file at ${judge.model}; --judge-model names it`,
  );
}

/** The configuration the run was made with. When the command names other questions, the judge is chosen anew. */
function storedConfig(root: string, extra: ConfigPatch, kind: 'run' | 'sweep' | 'none'): ConfigPatch {
  if (kind === 'none') return {};
  if (kind === 'sweep') return SweepFolder.config(root) ?? {};
  const stored = RunFolder.peek(root);
  if (stored === null) return {};
  const { run: _facts, ...config } = stored;
  const questions = extra.questions as Record<string, unknown> | undefined;
  const sameQuestions = (questions?.train ?? questions?.test) === undefined;
  // A local judge judges any questions.
  const keeps = sameQuestions || stored.judge.kind === 'local';
  return keeps ? config : { ...config, judge: { ...config.judge, kind: 'auto' } };
}
