/** What a GGUF holds and what can be done with it: trained by our engine, served by llama.cpp, in how much memory. */
import type { Config } from '../config/index.js';
import type { MemoryPlan, Model, ModelInfo } from '../engine/types.js';
import { type SparkErrorCode, throwIfAborted, toSparkError } from '../errors.js';
import { renderChat } from '../inference/chatTemplate.js';
import { typeName } from '../inference/ggmlTypes.js';
import { checkModelFile, readHeader, text } from '../inference/ggufCheck.js';
import { openLlamaCpp } from '../inference/llamaCpp.js';
import { openEngine } from '../run/parts.js';
import { createCritic } from '../train/ppo.js';

/** Whether something works, and why not. */
export type Verdict =
  | { readonly ok: true }
  | { readonly ok: false; readonly code: SparkErrorCode; readonly why: string };

export interface ModelReport {
  readonly file: string;
  readonly bytes: number;
  readonly name: string | null;
  readonly architecture: string;
  /** Tensors by type */
  readonly types: Readonly<Record<string, number>>;
  readonly tokenizer: string | null;
  readonly contextLength: number | null;
  /** `none`: a completion model */
  readonly chatTemplate: 'none' | Verdict;
  /** By our engine */
  readonly trains: Verdict;
  /** By llama.cpp */
  readonly serves: Verdict;
  readonly parameters: number | null;
}

/** Throws `io_error`, `invalid_file` for what is no GGUF model or a damaged one. */
export async function inspectModel(file: string, config: Config, signal: AbortSignal): Promise<ModelReport> {
  const header = readHeader(file);
  const info = checkModelFile(file);
  const types: Record<string, number> = {};
  for (const { type } of header.tensors) types[typeName(type)] = (types[typeName(type)] ?? 0) + 1;
  const of: Config = { ...config, model: { ...config.model, path: file } };
  let parameters: number | null = null;
  const trains = await verdict(signal, async () => {
    const model = await openEngine(of, signal);
    parameters = model.info.parameters;
    model.dispose();
  });
  let template: ModelReport['chatTemplate'] = 'none';
  const serves = await verdict(signal, async () => {
    const generator = await openLlamaCpp({ modelPath: file, contextSize: 64, signal });
    const { chatTemplate, bosText, eosText } = generator;
    if (chatTemplate !== null)
      template = await verdict(signal, async () => void renderChat(chatTemplate, bosText, eosText)('system', 'user'));
    await generator.dispose();
  });
  return {
    ...{ file, bytes: info.bytes, name: text(header, 'general.name'), architecture: info.architecture, types },
    ...{ tokenizer: text(header, 'tokenizer.ggml.model'), contextLength: info.trainContextSize },
    ...{ chatTemplate: template, trains, serves, parameters },
  };
}

async function verdict(signal: AbortSignal, work: () => Promise<void>): Promise<Verdict> {
  try {
    await work();
    return { ok: true };
  } catch (error) {
    throwIfAborted(signal);
    const { code, message } = toSparkError(error);
    return { ok: false, code, why: message };
  }
}

export interface ModelFit {
  readonly file: string;
  /** Null: our engine does not train it, and `why` says the reason. */
  readonly training: Pick<MemoryPlan, 'total' | 'limit' | 'fits' | 'recompute'> | null;
  /** Weights as they lie in the file, and the cache of all sequences; null as above. */
  readonly inference: { readonly total: number; readonly fits: boolean } | null;
  readonly why: string | null;
}

/** Tokens of the pass that is planned for, or as many as the model was trained for. */
const PLANNED_TOKENS = 2048;

/** Memory of a PPO pass and of the configured generator, planned and not allocated. */
export async function fitOf(file: string, config: Config, signal: AbortSignal): Promise<ModelFit> {
  let model: Model;
  try {
    model = await openEngine({ ...config, model: { ...config.model, path: file } }, signal);
  } catch (error) {
    throwIfAborted(signal);
    const { code, message } = toSparkError(error);
    return { file, training: null, inference: null, why: `[${code}] ${message}` };
  }
  try {
    const tokens = Math.min(PLANNED_TOKENS, model.info.contextLength);
    const actor = await model.createAdapter({ ...config.lora, seed: config.seed });
    const critic = await createCritic(
      model,
      actor,
      { ...config.ppo, criticInit: null },
      { ...config.lora, seed: config.seed },
    );
    const shape = { tokens, longest: tokens, lossTokens: tokens - 1, values: config.rollout.maxSteps };
    const plans = [await actor.plan(shape), await critic.plan(shape)];
    const training = plans.reduce((most, plan) => (plan.total > most.total ? plan : most));
    const total = checkModelFile(file).bytes + cacheBytes(model.info, config);
    return { file, training, inference: { total, fits: total <= training.limit }, why: null };
  } finally {
    model.dispose();
  }
}

/** Keys and values of all sequences that `inference` asks for. */
function cacheBytes({ layers, kvHeads, headSize, contextLength }: ModelInfo, { inference }: Config): number {
  const { sequences, contextSize, kvCacheType } = inference;
  const cells = sequences * (contextSize === 'auto' ? Math.min(4096, contextLength) : contextSize);
  return 2 * layers * kvHeads * headSize * cells * (kvCacheType === 'F32' ? 4 : 2);
}
