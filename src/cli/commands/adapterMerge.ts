/** `spark-rl adapter merge`: writes base and adapter as one GGUF, checked against the two of them apart. */
import type { Config } from '../../config/index.js';
import type { SaveType } from '../../engine/types.js';
import { SparkError } from '../../errors.js';
import type { Log } from '../../log.js';
import { type Merged, mergeAdapter, refuseExisting } from '../../parity/mergeAdapter.js';
import { SAMPLES, sampleSequences } from '../../parity/sequences.js';
import { openEngine } from '../../run/parts.js';
import { byteText } from '../../units.js';
import type { CommandResult } from '../run.js';
import { readTokens } from '../tokensFile.js';

export interface MergeArgs {
  readonly path: string;
  readonly out: string | undefined;
  readonly type: SaveType;
  readonly tokens: string | undefined;
}

export async function merge(config: Config, args: MergeArgs, log: Log, signal: AbortSignal): Promise<CommandResult> {
  const { path: adapterPath, out, type } = args;
  if (out === undefined) throw new SparkError('invalid_argument', 'adapter merge expects --out FILE.gguf');
  refuseExisting(out); // before anything is computed
  // In f32 whatever training uses, because the merged file is compared with these log-probs.
  const exact: Config = { ...config, model: { ...config.model, compute: 'f32' } };
  const model = await openEngine(exact, signal);
  try {
    const adapter = await model.loadAdapter(adapterPath, { signal });
    const sequences =
      args.tokens === undefined ? await sampleSequences(exact, SAMPLES, signal) : await readTokens(args.tokens);
    const merged = await mergeAdapter({ model, adapter, adapterPath, out, type, sequences, log, signal });
    return { json: { from: adapterPath, to: out, type, ...merged }, text: mergeText(out, type, merged) };
  } finally {
    model.dispose();
  }
}

function mergeText(out: string, type: SaveType, { bytes, tensorTypes, merged, unpacked, check }: Merged): string {
  const types = Object.entries(tensorTypes).map(([name, count]) => `${count} ${name}`);
  const row = (name: string, mean: number, worst: number) =>
    `  ${name.padEnd(10)} mean |Δ log-prob| ${mean.toExponential(1)}, worst ${worst.toExponential(1)}`;
  const lines = [
    `written ${out}: ${byteText(bytes)}, tensors ${types.join(', ')}; the adapter is in ${merged} of them`,
    `checked against base + adapter on ${check.tokens} tokens, where the adapter moves log-probs by a mean of ${check.effect.toExponential(1)}:`,
    row('engine', check.engine.mean, check.engine.worst),
    row('llama.cpp', check.llamaCpp.mean, check.llamaCpp.worst),
  ];
  if (unpacked > 0) lines.push(`${unpacked} merged tensors became F16: their own type cannot be packed again`);
  if (check.engine.mean > 0.5 * check.effect && check.effect > 0) {
    lines.push(`rounding to ${type} moves log-probs about as much as the adapter does; --type F32 keeps all of it`);
  }
  return lines.join('\n');
}
