/** Turns llama.cpp's error on opening a model into a SparkError that says what to do. */
import { SparkError, toSparkError } from '../errors.js';

interface Opening {
  readonly modelPath: string;
  readonly adapterPath?: string | undefined;
  readonly sequences?: number;
}

/** `modelLoaded`: the model itself was loaded, so the context or the adapter failed. */
export function loadFailure(error: unknown, options: Opening, modelLoaded: boolean): SparkError {
  const text = error instanceof Error ? error.message : String(error);
  if (modelLoaded && /lora|adapter/i.test(text)) {
    return new SparkError(
      'adapter_mismatch',
      `expected a LoRA adapter of ${options.modelPath}, but llama.cpp refuses ${options.adapterPath}: ${text}; ` +
        "use the adapter's own base model",
      { cause: error },
    );
  }
  if (/memory|VRAM|too large/i.test(text)) {
    return new SparkError(
      'out_of_memory',
      `not enough memory for ${options.modelPath} with ${options.sequences ?? 1} sequences: ${text}; ` +
        'lower inference.sequences or inference.contextSize, or use a smaller model',
      { cause: error },
    );
  }
  if (modelLoaded) return toSparkError(error, 'inference_failed');
  return new SparkError(
    'invalid_file',
    `expected a GGUF model that llama.cpp can load, but it refuses ${options.modelPath}: ${text}; ` +
      'the file may be damaged or newer than this llama.cpp: download it again, or update node-llama-cpp',
    { cause: error },
  );
}
