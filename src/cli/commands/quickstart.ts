import { readConfigFile, resolveConfig } from '../../config.js';
import { ladderText, runLadder } from '../../experiment/ladder.js';
import { withSession } from '../../experiment/session.js';
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
    const ladder = await withSession(config, { log, signal }, runLadder, { fresh: args.fresh });
    return { json: ladder, text: ladderText(ladder) };
  },
});
