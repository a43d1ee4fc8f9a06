/**
 * The configuration of a run: every key with its default (the reasons are in docs/algorithm.md). A training method's
 * section is declared in its own file (train/methods.ts lists them), the judge's in judge/settings.ts.
 */
import { z } from 'zod';
import { serverSettings } from '../inference/serverSettings.js';
import { judgeSettings } from '../judge/settings.js';
import { LONGEST_TIMEOUT_MS } from '../questions/grade.js';
import { verifierSchema } from '../questions/verifierSettings.js';
import { AUDITS } from '../rollout/audit.js';
import { ANSWER_FORMS } from '../rollout/prompt.js';
import { BUILTIN_TOOLS } from '../tools/builtin.js';
import { mcpSettings } from '../tools/mcp/settings.js';
import { RECORD_MODES } from '../tools/recorder.js';
import { PYTHON_ENGINES } from '../tools/system/settings.js';
import { TOOL_NAME } from '../tools/tool.js';
import { webSettings } from '../tools/web/settings.js';
import { trackingSettings } from '../tracking/settings.js';
import { type MethodSettings, methods } from '../train/methods.js';
import { SELECTION_RULES } from '../trajectory/trajectory.js';
import { ablateSettings } from './ablate.js';
import { evalSettings } from './evaluation.js';
import { watchSettings } from './watch.js';

const positive = z.number().int().positive();
const fraction = z.number().min(0).max(1);

const modelSchema = z.strictObject({
  /** GGUF file; `tiny` is the one shipped with the package. */
  path: z.string().default('tiny'),
  backend: z.enum(['auto', 'cpu', 'cuda']).default('auto'),
  /** Which GPU trains, as CUDA counts them. */
  device: z.number().int().min(0).default(0),
  /** 0: all cores for training; for inference as many as make a model of this size faster. */
  threads: z.number().int().min(0).default(0),
  /**
   * What training multiplies and stores activations in; bf16 needs a GPU or a processor with AVX-512 BF16 or AMX. fp8 is
   * bf16 with frozen weights multiplied in 8 bits; it needs an H100 or H200, and `auto` never chooses it.
   */
  compute: z.enum(['auto', 'f32', 'bf16', 'fp8']).default('auto'),
  /** Activations that training computes again to save memory; `auto`: as few as the memory allows. */
  recompute: z.enum(['auto', 'none', 'cheap', 'block', 'offload']).default('auto'),
  /** Memory that training may hold, 10^9 bytes; null: nine tenths of what is free when it starts. */
  memoryLimitGb: z.number().positive().nullable().default(null),
});

const inferenceSchema = z.strictObject({
  /** Sequences generated at the same time. */
  sequences: positive.default(16),
  /** Tokens a sequence can hold; `auto`: what the model was trained for, at most 4096. */
  contextSize: z.union([positive, z.literal('auto')]).default('auto'),
  /** llama.cpp's GPU back end. `true`: refuse to run without one; `auto`: use one if there is one. */
  gpu: z.union([z.boolean(), z.literal('auto')]).default(false),
  kvCacheType: z.enum(['F16', 'F32']).default('F16'),
});

const generationSchema = z.strictObject({
  /**
   * Questions under way at the same time. While one waits for the judge or a tool, another is written in its place, so more
   * than `inference.sequences` keep inference busy. `auto`: those, and twice as many as the judge is asked at a time.
   */
  inFlight: z.union([positive, z.literal('auto')]).default('auto'),
  /**
   * What a question's trajectory is does not depend on the others under way, not even by rounding: each sequence is
   * evaluated alone, and keeps its place. Slower.
   */
  deterministic: z.boolean().default(false),
});

const questionsSchema = z.strictObject({
  /** `mini`, or a Parquet / JSONL file: MMLU-Pro's columns, or `question`, `answer` and what else there is of them. */
  train: z.string().default('mini'),
  test: z.string().default('mini'),
  /** 0: all */
  trainLimit: z.number().int().min(0).default(280),
  testLimit: z.number().int().min(0).default(280),
  /** Questions of the training source kept out of training, on which experiments measure policies and choose settings; 0: none. */
  validationLimit: z.number().int().min(0).default(0),
  /** Empty: all 14. */
  trainCategories: z.array(z.string()).default([]),
  testCategories: z.array(z.string()).default([]),
  /** Validation rows for the 5-shot prompt of the evaluation without tools; null: zero-shot. */
  shots: z.string().nullable().default(null),
  /**
   * How the answers to questions without options are graded where their row does not say: `exact`, `number`, `regex`, `own`, or
   * one with its settings (`{ name: number, relative: 0.01 }`); null: each row has to.
   */
  verifier: verifierSchema.nullable().default(null),
  /** Milliseconds that a verifier of your own may take for one answer. */
  verifierTimeoutMs: positive.max(LONGEST_TIMEOUT_MS).default(5000),
});

const pythonSchema = z.strictObject({
  /** What `python` runs in: the package's own Pyodide, or `system`: an interpreter of yours in bubblewrap (docs/tools.md). */
  engine: z.enum(PYTHON_ENGINES).default('pyodide'),
  /** For `system`: the interpreter, by path or by its name on the PATH; null: `python3`. */
  path: z.string().min(1).nullable().default(null),
  /** For `system`: packages that the model is told of, by the names they are imported by; it has to have them. */
  packages: z
    .array(z.string().regex(/^[A-Za-z_]\w*$/, 'expected a name as import takes it, such as numpy'))
    .default([]),
});

