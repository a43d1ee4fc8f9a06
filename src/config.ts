/**
 * One resolved configuration per run. Defaults are SPEC.md's; `auto` values are resolved in `resolveConfig` so that the
 * config.json of a run says what was really used. A YAML file overrides the defaults, command-line flags override both.
 */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { parse, YAMLParseError } from 'yaml';
import { z } from 'zod';
import { noteConfigSecrets, refuseConfigSecrets } from './configSecrets.js';
import { SparkError } from './errors.js';
import { packagePath } from './package.js';
import { BUILTIN_TOOLS } from './tools/tool.js';

const positive = z.number().int().positive();
const fraction = z.number().min(0).max(1);

const modelSchema = z.strictObject({
  /** GGUF file; `tiny` is the one shipped with the package. */
  path: z.string().default('tiny'),
  backend: z.enum(['auto', 'cpu', 'cuda']).default('auto'),
  /** Which GPU trains, as CUDA counts them. */
  device: z.number().int().min(0).default(0),
  /** 0: all cores for training; for inference as many as the model's size pays for */
  threads: z.number().int().min(0).default(0),
  /** What training multiplies and stores activations in; bf16 needs a processor with AVX-512 BF16 or AMX. */
  compute: z.enum(['auto', 'f32', 'bf16']).default('auto'),
  /** Activations that training computes again to save memory; `auto`: as few as the memory allows. */
  recompute: z.enum(['auto', 'none', 'cheap', 'block', 'offload']).default('auto'),
  /** Memory that training may hold, 10^9 bytes; null: nine tenths of what is free when it starts. */
  memoryLimitGb: z.number().positive().nullable().default(null),
});

const inferenceSchema = z.strictObject({
  /** Sequences generated at the same time. */
  sequences: positive.default(16),
  /** Tokens a sequence can hold; `auto`: what the longest rollout can need, at most what the model was trained for. */
  contextSize: z.union([positive, z.literal('auto')]).default('auto'),
  /** llama.cpp's GPU back end. */
  gpu: z.union([z.boolean(), z.literal('auto')]).default(false),
  kvCacheType: z.enum(['F16', 'F32']).default('F16'),
});

const questionsSchema = z.strictObject({
  /** `mini`, or a Parquet / JSONL file with MMLU-Pro's columns. */
  train: z.string().default('mini'),
  test: z.string().default('mini'),
  /** 0: all */
  trainLimit: z.number().int().min(0).default(280),
  testLimit: z.number().int().min(0).default(280),
  /** Empty: all 14. */
  trainCategories: z.array(z.string()).default([]),
  testCategories: z.array(z.string()).default([]),
  /** Validation rows for the 5-shot prompt of the evaluation without tools; null: zero-shot. */
  shots: z.string().nullable().default(null),
});

const toolsSchema = z.strictObject({
  enabled: z.array(z.string()).default([...BUILTIN_TOOLS]),
  timeoutMs: positive.default(10_000),
  maxObservationChars: positive.default(400),
});

const judgeSchema = z.strictObject({
  /** `auto`: `oracle` for mini questions, `api` for all others. */
  kind: z.enum(['auto', 'oracle', 'api']).default('auto'),
  model: z.string().default('gpt-4o'),
  /** Null: OPENAI_BASE_URL, or OpenAI itself. One with a name, password or key is refused (configSecrets.ts). */
  baseUrl: z.string().nullable().default(null),
  timeoutMs: positive.default(60_000),
  maxRetries: z.number().int().min(0).default(4),
  concurrency: positive.default(16),
  /** Longest reply; a judge that thinks before it answers needs more. */
  maxTokens: positive.default(512),
  /** Hard cap in US dollars; null: none. */
  maxCostUsd: z.number().positive().nullable().default(null),
  /** Dollars per million tokens for a model the built-in table does not know. */
  price: z
    .strictObject({ input: z.number().min(0), output: z.number().min(0) })
    .nullable()
    .default(null),
});

const rolloutSchema = z.strictObject({
  policy: z.enum(['min-score', 'max-score', 'least-used']).default('min-score'),
  /** τ: an action is viable from this score on */
  tau: z.number().min(0).max(10).default(6),
  maxSteps: z.number().int().min(1).max(20).default(5),
  temperature: z.number().min(0).default(0.7),
  maxThoughtTokens: positive.default(192),
  maxInputTokens: positive.default(256),
  maxAnswerTokens: positive.default(64),
  /** Further attempts for a step for which the judge gave no score at all. */
  stepRetries: z.number().int().min(0).default(1),
});

