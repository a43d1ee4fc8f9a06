/** `spark-rl generate`: rolls out one rollout set of a run; with --dry-run only says what the judge would cost. */
import path from 'node:path';
import { withRun } from '../../run/run.js';
import { generateStage, generateText } from '../../stages/generate.js';
import { priceOfGeneration } from '../../stages/price.js';
import { perform } from '../../stages/stage.js';
import { defineCommand } from '../command.js';
import { configFromArgs, configOptions, judgeOptions, rolloutOptions } from '../options.js';

export default defineCommand({
  options: {
    ...configOptions,
    ...judgeOptions,
    ...rolloutOptions,
    questions: { type: 'string', describe: 'mini, or a Parquet / JSONL file with MMLU-Pro’s columns' },
    limit: { type: 'number', describe: 'so many questions, balanced over the categories; 0: all' },
    category: { type: 'string', array: true, describe: 'only these categories (repeatable)' },
    'dry-run': { type: 'boolean', default: false, describe: 'price the judge’s calls for what is left, and stop' },
  },
  examples: [
    ['$0 generate --run my --questions test.parquet --limit 2500 --model m.gguf', 'SPaRK’s data, judged by gpt-4o'],
    ['$0 generate --run my --selection max-score', 'the same run’s data for SFT and PPO without diversity'],
  ],
  async run(args, { log, signal }) {
    const config = await configFromArgs(args, {
      questions: { train: args.questions, trainLimit: args.limit, trainCategories: args.category },
    });
    if (args['dry-run']) return priced(await priceOfGeneration(config));
    const { selection, tau } = config.rollout;
    const stage = generateStage({ selection, tau });
    const { summary, file } = await withRun(config, { log, signal }, async (run) => {
      const summary = await perform(run, stage);
      return { summary, file: path.join(run.folder.root, summary.file) };
    });
    return { json: { ...summary, file }, text: `${generateText(summary)}\n${file}` };
  },
});

function priced(price: Awaited<ReturnType<typeof priceOfGeneration>>) {
  const { questions, already, calls, paid } = price;
  const dollars = paid ? `about $${price.dollars.toFixed(2)}` : 'nothing to pay';
  const there = already === 0 ? '' : `, ${already} were rolled out already; for the other ${questions - already}`;
  return { json: price, text: `${questions} questions${there}, at most ${calls} judge calls, ${dollars}` };
}
