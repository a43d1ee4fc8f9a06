/** What `ladder --seeds` and `ablate` share: their options, and an experiment done or planned. */
import type { Options } from 'yargs';
import type { Config } from '../config/index.js';
import type { Experiment } from '../experiments/experiment.js';
import { planOf, planText } from '../experiments/plan.js';
import { configOf, runSweep, seedsOf, sweptText } from '../experiments/sweep.js';
import { runRoot } from '../run/folder.js';
import { SweepFolder } from '../run/sweepFolder.js';
import { configOptions, judgeOptions, parityOptions, rolloutOptions, serverOptions } from './options.js';
import type { CommandContext, CommandResult } from './run.js';

export const sweepOptions = {
  ...configOptions,
  ...judgeOptions,
  ...serverOptions,
  ...rolloutOptions,
  ...parityOptions,
  seeds: { type: 'number', describe: 'so many runs, of seed, seed + 1, …, compared with 95 % intervals' },
  'dry-run': { type: 'boolean', default: false, describe: 'say what is left to do, its time and cost, and stop' },
} as const satisfies Record<string, Options>;

interface Asked {
  readonly config: Config;
  readonly seeds: number;
  readonly dryRun: boolean;
}

export async function sweepCommand<Collected, Summary extends object>(
  experiment: Experiment<Collected, Summary>,
  { config, seeds, dryRun }: Asked,
  { log, signal }: CommandContext,
): Promise<CommandResult> {
  if (dryRun) {
    const sweep = SweepFolder.at(runRoot(config.name));
    const runs = seedsOf(config, seeds).map((seed) => ({
      config: configOf(config, sweep, seed),
      folder: sweep.runFolder(seed),
    }));
    const plan = await planOf({ runs, stages: experiment.stages, signal });
    return { json: plan, text: planText(plan) };
  }
  const command = ['spark-rl', ...process.argv.slice(2)].join(' ');
  const swept = await runSweep(experiment, config, { seeds, log, signal, command });
  return { json: swept, text: sweptText(experiment, swept) };
}
