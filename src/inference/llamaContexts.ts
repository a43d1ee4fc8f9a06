/** Loads node-llama-cpp once, and makes the contexts that hold a model's sequences. */
import path from 'node:path';
import type { Llama, LlamaContext, LlamaModel } from 'node-llama-cpp';
import { SparkError } from '../errors.js';
import { usableCores } from './cores.js';
import { belowHalf, Lane, Lanes, never, shareSequences, whenNoneDecodes } from './lanes.js';
import { canCopy, cutsAnywhere, LlamaPool } from './llamaEvaluator.js';
import type { LlamaCppOptions } from './llamaOptions.js';
import { Rounds } from './rounds.js';

/** Loaded with the first model, because loading takes half a second, and training alone does not need it. */
export const library = () => import('node-llama-cpp');

/**
 * llama.cpp's threads wait for each other by spinning, several times a layer. A 20 MB model on two busy cores took
 * 1.1 ms a token with one thread and 187 ms with two: a small model gets one thread for every 32 MB.
 */
function threadsFor(bytes: number, most: number): number {
  return Math.max(1, Math.min(most, Math.ceil(bytes / 2 ** 25)));
}

/** The threads of each context, and how many sequences each of them takes. */
export function contextsFor(
  { threads: wanted = 0, sequences = 1 }: Pick<LlamaCppOptions, 'threads' | 'sequences'>,
  bytes: number,
  onGpu = false,
): { readonly threads: number; readonly shares: readonly number[] } {
  const all = wanted === 0 ? usableCores() : wanted;
  const threads = onGpu ? all : threadsFor(bytes, all);
  return { threads, shares: shareSequences(sequences, all, threads) };
}

/** One context, or several with fewer threads and sequences each; one on a GPU. */
export async function createLanes(
  model: LlamaModel,
  options: LlamaCppOptions,
  contextSize: number,
  bytes: number,
): Promise<Lanes<LlamaPool>> {
  const { threads, shares } = contextsFor(options, bytes, model.llama.gpu !== false); // with `auto` only if there is one
  const { LlamaContextSequence } = await library();
  const { deterministic = false } = options;
  const prefixes = {
    reuse: cutsAnywhere(model) && !deterministic,
    copies: canCopy(LlamaContextSequence.prototype),
  };
  const lanes: Lane<LlamaPool>[] = [];
  for (const sequences of shares) {
    const context = await createContext(model, options, { contextSize, threads, sequences });
    const rounds = new Rounds(deterministic);
    lanes.push(new Lane(new LlamaPool(context, rounds, { size: sequences, ...prefixes }), sequences, rounds));
  }
  if (deterministic) return new Lanes(lanes, never);
  return new Lanes(lanes, model.llama.gpu === false ? whenNoneDecodes : belowHalf);
}

function createContext(
  model: LlamaModel,
  options: LlamaCppOptions,
  { contextSize, threads, sequences }: { contextSize: number; threads: number; sequences: number },
): Promise<LlamaContext> {
  const kv = options.kvCacheType ?? 'F16';
  return model.createContext({
    sequences,
    // The library drops tokens one short of the size it was given; one more, so that our limit is reached first.
    contextSize: contextSize + 1,
    threads,
    // Else a prompt would be cut into batches by how many sequences there are.
    ...(options.deterministic === true ? { batchSize: Math.min(contextSize + 1, ALONE_BATCH) } : {}),
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

/** Tokens of a prompt that are evaluated together where sequences are evaluated alone: the library's own default. */
const ALONE_BATCH = 512;

const llamas = new Map<false | 'auto', Promise<Llama>>();

async function loadLlama(gpu: false | 'auto'): Promise<Llama> {
  const { getLlama, LlamaLogLevel } = await library();
  return getLlama({
    gpu,
    build: 'never',
    skipDownload: true,
    progressLogs: false,
    logLevel: LlamaLogLevel.error,
    // Failures arrive as exceptions; llama.cpp's own log is for its developers.
    logger: () => undefined,
    maxThreads: 0,
  });
}

/**
 * The loaded binary, one instance with and one without GPU in a process. Throws `backend_unavailable` when it does not
 * load, and for `gpu` true when it finds no GPU.
 */
export async function sharedLlama(gpu: boolean | 'auto'): Promise<Llama> {
  const llama = await loadedLlama(gpu === false ? false : 'auto');
  if (gpu !== true || llama.gpu !== false) return llama;
  throw new SparkError(
    'backend_unavailable',
    'inference.gpu is true: expected a GPU that llama.cpp can use, got none; install its driver, or set inference.gpu ' +
      'to auto (a GPU if there is one) or false',
  );
}

async function loadedLlama(gpu: false | 'auto'): Promise<Llama> {
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
