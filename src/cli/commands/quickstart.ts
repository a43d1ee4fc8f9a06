/** `spark-rl quickstart`: the ladder with the shipped configuration `quickstart`. */
import { readConfigFile, resolveConfig } from '../../config/index.js';
import { ladderText, runLadder } from '../../experiments/ladder.js';
import { withRun } from '../../run/run.js';
import { defineCommand } from '../command.js';
import { configOptions, parityOptions } from '../options.js';

export default defineCommand({
  options: {
    run: { ...configOptions.run, default: 'quickstart' },
    seed: configOptions.seed,
    ...parityOptions,
    fresh: { type: 'boolean', default: false, describe: 'remove what an earlier quickstart left and start over' },
  },
  async run(args, { log, signal }) {
    const config = resolveConfig(await readConfigFile('quickstart'), {
      name: args.run,
      seed: args.seed,
      parity: { check: args['parity-check'] },
    });
    const ladder = await withRun(config, { log, signal, fresh: args.fresh }, runLadder);
    return { json: ladder, text: ladderText(ladder) };
  },
});
