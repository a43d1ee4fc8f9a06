/** `spark-rl config print`: the configuration that flags, files and defaults resolve to. */
import { stringify } from 'yaml';
import { defineCommand } from '../command.js';
import { configFromArgs, configOptions, judgeOptions, rolloutOptions, serverOptions } from '../options.js';

export default defineCommand({
  positionals: { action: { choices: ['print'], demandOption: true } },
  options: { ...configOptions, ...judgeOptions, ...serverOptions, ...rolloutOptions },
  examples: [['$0 config print --config paper --tau 7', 'what a real run would use']],
  async run(args) {
    const config = await configFromArgs(args);
    return { json: config, text: stringify(config).trimEnd() };
  },
});
