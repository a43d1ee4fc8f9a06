/** `spark-rl eval`: evaluates one stage or adapter of a run; with --replay, grades finished outputs without a model. */
import path from 'node:path';
import { SparkError } from '../../errors.js';
import { type Replay, type ReplayOptions, replay } from '../../evaluate/replay.js';
import { loadQuestions } from '../../questions/load.js';
import { renderLadderTable } from '../../report/text.js';
import { noStage, type Run, withRun } from '../../run/run.js';
import { loadParts } from '../../run/userParts.js';
import { BASE, BASE_TOOLS, type EvaluateSpec, evaluateStage } from '../../stages/evaluate.js';
import { perform } from '../../stages/stage.js';
import { percent } from '../../units.js';
import { defineCommand } from '../command.js';
import { configFromArgs, configOptions, serverOptions, settingsFromArgs } from '../options.js';

export default defineCommand({
  options: {
    ...configOptions,
    ...serverOptions,
    stage: { type: 'string', describe: 'base (no tools), base-tools, or a trained stage of the run: sft, ppo, spark' },
    adapter: { type: 'string', describe: 'a GGUF LoRA file instead of a stage’s own' },
    tools: { type: 'boolean', default: true, describe: 'let the model use tools (--no-tools: chain of thought)' },
    questions: {
      type: 'string',
      describe: 'mini, or a Parquet / JSONL file: MMLU-Pro’s columns, or your own questions',
    },
    limit: { type: 'number', describe: 'so many questions, balanced over the categories; 0: all' },
    category: { type: 'string', array: true, describe: 'only these categories (repeatable)' },
    replay: { type: 'string', describe: 'JSONL of finished outputs: grade them under every published protocol' },
  },
  examples: [
    ['$0 eval --run my --stage spark', 'a trained stage on the test questions'],
    ['$0 eval --replay outputs.jsonl --json', 'no model needed'],
  ],
  async run(args, { log, signal }) {
    if (args.replay !== undefined) return replayed(args.replay, args);
    const config = await configFromArgs(args, {
      questions: { test: args.questions, testLimit: args.limit, testCategories: args.category },
    });
    // Where these answers are written says nothing of where the run's rollouts are.
    return withRun(config, { log, signal, forNow: ['server', 'inference', 'generation'] }, async (run) => {
      const spec = specFrom(run, args);
      const evaluation = await perform(run, evaluateStage(spec));
      const named = { name: spec.name, evaluation };
      return { json: named, text: renderLadderTable([named]) };
    });
  },
});

function specFrom(
  run: Run,
  args: { stage: string | undefined; adapter: string | undefined; tools: boolean },
): EvaluateSpec {
  const { tools } = args;
  if (args.adapter !== undefined) {
    const name = args.stage ?? path.basename(args.adapter, '.gguf');
    return { name, adapter: { path: path.resolve(args.adapter) }, tools };
  }
  const stage = args.stage ?? (tools ? BASE_TOOLS.name : BASE.name);
  const untrained = [BASE, BASE_TOOLS].find(({ name }) => name === stage);
  if (untrained !== undefined) {
    if (tools || untrained === BASE) return untrained;
    throw new SparkError('invalid_argument', `--stage ${stage} is the one with tools; without: --stage ${BASE.name}`);
  }
  if (run.adapterOf(stage) === null) throw noStage(run, stage);
  return { name: stage, adapter: { stage }, tools };
}

async function replayed(
  file: string,
  args: Parameters<typeof settingsFromArgs>[0] & { questions: string | undefined },
) {
  const result = await replay(file, args.questions === undefined ? {} : await gradedBy(args.questions, args));
  return { json: result, text: protocolTable(result) };
}

async function gradedBy(file: string, args: Parameters<typeof settingsFromArgs>[0]): Promise<ReplayOptions> {
  const config = await settingsFromArgs(args, {}, args.run === undefined ? 'none' : 'run');
  const questions = await loadQuestions(file, { verifier: config.questions.verifier });
  const own = questions.some(({ verifier }) => verifier?.name === 'own')
    ? (await loadParts(config)).parts.verifier
    : undefined;
  const { verifierTimeoutMs } = config.questions;
  return { questions, verifierTimeoutMs, ...(own === undefined ? {} : { verifier: own }) };
}

function protocolTable(result: Replay): string {
  const cell = (share: number) => percent(share).padStart(8);
  const lettered = Object.entries(result.protocols).filter(([, { questions }]) => questions > 0);
  const rows = lettered.map(
    ([name, { accuracy, low, high, unparsedRate, published }]) =>
      `${name.padEnd(18)} ${cell(accuracy)}  [${cell(low)}, ${cell(high)}]  unparsed ${cell(unparsedRate)}` +
      (published === null ? '' : `  agrees with published ${cell(published.rate)}`),
  );
  const published = result.published === null ? [] : [`published          ${cell(result.published.accuracy)}`];
  const guesses =
    result.guessesAmongTen === 0
      ? []
      : [
          `official-api drew ${result.guessesAmongTen} of its letters among ten options, because their questions were not ` +
            'given; --questions FILE: among those that each question has',
        ];
  const { verified } = result;
  const own =
    verified === null
      ? []
      : [
          `${'their verifiers'.padEnd(18)} ${cell(verified.accuracy)}  [${cell(verified.low)}, ${cell(verified.high)}]  unparsed ` +
            `${cell(verified.unparsedRate)}  ${verified.questions} without options`,
        ];
  return [`${result.outputs} outputs of ${result.path}`, ...rows, ...published, ...own, ...guesses].join('\n');
}
