import { existsSync } from 'node:fs';
import type { Config } from '../../config.js';
import { sampleSequences, someOf } from '../../experiment/parity/sequences.js';
import { parityText, verifyParity } from '../../experiment/parity/verify.js';
import { RunFolder } from '../../experiment/runFolder.js';
import { resumeText, verifyResume } from '../../experiment/verifyResume.js';
import { generatorHash } from '../../inference/llamaCpp.js';
import { readTrajectories } from '../../trajectory/store.js';
import { defineCommand } from '../command.js';
import { configFromArgs, configOptions } from '../options.js';
import { readTokens } from '../tokensFile.js';

export const verifyCommand = defineCommand({
  command: 'verify <what>',
  describe: 'Prove that our log-probs are llama.cpp’s (parity), or that a stop changes no bit (resume)',
  positionals: { what: { choices: ['parity', 'resume'], demandOption: true } },
  options: {
    ...configOptions,
    adapter: { type: 'string', describe: 'for parity: GGUF LoRA file or PEFT folder (default: one made up)' },
    tokens: {
      type: 'string',
      describe: 'for parity: JSON file with lists of token ids (default: the run’s, else sampled)',
    },
    tolerance: { type: 'number', describe: 'for parity: most mean |Δ log-prob| on the file as it is served, in nats' },
    'skip-exact': {
      type: 'boolean',
      default: false,
      describe: 'for parity: no comparison on an F32 copy of the weights',
    },
  },
  examples: [
    ['$0 verify parity --model m-Q4_K_M.gguf', 'base and adapter, exact arithmetic and as served'],
    ['$0 verify resume', 'SFT and PPO, straight through against interrupted'],
  ],
  async run(args, { signal }) {
    const config = await configFromArgs(args, { parity: { tolerance: args.tolerance } });
    if (args.what === 'resume') {
      const results = await verifyResume(config, signal);
      return { json: { results }, text: resumeText(results), failed: results.some((result) => result.different > 0) };
    }
    const { sequences, otherGenerator } = await sequencesFor(config, args, signal);
    const report = await verifyParity({
      config,
      sequences,
      adapterPath: args.adapter,
      skipExact: args['skip-exact'],
      otherGenerator,
      signal,
    });
    return { json: report, text: parityText(report), failed: !report.ok };
  },
});

/** Given tokens, else those of the run's trajectories, else what the served model writes. */
async function sequencesFor(
  config: Config,
  args: { tokens?: string | undefined; run?: string | undefined },
  signal: AbortSignal,
) {
  if (args.tokens !== undefined) return { sequences: await readTokens(args.tokens), otherGenerator: false };
  if (args.run !== undefined) {
    const file = RunFolder.existing(args.run).trajectoriesFile;
    const trajectories = existsSync(file) ? await readTrajectories(file) : [];
    const tokens = trajectories.map((trajectory) => trajectory.tokens);
    const generator = await generatorHash(config.model.path, undefined, signal);
    const otherGenerator = trajectories.some((trajectory) => !trajectory.generator.startsWith(generator));
    if (tokens.length > 0) return { sequences: someOf(tokens, 4 * config.parity.tokens), otherGenerator };
  }
  const sequences = await sampleSequences(config, 4, config.parity.tokens, signal);
  return { sequences, otherGenerator: false };
}
