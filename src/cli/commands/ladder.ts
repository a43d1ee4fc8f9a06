/** `spark-rl ladder`: all stages of the ladder in one run, then its report; with --seeds in a run for each seed. */
import { ladderExperiment, ladderStages, ladderText, runLadder } from '../../experiments/ladder.js';
import { planOf, planText } from '../../experiments/plan.js';
import { runRoot } from '../../run/folder.js';
import { withRun } from '../../run/run.js';
import { defineCommand } from '../command.js';
import { configFromArgs } from '../options.js';
import { sweepCommand, sweepOptions } from '../sweeps.js';

export default defineCommand({
  options: sweepOptions,
  examples: [
    ['$0 ladder --config paper --model m.gguf', 'the paper’s setting; interrupt and run again at will'],
    ['$0 ladder --config quickstart --run my --seeds 8', 'eight runs in runs/my/seed-…, and runs/my/ladder.json'],
  ],
  async run(args, context) {
    const { seeds, 'dry-run': dryRun } = args;
    if (seeds !== undefined) {
      const config = await configFromArgs(args, {}, 'sweep');
      return sweepCommand(ladderExperiment(config), { config, seeds, dryRun }, context);
    }
    const config = await configFromArgs(args);
    if (dryRun) {
      const runs = [{ config, folder: runRoot(config.name) }];
      const plan = await planOf({ runs, stages: ladderStages(config), signal: context.signal });
      return { json: plan, text: planText(plan) };
    }
    const ladder = await withRun(config, context, runLadder);
    return { json: ladder, text: ladderText(ladder) };
  },
});
