/** `spark-rl generate`: rolls out one rollout set of a run; with --dry-run only says what the judge would cost. */
import path from 'node:path';
import type { Config } from '../../config/index.js';
import { SparkError } from '../../errors.js';
import { runRoot } from '../../run/folder.js';
import { withRun } from '../../run/run.js';
import { type ChosenSet, generateStage, generateText } from '../../stages/generate.js';
import { validationSet } from '../../stages/policy.js';
import { type GenerationPrice, priceOfRollouts } from '../../stages/price.js';
import { perform } from '../../stages/stage.js';
import { defineCommand } from '../command.js';
import { configFromArgs, configOptions, judgeOptions, rolloutOptions, serverOptions } from '../options.js';

export default defineCommand({
  options: {
    ...configOptions,
    ...judgeOptions,
    ...serverOptions,
    ...rolloutOptions,
    questions: {
      type: 'string',
      describe: 'mini, or a Parquet / JSONL file: MMLU-Pro’s columns, or your own questions',
    },
    limit: { type: 'number', describe: 'so many questions, balanced over the categories; 0: all' },
    validation: {
      type: 'boolean',
      default: false,
      describe:
        'SPaRK’s rollouts on validation questions, in whose states policies are measured (--limit: so many of them)',
    },
    category: { type: 'string', array: true, describe: 'only these categories (repeatable)' },
    by: {
      type: 'string',
      describe: 'let this trained stage’s adapter write the rollouts (default: the base model)',
    },
    'dry-run': { type: 'boolean', default: false, describe: 'price the judge’s calls for what is left, and stop' },
  },
  examples: [
    ['$0 generate --run my --questions test.parquet --limit 2500 --model m.gguf', 'SPaRK’s data, judged by gpt-4o'],
    ['$0 generate --run my --validation --limit 140', 'for eval.measures: [policy]'],
    ['$0 generate --run my --selection max-score', 'the same run’s data for SFT and PPO without diversity'],
  ],
  async run(args, { log, signal }) {
    const config = await configFromArgs(args, {
      questions: {
        train: args.questions,
        [args.validation ? 'validationLimit' : 'trainLimit']: args.limit,
        trainCategories: args.category,
      },
    });
    if (args.validation && args.by !== undefined) {
      throw new SparkError(
        'invalid_argument',
        '--validation: expected no --by, as all policies are measured in the states of the base model’s rollouts',
      );
    }
    const writer = args.by === undefined ? {} : { by: args.by };
    const set = { ...(args.validation ? validationRollouts(config) : chosenSet(config)), ...writer };
    if (args['dry-run']) return priced(await priceOfRollouts(config, set, runRoot(config.name)));
    const stage = generateStage(set);
    const { summary, file } = await withRun(config, { log, signal }, async (run) => {
      const summary = await perform(run, stage);
      return { summary, file: path.join(run.folder.root, summary.file) };
    });
    return { json: { ...summary, file }, text: `${generateText(summary)}\n${file}` };
  },
});

function chosenSet({ rollout: { selection, tau } }: Config): ChosenSet {
  return { selection, tau };
}

function validationRollouts(config: Config): ChosenSet {
  if (config.questions.validationLimit > 0) return validationSet(config);
  throw new SparkError(
    'invalid_config',
    'questions.validationLimit: expected 1 or more for --validation, got 0; give --limit 140, for example',
  );
}

function priced(price: GenerationPrice) {
  const { questions, already, calls, paid, inputTokens, outputTokens } = price;
  const millions = ((inputTokens + outputTokens) / 1e6).toFixed(2);
  const dollars = paid ? `about ${millions} million tokens, $${price.dollars.toFixed(2)}` : 'nothing to pay';
  const there = already === 0 ? '' : `, ${already} were rolled out already; for the other ${questions - already}`;
  return { json: price, text: `${questions} questions${there}, at most ${calls} judge calls, ${dollars}` };
}