const loraSchema = z.strictObject({
  rank: positive.default(8),
  alpha: z.number().positive().default(16),
  targets: z
    .array(z.enum(['q', 'k', 'v', 'o', 'gate', 'up', 'down']))
    .min(1)
    .default(['q', 'k', 'v', 'o', 'gate', 'up', 'down']),
});

const optimizerShape = {
  learningRate: z.number().positive(),
  weightDecay: z.number().min(0).default(0),
  maxGradNorm: z.number().min(0).default(1),
  /** Share of the optimizer steps over which the rate rises; a cosine takes it to zero afterwards. */
  warmup: fraction.default(0.05),
  /** Trajectories per optimizer step. */
  batchTrajectories: positive.default(16),
  /** Most packed tokens per forward pass, fewer where memory is short; a longer trajectory gets a pass of its own. */
  microBatchTokens: positive.default(4096),
};

const sftSchema = z.strictObject({
  ...optimizerShape,
  learningRate: optimizerShape.learningRate.default(2e-4),
  epochs: positive.default(3),
  /** Rollouts to learn from: those of this policy, right and coherent. */
  policy: z.enum(['min-score', 'max-score', 'least-used']).default('max-score'),
});

const ppoSchema = z.strictObject({
  ...optimizerShape,
  learningRate: optimizerShape.learningRate.default(1e-4),
  criticLearningRate: z.number().positive().default(3e-4),
  /** Rounds over the stored rollouts; old log-probs and values are taken anew at the start of each. */
  iterations: positive.default(2),
  /** Passes over the rollouts in an iteration. */
  epochs: positive.default(2),
  /** ε */
  clip: z.number().positive().max(1).default(0.2),
  /** β */
  klCoefficient: z.number().min(0).default(0.1),
  targetKl: z.number().positive().default(0.2),
  ratio: z.enum(['token', 'step']).default('token'),
  /** Scale advantages to mean 0, deviation 1. */
  whiten: z.boolean().default(false),
  /** `sft`, `base` or the path of an adapter. */
  init: z.string().default('sft'),
  /** Which trajectories: all with a verdict, only coherent ones, only right ones. */
  filter: z.enum(['none', 'ok', 'correct']).default('none'),
  /** Width of the critic head's hidden layer; null: C. */
  criticHidden: positive.nullable().default(null),
  /** What the critic's head reads: a trunk with a LoRA of its `own`, or the `actor`'s, one pass for both. */
  criticTrunk: z.enum(['own', 'actor']).default('own'),
  /** c_v: what the actor's trunk feels of the value loss, L_actor + c_v L_v; 0: nothing. Only with criticTrunk: actor. */
  valueCoefficient: z.number().min(0).default(0.1),
});

const evalSchema = z.strictObject({
  temperature: z.number().min(0).default(0),
  /** Tokens for one chain of thought when tools are off. */
  maxChainTokens: positive.default(768),
});

const paritySchema = z.strictObject({
  /** Before a stage trains, compare our log-probs with llama.cpp's and refuse when they are too far apart. */
  check: z.preprocess((value) => (value === 'on' ? true : value === 'off' ? false : value), z.boolean()).default(true),
  /** Most mean |Δ log-prob| in nats; null: 0.05 with an F16 cache or compute bf16, 0.1 for quantised files, else 0.01 (BF16 0.03). */
  tolerance: z.number().min(0).nullable().default(null),
  /** Tokens compared: before a stage trains, when its adapter is saved, and per sequence sampled by verify parity. */
  tokens: z.number().int().min(2).default(192),
});

export const configSchema = z.strictObject({
  name: z.string().min(1).default('run'),
  seed: z.number().int().min(0).max(0xffffffff).default(1),
  model: modelSchema.prefault({}),
  inference: inferenceSchema.prefault({}),
  questions: questionsSchema.prefault({}),
  tools: toolsSchema.prefault({}),
  judge: judgeSchema.prefault({}),
  rollout: rolloutSchema.prefault({}),
  /** ρ weighs rarity against coherence: R = ρ (best − chosen) − (1 − ρ)(1 − ok) */
  reward: z.strictObject({ rho: fraction.default(0.5) }).prefault({}),
  lora: loraSchema.prefault({}),
  sft: sftSchema.prefault({}),
  ppo: ppoSchema.prefault({}),
  eval: evalSchema.prefault({}),
  parity: paritySchema.prefault({}),
});

