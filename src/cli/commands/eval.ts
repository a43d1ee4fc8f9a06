import path from 'node:path';
import { SparkError } from '../../errors.js';
import { type Replay, replay } from '../../evaluate/replay.js';
import { evaluateStage, type StageToEvaluate } from '../../experiment/evaluateStage.js';
import { renderLadderTable } from '../../experiment/report.js';
import { type Session, withSession } from '../../experiment/session.js';
import { loadQuestions } from '../../questions/load.js';
import { defineCommand } from '../command.js';
import { configFromArgs, configOptions } from '../options.js';

export default defineCommand({
  options: {
    ...configOptions,
    stage: { type: 'string', describe: 'base (no tools), base-tools, or a trained stage of the run: sft, ppo, spark' },
    adapter: { type: 'string', describe: 'a GGUF LoRA file instead of a stage’s own' },
    tools: { type: 'boolean', default: true, describe: 'let the model use tools (--no-tools: chain of thought)' },
    questions: { type: 'string', describe: 'mini, or a Parquet / JSONL file with MMLU-Pro’s columns' },
    limit: { type: 'number', describe: 'so many questions, balanced over the categories; 0: all' },
    category: { type: 'string', array: true, describe: 'only these categories (repeatable)' },
    replay: { type: 'string', describe: 'JSONL of finished outputs: score them under every published protocol' },
  },
  examples: [
    ['$0 eval --run my --stage spark', 'a trained stage on the test questions'],
    ['$0 eval --replay outputs.jsonl --json', 'no model needed'],
  ],
  async run(args, { log, signal }) {
    if (args.replay !== undefined) return scored(args.replay, args.questions);
    const config = await configFromArgs(args, {
      questions: { test: args.questions, testLimit: args.limit, testCategories: args.category },
    });
    return withSession(config, { log, signal }, async (session) => {
      const stage = await stageFrom(session, args);
      const evaluation = await evaluateStage(session, stage);
      const named = { name: stage.name, evaluation };
      return { json: named, text: renderLadderTable([named]) };
    });
  },
});

async function stageFrom(
  session: Session,
  args: { stage: string | undefined; adapter: string | undefined; tools: boolean },
): Promise<StageToEvaluate> {
  if (args.adapter !== undefined) {
    const name = args.stage ?? path.basename(args.adapter, '.gguf');
    return { name, adapterPath: path.resolve(args.adapter), tools: args.tools };
  }
  const name = args.stage ?? (args.tools ? 'base-tools' : 'base');
  if (name === 'base') return { name, adapterPath: null, tools: false };
  if (name === 'base-tools') return { name, adapterPath: null, tools: true };
  const adapterPath = await session.stageAdapter(name);
  if (adapterPath === null) {
    const known = ['base', 'base-tools', ...Object.keys(session.stages())].join(', ');
    throw new SparkError('no_data', `${session.run.root} has no stage "${name}"; it has ${known}`);
  }
  return { name, adapterPath, tools: args.tools };
}

async function scored(file: string, questions: string | undefined) {
  const result = await replay(file, questions === undefined ? {} : { questions: await loadQuestions(questions) });
  return { json: result, text: protocolTable(result) };
}

function protocolTable(result: Replay): string {
  const percent = (share: number) => `${(100 * share).toFixed(1)} %`.padStart(8);
  const rows = Object.entries(result.protocols).map(
    ([name, score]) =>
      `${name.padEnd(18)} ${percent(score.accuracy)}  [${percent(score.low)}, ${percent(score.high)}]  unparsed ${percent(score.unparsedRate)}` +
      (score.published === null ? '' : `  agrees with published ${percent(score.published.rate)}`),
  );
  const published = result.published === null ? [] : [`published          ${percent(result.published.accuracy)}`];
  return [`${result.outputs} outputs of ${result.path}`, ...rows, ...published].join('\n');
}
