/** What llama.cpp says when it does not open a model, as an error that says what to do. */
import { SparkError, toSparkError } from '../errors.js';

interface Opening {
  readonly modelPath: string;
  readonly adapterPath?: string | undefined;
  readonly sequences?: number;
}

/** `modelLoaded`: it was the context or the adapter that failed. */
export function loadFailure(error: unknown, options: Opening, modelLoaded: boolean): SparkError {
  const text = error instanceof Error ? error.message : String(error);
  if (modelLoaded && /lora|adapter/i.test(text)) {
    return new SparkError(
      'adapter_mismatch',
      `expected a LoRA adapter of ${options.modelPath}, but llama.cpp does not take ${options.adapterPath}: ${text}`,
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
