import { rm } from 'node:fs/promises';
import { readConfigFile, resolveConfig } from '../../config.js';
import { ladderText, runLadder } from '../../experiment/ladder.js';
import { RunFolder } from '../../experiment/runFolder.js';
import { Session } from '../../experiment/session.js';
import { defineCommand } from '../command.js';
import { configOptions, parityOptions } from '../options.js';

export const quickstartCommand = defineCommand({
  command: 'quickstart',
  describe: 'The ladder on the embedded default: no key, no network, minutes on two cores',
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
    if (args.fresh) await rm(RunFolder.open(config.name).root, { recursive: true, force: true });
    const ladder = await runLadder(await Session.open(config, log, signal));
    return { json: ladder, text: ladderText(ladder) };
  },
});
