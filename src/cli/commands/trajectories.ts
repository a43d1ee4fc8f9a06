/** `spark-rl trajectories`: looks at what was rolled out, and takes it to other programs and back. */
import path from 'node:path';
import { SparkError } from '../../errors.js';
import { withRun } from '../../run/run.js';
import { importStage, importText } from '../../stages/importRollouts.js';
import { restoreStage, restoreText } from '../../stages/restoreTrajectories.js';
import { perform } from '../../stages/stage.js';
import { FORMAT_NAMES, FORMATS, type FormatName } from '../../stages/trajectoryFormats.js';
import { SELECTION_RULES, type SelectionRule } from '../../trajectory/trajectory.js';
import { defineCommand } from '../command.js';
import { type ConfigArgs, configFromArgs, configOptions } from '../options.js';
import type { CommandContext, CommandResult } from '../run.js';
import { exportOne, type Look, show, stats } from '../trajectories/look.js';

const formats = FORMAT_NAMES.map((name) => `${name}: ${FORMATS[name].describe}`).join('; ');

export default defineCommand({
  positionals: {
    action: { choices: ['show', 'stats', 'export', 'import'], demandOption: true },
    file: {
      type: 'string',
      array: true,
      describe: 'import: what to import, with spark and parquet also folders; else JSONL or Parquet in place of a run',
    },
  },
  options: {
    ...configOptions,
    set: {
      ...configOptions.set,
      describe: 'show, stats, export: a rollout set of the run (repeatable; default: all); import: --set ppo.epochs=3',
    },
    stage: { type: 'string', array: true, describe: 'show, stats, export: an evaluation of the run (repeatable)' },
    category: { type: 'string', array: true, describe: 'show, stats, export: only these categories (repeatable)' },
    tool: { type: 'string', array: true, describe: 'show, stats, export: only where a step takes it (repeatable)' },
    wrong: { type: 'boolean', describe: 'show, stats, export: only wrong answers; --no-wrong: only right ones' },
    id: { type: 'string', array: true, describe: 'show, stats, export: of a trajectory or its question (repeatable)' },
    questions: { type: 'string', describe: 'show, export: mini, or the file with the questions of the trajectories' },
    nth: { type: 'number', describe: 'show: the n-th of those that match, from 1' },
    limit: { type: 'number', describe: 'show: so many (default 3); 0: all' },
    rho: { type: 'number', describe: 'show: ρ of the reward (default: the run’s, else 0.5)' },
    out: { type: 'string', describe: 'export: the file to write' },
    overwrite: { type: 'boolean', describe: 'export: replace a file that is there' },
    format: { choices: FORMAT_NAMES, describe: `export (default parquet), import (default spark). ${formats}` },
    selection: { choices: SELECTION_RULES, describe: 'import: the rule that took their actions (default min-score)' },
    tau: { type: 'number', describe: 'import: τ of that rule (default 6)' },
  },
  examples: [
    ['$0 trajectories show --run my --set min-score-tau6 --wrong', 'the first three wrong ones as transcripts'],
    ['$0 trajectories show --run my --stage spark --id 123', 'how the trained policy answered question 123'],
    ['$0 trajectories stats --run my', 'tools, entropy, scores, verdicts of every rollout set, side by side'],
    ['$0 trajectories export --run my --set min-score-tau6 --format hf-chat --out sft.jsonl --no-wrong', 'for TRL'],
    ['$0 trajectories import full_rollouts/ --run paper --model m.gguf', 'then train sft, train ppo: no judge'],
  ],
  async run({ file: files = [], ...args }, context) {
    refuseOthers(args.action, args);
    const {
      run,
      stage: stages,
      category: categories,
      tool: tools,
      wrong,
      id: ids,
      questions,
      json,
    } = {
      json: false,
      ...args,
    };
    const filter = { categories, tools, wrong, ids };
    const look: Look = { run, sets: args.set, stages, files, filter, questions, json };
    switch (args.action) {
      case 'show':
        return show(look, { nth: args.nth, limit: args.limit ?? 3, rho: args.rho }, context);
      case 'stats':
        return stats(look, context);
      case 'export': {
        const { out, overwrite = false, format = 'parquet' } = args;
        return exportOne(look, { format: format as FormatName, out, overwrite }, context);
      }
      default:
        return importFiles(files, args, context);
    }
  },
});

const LOOKING = ['stage', 'category', 'tool', 'wrong', 'id'];
const OF_IMPORT = [
  ...Object.keys(configOptions).filter((name) => name !== 'run' && name !== 'set'),
  'selection',
  'tau',
];

/** Which options each action has no use for: what is given and does nothing would be believed to do something. */
const USELESS: Readonly<Record<string, readonly string[]>> = {
  show: [...OF_IMPORT, 'out', 'overwrite', 'format'],
  stats: [...OF_IMPORT, 'out', 'overwrite', 'format', 'questions', 'nth', 'limit', 'rho'],
  export: [...OF_IMPORT, 'nth', 'limit', 'rho'],
  import: [...LOOKING, 'questions', 'nth', 'limit', 'rho', 'out', 'overwrite'],
};

function refuseOthers(action: string, args: Readonly<Record<string, unknown>>): void {
  const given = USELESS[action]?.find((name) => args[name] !== undefined);
  if (given !== undefined) {
    throw new SparkError('invalid_argument', `trajectories ${action} has no use for --${given}; leave it out`);
  }
  if (action === 'import') return;
  const assigned = (args.set as readonly string[] | undefined)?.find((name) => name.includes('='));
  if (assigned === undefined) return;
  throw new SparkError('invalid_argument', `--set: expected the name of a rollout set, got ${assigned}`);
}

type ImportArgs = ConfigArgs & {
  readonly format?: string | undefined;
  readonly selection?: string | undefined;
  readonly tau?: number | undefined;
};

async function importFiles(
  files: readonly string[],
  args: ImportArgs,
  context: CommandContext,
): Promise<CommandResult> {
  const { format = 'spark', tau = 6 } = args;
  if (files.length === 0) {
    throw new SparkError('invalid_argument', 'trajectories import expects a file or folder: … import full_rollouts/');
  }
  if (format === 'parquet') return importOwn(files, args, context);
  const selection = (args.selection ?? 'min-score') as SelectionRule;
  // So that a plain `train sft` of this run learns from what it has.
  const config = await configFromArgs(
    { ...args, selection: undefined, tau: undefined },
    { rollout: { selection, tau }, sft: { selection } },
  );
  return withRun(config, context, async (run) => {
    const summary = await perform(run, importStage({ files, format: format as 'spark' | 'hf-chat', selection, tau }));
    const file = path.join(run.folder.root, summary.file);
    return { json: { ...summary, file }, text: `${importText(summary)}\n${file}` };
  });
}

async function importOwn(files: readonly string[], args: ImportArgs, context: CommandContext): Promise<CommandResult> {
  if (args.selection !== undefined || args.tau !== undefined) {
    throw new SparkError('invalid_argument', 'expected no --selection and no --tau: the file says what its rule was');
  }
  const stage = await restoreStage(files);
  const config = await configFromArgs({ ...args, selection: undefined, tau: undefined });
  return withRun(config, context, async (run) => {
    const summary = await perform(run, stage);
    const file = path.join(run.folder.root, summary.file);
    return { json: { ...summary, file }, text: `${restoreText(summary)}\n${file}` };
  });
}
