/** node-llama-cpp itself: loaded once, and the contexts that a model's sequences live in. */
import { availableParallelism } from 'node:os';
import path from 'node:path';
import type { Llama, LlamaContext, LlamaModel } from 'node-llama-cpp';
import { SparkError } from '../errors.js';
import { Lane, Lanes, shareSequences } from './lanes.js';

export interface LlamaCppOptions {
  readonly modelPath: string;
  /** GGUF LoRA file. The library keeps an adapter by its path: a changed adapter needs a name of its own. */
  readonly adapterPath?: string | undefined;
  /** Sequences evaluated at the same time, default 1. */
  readonly sequences?: number;
  /** Tokens a sequence can hold; default what the model was trained for, at most 4096. */
  readonly contextSize?: number;
  /** Of the processor, in all; 0 or absent: as many as it has cores. */
  readonly threads?: number;
  /** llama.cpp's GPU back end; default false. */
  readonly gpu?: boolean | 'auto';
  /** F32 makes log-probs comparable with exact arithmetic to about 3e-5; the default F16 to about 1e-3. */
  readonly kvCacheType?: 'F16' | 'F32';
  readonly signal?: AbortSignal | undefined;
}

/** Loaded at the first model: it takes half a second, which whoever only trains need not wait for. */
export const library = () => import('node-llama-cpp');

/**
 * llama.cpp's threads wait for each other by spinning, several times a layer. A 20 MB model on two busy cores took
 * 1.1 ms a token with one thread and 187 ms with two: a small model gets one thread for every 32 MB.
 */
function threadsFor(bytes: number, most: number): number {
  return Math.max(1, Math.min(most, Math.ceil(bytes / 2 ** 25)));
}

/** One context, or several with fewer threads and sequences each. A GPU has one. */
export async function createLanes(
  model: LlamaModel,
  options: LlamaCppOptions,
  contextSize: number,
  bytes: number,
): Promise<Lanes<LlamaContext>> {
  const all = options.threads === undefined || options.threads === 0 ? availableParallelism() : options.threads;
  const onGpu = (options.gpu ?? false) !== false;
  const threads = onGpu ? all : threadsFor(bytes, all);
  const lanes: Lane<LlamaContext>[] = [];
  for (const sequences of shareSequences(options.sequences ?? 1, all, threads)) {
    lanes.push(new Lane(await createContext(model, options, { contextSize, threads, sequences }), sequences));
  }
  return new Lanes(lanes);
}

function createContext(
  model: LlamaModel,
  options: LlamaCppOptions,
  { contextSize, threads, sequences }: { contextSize: number; threads: number; sequences: number },
): Promise<LlamaContext> {
  const kv = options.kvCacheType ?? 'F16';
  return model.createContext({
    sequences,
    // The library starts to forget at one token less than it was asked for; our limit comes first.
    contextSize: contextSize + 1,
    threads,
    ...(kv === 'F32' ? { flashAttention: false } : {}),
    experimentalKvCacheKeyType: kv,
    experimentalKvCacheValueType: kv,
    failedCreationRemedy: false,
    ...(options.adapterPath === undefined
      ? {}
      : { lora: { adapters: [{ filePath: path.resolve(options.adapterPath) }] } }),
    ...(options.signal === undefined ? {} : { createSignal: options.signal }),
  });
}

const llamas = new Map<boolean | 'auto', Promise<Llama>>();

async function loadLlama(gpu: boolean | 'auto'): Promise<Llama> {
  const { getLlama, LlamaLogLevel } = await library();
  return getLlama({
    gpu: gpu === false ? false : 'auto',
    build: 'never',
    skipDownload: true,
    progressLogs: false,
    logLevel: LlamaLogLevel.error,
    // Failures come back as exceptions; what llama.cpp writes beside them is for its own developers.
    logger: () => undefined,
    maxThreads: 0,
  });
}

/** One instance per GPU setting and process: it only holds the loaded binary. */
export async function sharedLlama(gpu: boolean | 'auto'): Promise<Llama> {
  let llama = llamas.get(gpu);
  if (llama === undefined) {
    llama = loadLlama(gpu);
    llamas.set(gpu, llama);
  }
  try {
    return await llama;
  } catch (error) {
    llamas.delete(gpu);
    throw new SparkError(
      'backend_unavailable',
      `expected node-llama-cpp's prebuilt binary for ${process.platform}-${process.arch}, but it did not load: ` +
        `${(error as Error).message}; reinstall with npm install --include=optional`,
      { cause: error },
    );
  }
}
