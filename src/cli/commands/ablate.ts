/** `spark-rl ablate <what>`: one thing varied, over seeds; what it is varied over stands in `ablate` of the configuration. */
import { ablations } from '../../experiments/ablations.js';
import { defineCommand } from '../command.js';
import { configFromArgs } from '../options.js';
import { sweepCommand, sweepOptions } from '../sweeps.js';

const names = Object.keys(ablations) as (keyof typeof ablations)[];

export default defineCommand({
  positionals: { what: { choices: names, demandOption: true } },
  options: { ...sweepOptions, seeds: { ...sweepOptions.seeds, default: 1 } },
  examples: [
    [
      '$0 ablate tau --config quickstart --run my --seeds 8',
      'beside the ladder of the same folder, whose stages it shares',
    ],
    ['$0 ablate rho --run my --seeds 8 --set ablate.rho=[0,0.5,1]', 'other values'],
    ['$0 ablate rho --run my --seeds 8 --dry-run', 'what is left to do, and what it takes'],
  ],
  async run(args, context) {
    const { seeds, 'dry-run': dryRun } = args;
    const config = await configFromArgs(args, {}, 'sweep');
    return ablations[args.what as keyof typeof ablations](config, (experiment) =>
      sweepCommand(experiment, { config, seeds, dryRun }, context),
    );
  },
});
