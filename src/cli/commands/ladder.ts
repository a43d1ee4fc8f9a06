import { ladderText, runLadder } from '../../experiment/ladder.js';
import { withSession } from '../../experiment/session.js';
import { defineCommand } from '../command.js';
import { configFromArgs, configOptions, judgeOptions, parityOptions, rolloutOptions } from '../options.js';

export default defineCommand({
  options: { ...configOptions, ...judgeOptions, ...rolloutOptions, ...parityOptions },
  examples: [['$0 ladder --config llama31-8b --model m.gguf', 'the paper’s setting; interrupt and run again at will']],
  async run(args, { log, signal }) {
    const ladder = await withSession(await configFromArgs(args), { log, signal }, runLadder);
    return { json: ladder, text: ladderText(ladder) };
  },
});
