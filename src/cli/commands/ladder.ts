/** `spark-rl ladder`: all stages of the ladder in one run, then its report. */
import { ladderText, runLadder } from '../../experiments/ladder.js';
import { withRun } from '../../run/run.js';
import { defineCommand } from '../command.js';
import { configFromArgs, configOptions, judgeOptions, parityOptions, rolloutOptions } from '../options.js';

export default defineCommand({
  options: { ...configOptions, ...judgeOptions, ...rolloutOptions, ...parityOptions },
  examples: [['$0 ladder --config llama31-8b --model m.gguf', 'the paper’s setting; interrupt and run again at will']],
  async run(args, { log, signal }) {
    const ladder = await withRun(await configFromArgs(args), { log, signal }, runLadder);
    return { json: ladder, text: ladderText(ladder) };
  },
});