export type Config = z.infer<typeof configSchema>;

/** A partial configuration of any depth, as YAML files and flags give it. */
export type ConfigPatch = { readonly [key: string]: unknown };

/**
 * Defaults, then each patch in turn. Throws `invalid_config` naming every key that is wrong, or that holds a secret.
 */
export function resolveConfig(...patches: readonly ConfigPatch[]): Config {
  const merged = patches.reduce<ConfigPatch>((all, patch) => merge(all, patch), {});
  noteConfigSecrets(merged);
  refuseConfigSecrets(merged);
  const parsed = configSchema.safeParse(merged);
  if (!parsed.success) {
    const lines = parsed.error.issues.map((issue) => `  ${issue.path.join('.') || '(top)'}: ${issue.message}`);
    throw new SparkError('invalid_config', `the configuration is not valid:\n${lines.join('\n')}`);
  }
  const config = parsed.data;
  const mini = config.questions.train === 'mini' && config.questions.test === 'mini';
  if (config.judge.kind === 'auto') config.judge.kind = mini ? 'oracle' : 'api';
  config.model.path =
    config.model.path === 'tiny' ? packagePath('models/spark-tiny.gguf') : path.resolve(config.model.path);
  // A run is taken up again from anywhere, so its paths are absolute.
  const { questions } = config;
  if (questions.train !== 'mini') questions.train = path.resolve(questions.train);
  if (questions.test !== 'mini') questions.test = path.resolve(questions.test);
  if (questions.shots !== null) questions.shots = path.resolve(questions.shots);
  return config;
}

/** Reads a YAML file into a patch. A bare name is looked up among the configs shipped with the package. */
export async function readConfigFile(file: string): Promise<ConfigPatch> {
  const candidates = [file, packagePath(path.join('configs', `${file}.yaml`))];
  let text: string | undefined;
  for (const candidate of candidates) {
    text = await readFile(candidate, 'utf8').catch(() => undefined);
    if (text !== undefined) break;
  }
  if (text === undefined) {
    throw new SparkError('invalid_config', `no configuration at ${candidates.join(' or ')}`);
  }
  const parsed = readYaml(text, (reason) => `${file} is not YAML: ${reason}`);
  noteConfigSecrets(parsed);
  if (parsed === null || parsed === undefined) return {};
  if (!isRecord(parsed)) throw new SparkError('invalid_config', `${file}: expected keys and values at the top`);
  return parsed;
}

/** `a.b=3` to { a: { b: 3 } }; the value is read as YAML. */
export function patchFromAssignment(assignment: string): ConfigPatch {
  const at = assignment.indexOf('=');
  if (at <= 0) throw new SparkError('invalid_config', '--set expects key=value, got no key in front of a "="');
  const name = assignment.slice(0, at);
  const value = readYaml(assignment.slice(at + 1), (reason) => `--set ${name}: the value is not YAML: ${reason}`);
  return name.split('.').reduceRight<unknown>((inner, key) => ({ [key]: inner }), value) as ConfigPatch;
}

/**
 * The parser's own messages quote the lines around the mistake, which may be the ones with a key: its code and position
 * say as much.
 */
function readYaml(text: string, message: (reason: string) => string): unknown {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof YAMLParseError)) throw new SparkError('invalid_config', message('it refers to nothing'));
    const [start] = error.linePos ?? [];
    const where = start === undefined ? '' : ` at line ${start.line}, column ${start.col}`;
    throw new SparkError('invalid_config', message(`${error.code.toLowerCase().replaceAll('_', ' ')}${where}`));
  }
}

function merge(base: ConfigPatch, patch: ConfigPatch): ConfigPatch {
  const out: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(patch)) {
    if (value === undefined) continue;
    const before = out[key];
    out[key] = isRecord(before) && isRecord(value) ? merge(before, value) : value;
  }
  return out;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
