/** `spark-rl trajectories import`: brings rollouts that were made elsewhere into a run. */
import path from 'node:path';
import { SparkError } from '../../errors.js';
import { withRun } from '../../run/run.js';
import { importStage, importText } from '../../stages/importRollouts.js';
import { perform } from '../../stages/stage.js';
import { SELECTION_RULES } from '../../trajectory/trajectory.js';
import { defineCommand } from '../command.js';
import { configFromArgs, configOptions } from '../options.js';

export default defineCommand({
  positionals: {
    action: { choices: ['import'], demandOption: true },
    file: { type: 'string', array: true, describe: 'Parquet files, or folders of them' },
  },
  options: {
    ...configOptions,
    format: {
      choices: ['spark'],
      default: 'spark',
      describe: 'whose rollouts: those that the paper’s authors publish',
    },
    selection: { choices: SELECTION_RULES, default: 'min-score', describe: 'the rule that took their actions' },
    tau: { type: 'number', default: 6, describe: 'τ of that rule' },
  },
  examples: [
    ['$0 trajectories import full_rollouts/ --run paper --model m.gguf', 'then train sft, train ppo: no judge'],
  ],
  async run({ file: files = [], ...args }, { log, signal }) {
    if (files.length === 0) {
      throw new SparkError('invalid_argument', 'trajectories import expects a file or folder: … import full_rollouts/');
    }
    const selection = args.selection as (typeof SELECTION_RULES)[number];
    const { tau } = args;
    // So that a plain `train sft` of this run learns from what it has.
    const config = await configFromArgs(
      { ...args, selection: undefined, tau: undefined },
      { rollout: { selection, tau }, sft: { selection } },
    );
    return withRun(config, { log, signal }, async (run) => {
      const summary = await perform(run, importStage({ files, selection, tau }));
      const file = path.join(run.folder.root, summary.file);
      return { json: { ...summary, file }, text: `${importText(summary)}\n${file}` };
    });
  },
});
