/** `spark-rl adapter`: shows a LoRA adapter, exports it as GGUF or PEFT, or merges it into its base. */
import type { Config } from '../../config/index.js';
import type { Adapter, Model } from '../../engine/types.js';
import { SparkError } from '../../errors.js';
import { saveChecked } from '../../parity/saveAdapter.js';
import { SAMPLES, sampleProbes } from '../../parity/sequences.js';
import { openEngine } from '../../run/parts.js';
import { defineCommand } from '../command.js';
import { configFromArgs, modelOptions } from '../options.js';
import { readTokens } from '../tokensFile.js';
import { merge } from './adapterMerge.js';

export default defineCommand({
  positionals: {
    action: { choices: ['inspect', 'export', 'merge'], demandOption: true },
    path: { type: 'string', demandOption: true, describe: 'GGUF LoRA file or PEFT folder' },
  },
  options: {
    ...modelOptions,
    out: { type: 'string', describe: 'for export and merge: file or folder to write; must not exist yet' },
    format: { choices: ['gguf', 'peft'], describe: 'for export: llama.cpp file or Hugging Face PEFT folder' },
    type: {
      choices: ['keep', 'F32', 'F16', 'BF16', 'Q8_0'] as const,
      describe:
        'for merge: type of the weights; keep (default): each its own, or F16 where that cannot be packed again',
    },
    tokens: {
      type: 'string',
      describe: 'for export and merge: JSON file with lists of token ids to check the file on (default: sampled)',
    },
  },
  examples: [
    ['$0 adapter export runs/quickstart/adapters/spark-40.gguf --format peft --out spark-peft', ''],
    ['$0 adapter merge spark-40.gguf --model m.gguf --out merged.gguf', 'one model that every GGUF program loads'],
  ],
  async run(args, { log, signal }) {
    refuseUnused(args);
    const config = await configFromArgs(args);
    if (args.action === 'merge') return merge(config, { ...args, type: args.type ?? 'keep' }, log, signal);
    const model = await openEngine(config, signal);
    try {
      const adapter = await model.loadAdapter(args.path, { signal });
      if (args.action === 'inspect') return await inspect(adapter, args.path);
      return await exportTo(model, adapter, args, config, signal);
    } finally {
      model.dispose();
    }
  },
});

/** The flags each action takes. `merge` always computes in f32, so it takes no --compute. */
const TAKES: Readonly<Record<string, readonly string[]>> = {
  inspect: [],
  export: ['out', 'format', 'tokens'],
  merge: ['out', 'type', 'tokens'],
};

/** Throws for a flag the action would ignore: whoever gave it expected something of it. */
function refuseUnused(args: { readonly action: string; readonly [flag: string]: unknown }): void {
  const unused = ['out', 'format', 'type', 'tokens'].filter((flag) => !TAKES[args.action]!.includes(flag));
  if (args.action === 'merge') unused.push('compute');
  const given = unused.filter((flag) => args[flag] !== undefined).map((flag) => `--${flag}`);
  if (given.length === 0) return;
  throw new SparkError('invalid_argument', `adapter ${args.action} does not take ${given.join(', ')}; leave that out`);
}

async function inspect(adapter: Adapter, path: string) {
  const tensors = await adapter.tensors('value');
  const rows = Object.entries(tensors).map(([name, { shape, data }]) => ({ name, shape, norm: norm(data) }));
  const { rank, alpha, targets, weights, parameterCount } = adapter;
  const others = weights.filter((weight) => weight.rank !== rank || weight.alpha !== alpha);
  const lines = [
    `${path}: rank ${rank}, alpha ${alpha}, targets ${targets.join(' ')}, ${parameterCount} parameters`,
    ...others.map((weight) => `  ${weight.name}: rank ${weight.rank}, alpha ${weight.alpha}`),
    ...rows.map(
      (row) => `  ${row.name.padEnd(44)} ${row.shape.join(' x ').padStart(12)}   norm ${row.norm.toFixed(6)}`,
    ),
  ];
  return { json: { path, rank, alpha, targets, weights, parameterCount, tensors: rows }, text: lines.join('\n') };
}

async function exportTo(
  model: Model,
  adapter: Adapter,
  args: { path: string; out: string | undefined; format: string | undefined; tokens: string | undefined },
  config: Config,
  signal: AbortSignal,
) {
  const { out, format } = args;
  if (out === undefined || format === undefined) {
    throw new SparkError('invalid_argument', 'adapter export expects --format gguf|peft and --out PATH');
  }
  const result = { from: args.path, to: out, format };
  if (format === 'peft') {
    await adapter.save(out, 'peft');
    return { json: result, text: `written ${out}` };
  }
  const sequences =
    args.tokens === undefined ? await sampleProbes(config, SAMPLES, signal) : await readTokens(args.tokens);
  const saved = await saveChecked({ model, adapter, file: out, sequences, tolerance: config.parity.tolerance, signal });
  const { mean, effect, visible } = saved;
  const seen = visible
    ? `llama.cpp reads it back within ${mean.toExponential(1)} nats a token, where it changes ${effect.toExponential(1)}`
    : `read back bit for bit; it changes log-probs by ${effect.toExponential(1)}, too little to be seen in llama.cpp's`;
  return { json: { ...result, check: saved }, text: `written ${out}: ${seen}` };
}

function norm(data: Float32Array): number {
  return Math.sqrt(data.reduce((sum, value) => sum + value * value, 0));
}
