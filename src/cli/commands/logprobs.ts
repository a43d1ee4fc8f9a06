/** `spark-rl logprobs`: natural-log probability of every next token of given sequences, from our engine. */
import type { Batch } from '../../engine/batch.js';
import type { Model } from '../../engine/types.js';
import { openEngine } from '../../run/parts.js';
import { defineCommand } from '../command.js';
import { configFromArgs, configOptions } from '../options.js';
import { readTokens } from '../tokensFile.js';

export default defineCommand({
  options: {
    ...configOptions,
    tokens: { type: 'string', demandOption: true, describe: 'JSON file: a list of token ids, or a list of such lists' },
    adapter: { type: 'string', describe: 'GGUF LoRA file or PEFT folder' },
  },
  examples: [['$0 logprobs --model m.gguf --tokens t.json --json', '{"logprobs": [[…]]}; entry i is of token i + 1']],
  async run(args, { signal }) {
    const config = await configFromArgs(args);
    const sequences = await readTokens(args.tokens);
    const model = await openEngine(config, signal);
    try {
      const logprobs = await logprobsOf(model, sequences, args.adapter, signal);
      return { json: { model: config.model.path, adapter: args.adapter ?? null, logprobs }, text: asText(logprobs) };
    } finally {
      model.dispose();
    }
  },
});

async function logprobsOf(
  model: Model,
  sequences: readonly number[][],
  adapterPath: string | undefined,
  signal: AbortSignal,
): Promise<number[][]> {
  const adapter = adapterPath === undefined ? null : await model.loadAdapter(adapterPath, { signal });
  const out: number[][] = [];
  for (const tokens of sequences) {
    const lossMask = new Uint8Array(tokens.length).fill(1, 1);
    const cuSeqlens = Int32Array.of(0, tokens.length);
    const batch: Batch = { tokens: Int32Array.from(tokens), cuSeqlens, lossMask };
    out.push([...(await model.logprobs(batch, adapter, { signal }))].slice(1));
  }
  return out;
}

function asText(logprobs: readonly number[][]): string {
  return logprobs.map((row) => row.map((lp) => lp.toFixed(6)).join(' ')).join('\n');
}