const toolsSchema = z.strictObject({
  enabled: z.array(z.string()).default([...BUILTIN_TOOLS]),
  /** Other names for built-in tools, as the model is to write them: `{ python: python_repl }`. */
  names: z
    .partialRecord(z.enum(BUILTIN_TOOLS), z.string().regex(TOOL_NAME, 'expected a name like my_tool'))
    .default({}),
  /** Engines on the web that become actions (docs/tools.md): `{ name, engine, key: $NAME, results }`. */
  web: webSettings.default([]),
  /**
   * Whether what engines of `tools.web` and tools of `tools.mcp` answered is kept in the run and asked once: `on`; `replay` answers
   * from what was kept and asks nobody.
   */
  record: z.enum(RECORD_MODES).default('on'),
  /** MCP servers whose tools become actions (docs/tools.md): `{ name, command, args, env }` or `{ name, url, headers }`. */
  mcp: mcpSettings.default([]),
  timeoutMs: positive.default(10_000),
  maxObservationChars: positive.default(400),
  /**
   * What `encyclopedia` and `search` know: a file that `corpus build` made, or a folder of .jsonl articles; null: the small corpus
   * of the package, made for `mini`.
   */
  corpus: z.string().min(1).nullable().default(null),
  python: pythonSchema.prefault({}),
});

const rolloutSchema = z.strictObject({
  /** The rule that picks an action from the judge's scores. */
  selection: z.enum(SELECTION_RULES).default('min-score'),
  /** τ: an action is viable from this score on */
  tau: z.number().min(0).max(10).default(6),
  maxSteps: z.number().int().min(1).max(20).default(5),
  /** Before so many steps a rollout may not answer: a general model often prefers to answer at once. */
  minSteps: z.number().int().min(0).max(20).default(1),
  temperature: z.number().min(0).default(0.7),
  maxThoughtTokens: positive.default(192),
  maxInputTokens: positive.default(256),
  maxAnswerTokens: positive.default(64),
  /**
   * `letter`: the model chooses among the letters shown. `text`: it writes the answer, graded where the format's sentence
   * is in it. `auto`: `text` for a model trained on the format (its file says so), else `letter`.
   */
  answer: z.enum(ANSWER_FORMS).default('auto'),
  /** The instructions end with a worked example of two steps. A model that wants no instructions gets none. */
  example: z.boolean().default(true),
  /** How often the judge is asked again about a step for which it gave no score at all. */
  stepRetries: z.number().int().min(0).default(1),
  /** Whether choices that noise may have made are scored again: `cheap` once, `thorough` every state twice more. */
  audit: z.enum(AUDITS).default('off'),
  /** A choice is in doubt when so many points of 0 to 10 can change it. */
  auditMargin: z.number().min(0).max(10).default(1),
});

const loraSchema = z.strictObject({
  rank: positive.default(8),
  alpha: z.number().positive().default(16),
  targets: z
    .array(z.enum(['q', 'k', 'v', 'o', 'gate', 'up', 'down']))
    .min(1)
    .default(['q', 'k', 'v', 'o', 'gate', 'up', 'down']),
});

const paritySchema = z.strictObject({
  /** Before a stage trains, compare our log-probs with llama.cpp's and refuse when they are too far apart. */
  check: z.preprocess((value) => (value === 'on' ? true : value === 'off' ? false : value), z.boolean()).default(true),
  /**
   * Highest mean |Δ log-prob| allowed, in nats; null: 0.35 with compute fp8, 0.1 for quantised files, 0.05 with an F16
   * cache or compute bf16, else 0.01 (BF16 0.03).
   */
  tolerance: z.number().min(0).nullable().default(null),
  /** Tokens compared: before a stage trains, when its adapter is saved, and per sequence sampled by verify parity. */
  tokens: z.number().int().min(2).default(192),
});

/** One section for each training method, under its name. */
const methodSections = Object.fromEntries(
  Object.values(methods).map(({ name, settings }) => [name, settings.prefault({})]),
) as unknown as { readonly [Name in keyof MethodSettings]: z.ZodType<MethodSettings[Name]> };

export const configSchema = z.strictObject({
  name: z.string().min(1).default('run'),
  seed: z.number().int().min(0).max(0xffffffff).default(1),
  model: modelSchema.prefault({}),
  inference: inferenceSchema.prefault({}),
  /** Generates in place of llama.cpp here; `inference.contextSize` and `generation.inFlight` are its, too (docs/server.md). */
  server: serverSettings.prefault({}),
  generation: generationSchema.prefault({}),
  questions: questionsSchema.prefault({}),
  tools: toolsSchema.prefault({}),
  judge: judgeSettings.prefault({}),
  rollout: rolloutSchema.prefault({}),
  /** ρ weighs rarity against coherence: R = ρ (best − chosen) − (1 − ρ)(1 − ok) */
  reward: z.strictObject({ rho: fraction.default(0.5) }).prefault({}),
  lora: loraSchema.prefault({}),
  ...methodSections,
  eval: evalSettings.prefault({}),
  parity: paritySchema.prefault({}),
  watch: watchSettings.prefault({}),
  tracking: trackingSettings.prefault({}),
  ablate: ablateSettings.prefault({}),
  /** Module whose exports replace parts of the run (run/parts.ts): generator, engine, judge, tools, reward, verifier. */
  parts: z.string().nullable().default(null),
});

export type Config = z.infer<typeof configSchema>;

/** A partial configuration of any depth, as YAML files and flags give it. */
export type ConfigPatch = { readonly [key: string]: unknown };
