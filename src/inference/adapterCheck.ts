/** Looks at the header of a LoRA adapter before llama.cpp does, which ends the process over some that do not fit. */
import { statSync } from 'node:fs';
import { SparkError } from '../errors.js';
import { type ModelFileInfo, readHeader, text } from './ggufCheck.js';
import type { GgufHeader, GgufTensor } from './ggufHeader.js';

const OTHER_BASE = "use the adapter's own base model";

/**
 * Throws `adapter_mismatch` when the adapter's matrices do not fit the model's, `unsupported_file` for an adapter that
 * llama.cpp would apply to every token though it is for some, or cannot apply.
 */
export function checkAdapterFile(file: string, model: ModelFileInfo): void {
  refusePeft(file);
  const header = readHeader(file);
  checkKind(file, header, model);
  for (const tensor of header.tensors) checkAdapterTensor(file, tensor, model);
}

function refusePeft(file: string): void {
  const folder = statSync(file, { throwIfNoEntry: false })?.isDirectory() === true;
  if (!folder && !/adapter_(model|config)\.\w+$/.test(file)) return;
  throw new SparkError(
    'adapter_mismatch',
    `expected a GGUF LoRA adapter, got ${file}, which llama.cpp does not read; make one of a PEFT folder: ` +
      'spark-rl adapter export FOLDER --format gguf --out FILE.gguf',
  );
}

function checkKind(file: string, header: GgufHeader, model: ModelFileInfo): void {
  const type = text(header, 'general.type');
  const kind = text(header, 'adapter.type');
  if (type !== 'adapter' || kind !== 'lora') {
    throw new SparkError(
      'adapter_mismatch',
      `expected a GGUF LoRA adapter, but ${file} says general.type = ${type ?? 'missing'}, ` +
        `adapter.type = ${kind ?? 'missing'}; give the file of a LoRA adapter`,
    );
  }
  const architecture = text(header, 'general.architecture');
  if (architecture !== model.architecture) {
    throw new SparkError(
      'adapter_mismatch',
      `expected an adapter of architecture ${model.architecture}, but ${file} is of ${architecture ?? 'none'}; ${OTHER_BASE}`,
    );
  }
  if (!header.metadata.has('adapter.alora.invocation_tokens')) return;
  throw new SparkError(
    'unsupported_file',
    `expected a LoRA for all tokens, but ${file} is an activated one (aLoRA), which counts only after certain tokens; ` +
      'train a LoRA without alora_invocation_tokens',
  );
}

function checkAdapterTensor(file: string, tensor: GgufTensor, model: ModelFileInfo): void {
  const match = /^(.*)\.lora_([ab])$/.exec(tensor.name);
  if (match === null) return;
  const base = model.tensors.get(match[1]!);
  if (base === undefined) {
    throw new SparkError(
      'adapter_mismatch',
      `${file} adapts ${match[1]}, which the model does not have; ${OTHER_BASE}`,
    );
  }
  const embedding = match[1] === 'token_embd.weight';
  // llama.cpp would look for the head's adapter under the embedding's name, and end the process over its shape.
  if (embedding && !model.tensors.has('output.weight')) {
    throw new SparkError(
      'unsupported_file',
      `${file} adapts ${match[1]}, which is also the output of this model: llama.cpp cannot apply that; ` +
        'train an adapter without embed_tokens',
    );
  }
  // Innermost first: W is [C_in, C_out], A is [C_in, R], B is [R, C_out]; of the embedding A is [R, V] and B [R, C].
  const first = match[2] === 'a';
  const [expected, got] =
    first && !embedding ? [base[0], tensor.dimensions[0]] : [base[first === embedding ? 1 : 0], tensor.dimensions[1]];
  if (expected !== got) {
    throw new SparkError(
      'adapter_mismatch',
      `${file}: ${tensor.name} expected width ${expected} as in the model, got ${got}; ${OTHER_BASE}`,
    );
  }
}
